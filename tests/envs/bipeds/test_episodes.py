"""Episodes of bipeds: their length, their seeds, their conditions, and that they go on where they were saved."""

from typing import Any

import numpy as np
import pytest
import torch

from spreeze import registry
from spreeze.algorithms.alip_walker import Walker, WalkerConfig, WalkerPolicy
from spreeze.contract import EnvironmentSpec, Step
from spreeze.envs.bipeds import make_vector
from spreeze.envs.bipeds.conditions import PUSH_S
from spreeze.envs.bipeds.episodes import Bipeds
from spreeze.envs.bipeds.options import WalkingOptions
from spreeze.envs.bipeds.robot import TICK_S
from spreeze.errors import CheckpointError, UsageError

NAMES = ("rabbit", "walker2d-alip", "rabbit-joints", "walker2d-joints", "digit")
every_biped = pytest.mark.parametrize("name", NAMES)


def made(name: str, count: int = 2, seed: int = 0, **options: Any) -> Bipeds:
    return make_vector(name, WalkingOptions(**options), count, seed)


def middle(vector: Bipeds) -> np.ndarray:
    low, high = vector.scheme.action_space.low, vector.scheme.action_space.high
    return np.tile((low + high) / 2, (vector.count, 1))


class Walking:
    """The ALIP walker on a vector."""

    def __init__(self, vector: Bipeds) -> None:
        self.vector, space = vector, vector.scheme.action_space
        self.policy = WalkerPolicy(Walker(EnvironmentSpec(vector.observation_space, space), WalkerConfig()))
        self.state = self.policy.initial_state(vector.count)
        self.middle, self.half = (space.low + space.high) / 2, (space.high - space.low) / 2

    def action(self, seen: np.ndarray) -> np.ndarray:
        none = torch.zeros(self.vector.count)
        step = Step(torch.from_numpy(seen), none, none, none.bool())
        action, self.state, _ = self.policy.act(step, self.state, "walk")
        scaled: np.ndarray = self.middle + self.half * action.numpy()
        return scaled


def test_an_episode_is_truncated_after_exactly_300_decisions() -> None:
    vector = made("rabbit", count=1, speed=(0.3, 0.3))
    walking, seen = Walking(vector), vector.reset()
    for decision in range(300):
        moment = vector.step(walking.action(seen))
        seen = moment.observation
        assert not moment.terminated[0]
        assert moment.truncated[0] == (decision == 299)
    after = vector.step(middle(vector))
    assert (after.reward[0], after.truncated[0], after.terminated[0]) == (0.0, False, False)


@every_biped
def test_equal_seeds_give_equal_episodes_and_others_do_not(name: str) -> None:
    runs = []
    for seed in (3, 3, 4):
        vector = made(name, seed=seed, slope=(-3.0, 3.0), payload=(0.0, 3.0), friction=(0.7, 1.3), push=(3.0, 5.0))
        seen = [vector.reset().copy()]
        seen += [vector.step(middle(vector)).observation.copy() for _ in range(5)]
        runs.append(np.array(seen))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


