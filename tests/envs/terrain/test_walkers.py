"""Episodes of walkers over terrain: seeds, ends, penalties, servos, saving, and their mirror."""

from typing import Any

import mujoco
import numpy as np
import pytest
from gymnasium.spaces.utils import flatdim

from spreeze import registry
from spreeze.environment import Watchable
from spreeze.envs.native.simulations import INTEGRATION_STATE
from spreeze.envs.terrain import make_vector, walker
from spreeze.envs.terrain.episodes import TerrainWalkers
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.ranges import KINDS
from spreeze.envs.terrain.timing import DECISION_S
from spreeze.errors import CheckpointError, EnvironmentFault, UsageError

NAME = "walker2d-terrain"
RISER = np.array([[0.45, 3.0, -10.0, 10.0, 0.3, 0.3]])


def made(count: int = 2, seed: int = 0, **options: Any) -> TerrainWalkers:
    return make_vector(NAME, TerrainOptions(**options), count, seed)


def exact(count: int = 1, **options: Any) -> TerrainWalkers:
    """Without anything random but the beginning of an episode."""
    return made(count, noise=False, randomise=False, **options)


def still(vector: TerrainWalkers) -> np.ndarray:
    return np.zeros((vector.count, flatdim(vector.action_space)))


def entry(vector: TerrainWalkers, seen: np.ndarray, name: str) -> np.ndarray:
    begin = 0
    for other, space in vector.senses.space.spaces.items():
        if other == name:
            return seen[:, begin : begin + flatdim(space)]
        begin += flatdim(space)
    raise AssertionError(name)


@pytest.mark.parametrize("kind", [*KINDS, "mixed"])
def test_equal_seeds_give_equal_episodes_and_others_do_not(kind: str) -> None:
    runs, random = [], np.random.default_rng(0)
    actions = random.uniform(-0.5, 0.5, (30, 3, 9))
    for seed in (3, 3, 4):
        vector = made(3, seed, terrain=kind, depth="always", max_episode_steps=20)
        seen = [vector.reset().copy()] + [vector.step(action).observation.copy() for action in actions]
        runs.append(np.array(seen))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_episodes_of_one_environment_do_not_depend_on_how_many_there_are() -> None:
    few, many = made(1, 7, terrain="stairs"), made(4, 7, terrain="stairs")
    np.testing.assert_array_equal(few.reset()[0], many.reset()[0])
    for _ in range(5):
        np.testing.assert_array_equal(few.step(still(few)).observation[0], many.step(still(many)).observation[0])


def test_a_saved_state_goes_on_to_the_bit() -> None:
    options: dict[str, Any] = dict(max_episode_steps=12, curriculum="on", depth="always")
    one, other = made(3, **options), made(3, 9, **options)
    one.reset(), other.reset()
    for _ in range(7):
        one.step(still(one))
    saved = one.state()
    np.testing.assert_array_equal(other.load_state(saved), saved["observation"])
    for _ in range(15):
        for left, right in zip(one.step(still(one)), other.step(still(other)), strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_state_of_another_number_of_walkers_is_refused() -> None:
    vector = made()
    vector.reset()
    with pytest.raises(CheckpointError, match="does not fit 3 x 'walker2d-terrain'"):
        made(3).load_state(vector.state())


def test_ten_seconds_are_500_decisions_and_no_end_but_a_truncation() -> None:
    vector = exact(terrain="flat", speed=(0.0, 0.0))
    vector.reset()
    assert DECISION_S * 500 == 10.0
    for decision in range(500):
        moment = vector.step(still(vector))
        assert not moment.terminated[0] and moment.truncated[0] == (decision == 499)
    assert vector.metrics()["terrain/success"][0] == 1
    after = vector.step(still(vector))
    assert (after.reward[0], after.truncated[0], after.terminated[0]) == (0.0, False, False)
    assert vector.metrics()["terrain/success"][0] == 0


def test_a_fall_terminates_and_is_no_success() -> None:
    vector = exact(terrain="flat")
    vector.reset()
    for _ in range(100):
        moment = vector.step(np.full((1, 9), 0.9) * [1, 1, 1, -1, 1, 1, 0, 0, 0])
        if moment.terminated[0]:
            break
    assert moment.terminated[0] and moment.reward[0] == 0
    assert vector.metrics()["terrain/success"][0] == 0


def test_servos_are_evaluated_at_every_step_of_the_physics() -> None:
    model = walker.model()
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = walker.start(np.random.default_rng(0))
    data.ctrl[:] = walker.POSE + 0.1
    torques = []
    for _ in range(10):
        before = data.qpos[3:9].copy(), data.qvel[3:9].copy()
        mujoco.mj_step(model, data)
        wanted = walker.STIFFNESS * (data.ctrl - before[0]) - walker.DAMPING * before[1]
        np.testing.assert_allclose(data.actuator_force, np.clip(wanted, -walker.TORQUE, walker.TORQUE), atol=1e-9)
        torques.append(data.actuator_force.copy())
    assert (np.abs(np.diff(torques, axis=0)).max(axis=1) > 0.01).all()


def test_the_environment_steps_the_physics_of_the_model_ten_times() -> None:
    vector = exact(terrain="stairs", clock="fixed")
    vector.reset()
    model, data = vector.simulations.model, mujoco.MjData(vector.simulations.model)
    vector.body.ground.follow(vector.body.base[:, :2])
    model.geom_size[:], model.geom_rbound[:] = (
        vector.simulations.parameter(name)[0] for name in ("geom_size", "geom_rbound")
    )
    mujoco.mj_setState(model, data, vector.simulations.state[0], INTEGRATION_STATE)
    action = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 6))
    vector.step(action)
    data.ctrl[:] = walker.POSE + walker.REACH * action[0]
    for _ in range(10):
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(vector.simulations.qpos[0], data.qpos, atol=1e-12)


def test_kinematics_are_those_of_the_model() -> None:
    model = walker.model()
    data = mujoco.MjData(model)
    random = np.random.default_rng(0)
    data.qpos[:], data.qvel[:] = random.uniform(-1, 1, 9), random.uniform(-1, 1, 9)
    mujoco.mj_forward(model, data)
    points, rates = walker.legs(data.qpos[None]), walker.leg_velocities(data.qpos[None], data.qvel[None])
    for side, name in enumerate(("left", "right")):
        for body, point in (("leg", points.knee), ("foot", points.ankle)):
            place = data.body(f"{name}-{body}").xpos
            np.testing.assert_allclose([point[0, side].real, point[0, side].imag], place[[0, 2]], atol=1e-12)
        middle = data.site(f"{name}-foot").xpos[[0, 2]]
        np.testing.assert_allclose((points.ankle + points.toe)[0, side] / 2, middle[0] + 1j * middle[1], atol=1e-12)
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_SITE, model.site(f"{name}-foot").id, velocity, 0)
        np.testing.assert_allclose((rates.ankle + rates.toe)[0, side] / 2, velocity[3] + 1j * velocity[5], atol=1e-12)
    capsules = walker.capsules(data.qpos[None])[0]
    geoms = [data.geom(f"{side}-{part}").xpos for part in ("thigh", "leg", "foot") for side in ("left", "right")]
    np.testing.assert_allclose((capsules[:, :3] + capsules[:, 3:6]) / 2, geoms, atol=1e-12)
    np.testing.assert_allclose(
        walker.rotations(data.qpos[None, 2])[0], data.body("torso").xmat.reshape(3, 3), atol=1e-12
    )


def test_a_toe_at_a_riser_costs_the_penalty_and_is_counted_and_observed() -> None:
    costs = {}
    for penalty in (0.0, 5.0):
        vector = exact(terrain="flat", foot_collision_penalty=penalty)
        vector.reset()
        toe = walker.legs(vector.simulations.qpos).toe.real.max()
        vector.ground.lay(0, RISER + np.array([toe - 0.38, 0, 0, 0, 0, 0]))
        moment = vector.step(still(vector))
        assert entry(vector, moment.observation, "collision")[0, 0] == 1
        assert vector.metrics()["terrain/foot_collisions"][0] == 1
        costs[penalty] = float(moment.reward[0])
    assert costs[0.0] > 0
    np.testing.assert_allclose(costs[0.0] - costs[5.0], 5.0, rtol=1e-5)


def test_level_ground_and_gentle_hills_are_never_struck() -> None:
    for kind, difficulty in (("flat", 1.0), ("hills", 0.2)):
        vector = made(8, terrain=kind, difficulty=(difficulty, difficulty))
        vector.reset()
        actions = np.random.default_rng(0).uniform(-0.4, 0.4, (60, 8, 9))
        assert not any(vector.step(action).observation is None or vector.body.struck.any() for action in actions)


def test_what_is_observed_says_where_the_riser_is() -> None:
    vector = exact(terrain="flat", senses="all", depth="always")
    vector.reset()
    vector.ground.lay(0, RISER + np.array([0.3, 0, 0, 0, 0, 0]))
    seen = vector.senses.observe(np.zeros(1, int))
    base = vector.body.base[0]
    cells = np.linspace(0, 1.5, 30) * walker.HEIGHT
    expected = np.where(base[0] + cells >= 0.75, 0.3, 0.0) - base[2]
    np.testing.assert_allclose(entry(vector, seen, "clean_map")[0], expected)
    np.testing.assert_allclose(entry(vector, seen, "map")[0], expected)
    picture = entry(vector, seen, "depth")[0]
    assert picture.min() > 0 and picture.max() <= 1 and (np.diff(picture[:10]) < 0).all()


def test_the_camera_is_computed_when_it_is_asked_for() -> None:
    vector = exact(terrain="stairs")
    assert not entry(vector, vector.reset(), "depth").any()
    vector.prepare("predictor")
    assert entry(vector, vector.reset(), "depth").all()


def test_a_stage_charges_for_collisions_itself_and_a_blind_one_walks_on_gentle_ground() -> None:
    vector = exact(8, foot_collision_penalty=5.0)
    vector.prepare("blind")
    vector.reset()
    assert vector.ground.terrains.boxes[:, :, 5].max() <= 0.4 * walker.HEIGHT
    vector.body.struck[:] = True
    assert (vector.step(still(vector)).reward > -1).all()