@every_biped
@pytest.mark.parametrize("native", [True, False], ids=["library", "numpy"])
def test_a_saved_state_goes_on_to_the_bit(name: str, native: bool, request: pytest.FixtureRequest) -> None:
    if not native:
        request.getfixturevalue("no_library")
    options: dict[str, Any] = dict(slope=(-3.0, 3.0), push=(5.0, 5.0), push_time=(0.1, 0.1), max_episode_steps=8)
    one, other = made(name, **options), made(name, seed=9, **options)
    one.reset(), other.reset()
    for _ in range(4):
        one.step(middle(one))
    saved = one.state()
    np.testing.assert_array_equal(other.load_state(saved), saved["observation"])
    for _ in range(8):
        first, second = one.step(middle(one)), other.step(middle(other))
        for left, right in zip(first, second, strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_state_of_another_number_of_robots_is_refused() -> None:
    vector = made("rabbit")
    vector.reset()
    with pytest.raises(CheckpointError, match="does not fit 3 x 'rabbit'"):
        made("rabbit", count=3).load_state(vector.state())


def test_a_push_gives_its_impulse() -> None:
    vector = made("rabbit", count=1, push=(10.0, 10.0), push_direction=(180.0, 180.0), push_time=(0.0, 0.0))
    vector.reset()
    impulse, begun = 0.0, []
    for tick in range(400):
        vector.gait.since[:] += TICK_S
        vector.conditions.push(np.array([tick * TICK_S]), vector.gait.phase)
        force = vector.simulations.fields["xfrc_applied"][0, vector.simulations.model.body("torso").id, 0]
        impulse += force * TICK_S
        begun += [vector.gait.phase[0]] if force else []
    np.testing.assert_allclose(impulse, -10.0)
    assert len(begun) == round(PUSH_S / TICK_S)
    assert 0.5 <= begun[0] < 0.55


def test_ground_payload_and_friction_reach_the_simulations() -> None:
    vector = made("rabbit", count=1, slope=(5.0, 5.0), payload=(4.0, 4.0), friction=(0.5, 0.5))
    vector.reset()
    simulations, model = vector.simulations, vector.simulations.model
    assert simulations.parameter("body_mass")[0].sum() == 36.0
    np.testing.assert_allclose(simulations.parameter("geom_friction")[0], model.geom_friction * 0.5)
    quat = simulations.parameter("geom_quat")[0, model.geom("floor").id]
    normal = np.array([2 * quat[0] * quat[2], 0, 1 - 2 * quat[2] ** 2])
    np.testing.assert_allclose(normal, [-np.sin(np.deg2rad(5)), 0, np.cos(np.deg2rad(5))])


def test_robots_begin_on_the_ground_also_where_it_slopes() -> None:
    vector = made("walker2d-alip", count=8, slope=(-8.0, 8.0))
    vector.reset()
    feet = vector.world.controller.posture().feet
    above = feet[:, :, 2] - vector.conditions.ground(np.arange(8), feet[:, :, 0])
    np.testing.assert_allclose(above.min(axis=1), 0, atol=1e-12)


def test_the_command_changes_within_an_episode_and_never_faster_than_it_may() -> None:
    vector = made("rabbit-joints", count=4, speed_changes=2, max_episode_steps=30)
    vector.reset()
    commands = []
    for decision in range(30):
        vector.conditions.decide(np.full(4, decision))
        commands.append(vector.conditions.command.copy())
    assert np.abs(np.diff(commands, axis=0)).max() <= 0.6 * 0.03 + 1e-12
    assert (np.diff(vector.conditions.wanted[:, :, 0], axis=1) != 0).all()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (dict(slope=(5.0, 1.0)), "--slope 5 1"),
        (dict(friction=(0.0, 1.0)), "--friction 0 1"),
        (dict(push_phase=(0.0, 2.0)), "--push-phase 0 2"),
        (dict(controller="magic"), "--controller magic: there are auto, linearisation, inverse-kinematics"),
        (dict(max_episode_steps=0), "--max-episode-steps"),
        (dict(slope=(40.0, 40.0)), "at most 30 degrees"),
    ],
)
def test_options_without_sense_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as told:
        made("rabbit", **options)
    assert complaint in str(told.value)


@pytest.mark.parametrize("name", ["rabbit", "walker2d-alip"])
@pytest.mark.parametrize("controller", ["linearisation", "inverse-kinematics"])
def test_the_walker_walks_with_either_controller(name: str, controller: str) -> None:
    vector = made(name, count=4, speed=(0.4, 0.4), controller=controller)
    walking, seen = Walking(vector), vector.reset()
    for _ in range(100):
        moment = vector.step(walking.action(seen))
        seen = moment.observation
        assert not moment.terminated.any()
    assert (np.abs(vector.speed[:, 0] - 0.4) < 0.2).all()
    assert not vector.metrics()["walking/failed"].any()


def test_bipeds_are_found_by_name_and_drawn() -> None:
    environment = registry.environment("rabbit")
    env = environment.make_rendered(environment.options())
    first, _ = env.reset(seed=5)
    again, _ = env.reset(seed=5)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    frame: Any = env.render()
    assert frame.shape == (360, 640, 3) and frame.std() > 0
    env.step(env.action_space.sample())
    env.close()