@pytest.mark.parametrize(
    ("stage", "chosen", "measures", "follows"),
    [
        ("modulator", "auto", False, True),
        ("modulator", "auto", True, False),
        ("modulator", "off", False, False),
        ("dataset", "auto", False, False),
        ("closed", "on", False, True),
        ("closed", "on", True, False),
    ],
)
def test_difficulty_follows_success_where_walking_over_terrain_is_learned(
    stage: str, chosen: str, measures: bool, follows: bool
) -> None:
    vector = exact(32, curriculum=chosen, difficulty=(0.2, 0.9))
    vector.prepare(stage, measures)
    vector.reset()
    assert vector.curriculum.difficulty.min() >= 0.2
    assert (vector.curriculum.difficulty.max() == 0.2) == follows
    assert vector.state()["curriculum/difficulty"].tolist() == vector.curriculum.difficulty.tolist()


@pytest.mark.parametrize(("clock", "size"), [("learned", 9), ("fixed", 6)])
def test_actions_of_0_leave_the_clock_at_its_nominal_speed(clock: str, size: int) -> None:
    vector = exact(clock=clock, terrain="flat")
    vector.reset()
    assert vector.action_space.shape == (size,)
    before = vector.clock.phase.copy()
    vector.step(still(vector))
    np.testing.assert_allclose((vector.clock.phase - before) % 1, DECISION_S / walker.PERIOD)


def test_a_learned_clock_follows_its_actions() -> None:
    vector = exact(terrain="flat")
    vector.reset()
    before = vector.clock.phase.copy()
    vector.step(np.array([[0.0] * 6 + [1.0, 0.5, -0.5]]))
    np.testing.assert_allclose((vector.clock.phase - before) % 1, 1.5 * DECISION_S / walker.PERIOD)
    np.testing.assert_allclose(vector.clock.shift, [[0.25, -0.25]])


def test_bodies_differ_within_their_ranges_only_if_asked() -> None:
    same, other = exact(40, terrain="flat"), made(40, terrain="flat")
    same.reset(), other.reset()
    model = other.simulations.model
    np.testing.assert_array_equal(same.simulations.parameter("body_mass"), np.tile(model.body_mass, (40, 1)))
    robot = slice(1, 8)
    for name, low, high in (("body_mass", 0.75, 1.25), ("dof_damping", 0.5, 3.5)):
        chosen = robot if name == "body_mass" else slice(3, 9)
        share = other.simulations.parameter(name)[:, chosen] / getattr(model, name)[chosen]
        assert low <= share.min() < low + 0.1 * (high - low) and high - 0.1 * (high - low) < share.max() <= high
    offset = other.simulations.parameter("body_ipos")[:, robot] - model.body_ipos[robot]
    assert 0.009 < np.abs(offset).max() <= 0.01 and not offset[:, :, 1].any()
    torque = other.simulations.parameter("actuator_gainprm")[:, :, 0] / walker.STIFFNESS
    np.testing.assert_allclose(other.simulations.parameter("actuator_biasprm")[:, :, 1], -torque * walker.STIFFNESS)
    delay = other.simulations.parameter("actuator_delay")
    assert 0.002 < delay.max() <= 0.003 and (np.ptp(delay, axis=1) == 0).all()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (dict(difficulty=(0.5, 0.1)), "--difficulty 0.5 0.1"),
        (dict(difficulty=(0.0, 2.0)), "--difficulty 0 2"),
        (dict(speed=(-1.0, 1.0)), "--speed -1 1"),
        (dict(foot_collision_penalty=-1.0), "--foot-collision-penalty -1"),
        (dict(max_episode_steps=0), "--max-episode-steps"),
    ],
)
def test_options_without_sense_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        made(1, **options)


def test_an_action_that_is_not_finite_is_a_fault_with_its_place() -> None:
    vector = made(2)
    vector.reset()
    with pytest.raises(EnvironmentFault, match="index 1, episode seed"):
        vector.step(np.array([[0.0] * 9, [np.nan] * 9]))


def test_it_is_found_by_name_and_drawn_with_its_ground() -> None:
    environment = registry.environment(NAME)
    env = environment.make_rendered(environment.options(terrain="ridges", depth="always"))
    first, _ = env.reset(seed=5)
    again, _ = env.reset(seed=5)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    frame: Any = env.render()
    assert frame.shape == (360, 640, 3) and frame.std() > 0
    tops = env.unwrapped.data.mocap_pos[:150, 2].max()  # type: ignore[attr-defined]
    assert tops > -2.0 + 0.04
    env.step(env.action_space.sample())
    shown = env.unwrapped.overlay()  # type: ignore[attr-defined]
    assert isinstance(env.unwrapped, Watchable) and shown.images["depth, near is dark"].shape == (256, 256, 3)
    assert 0.3 <= shown.charts["forward speed [m/s]"]["commanded"] <= 1.0
    env.close()
