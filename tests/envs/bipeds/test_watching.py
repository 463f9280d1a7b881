"""Bipeds that are watched: footsteps, speeds, pushes by hand, and a model that is theirs alone."""

from typing import Any

import numpy as np
import pytest

from spreeze.environment import Marker, Watchable
from spreeze.envs.bipeds import make_rendered
from spreeze.envs.bipeds.options import WalkingOptions
from spreeze.envs.bipeds.rendering import RenderedBiped
from tests.envs.bipeds.test_episodes import NAMES, Walking, middle

every_biped = pytest.mark.parametrize("name", NAMES)


def rendered(name: str, **options: Any) -> RenderedBiped:
    env: RenderedBiped = make_rendered(name, WalkingOptions(**options))
    return env


@every_biped
def test_payload_and_friction_are_those_of_the_options_in_every_episode(name: str) -> None:
    env, plain = rendered(name, payload=(5.0, 5.0), friction=(0.5, 0.5)), rendered(name)
    simulations, before = env.vector.simulations, plain.vector.simulations.model
    for seed in range(3):
        env.reset(seed=seed)
        for field in ("body_mass", "geom_friction", "geom_quat"):
            np.testing.assert_array_equal(getattr(simulations.model, field), getattr(before, field))
            np.testing.assert_array_equal(getattr(env.model, field), simulations.parameter(field)[0])
        np.testing.assert_allclose(env.model.body_mass.sum(), before.body_mass.sum() + 5.0)
        np.testing.assert_allclose(env.model.geom_friction, before.geom_friction * 0.5)


def momentum(env: RenderedBiped) -> np.ndarray:
    """(2,): horizontal, of the whole robot [kg m/s]."""
    posture = env.vector.world.controller.posture()
    found: np.ndarray = posture.mass_velocity[0, :2] * env.model.body_mass.sum()
    return found


@pytest.mark.parametrize("name", ["rabbit", "walker2d-alip", "digit"])
@pytest.mark.parametrize("degrees", [0.0, 180.0])
def test_a_push_by_hand_changes_the_speed_by_about_its_impulse(name: str, degrees: float) -> None:
    env, moved = rendered(name, speed=(0.0, 0.0)), []
    for impulse in (0.0, 8.0):
        env.reset(seed=3)
        env.push(impulse, degrees)
        for _ in range(2):  # 60 ms, in which the ground gives back some of it.
            env.vector.step(middle(env.vector))
        moved.append(momentum(env))
    gained = (moved[1] - moved[0]) @ [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]
    assert 4.0 < gained < 14.0
    assert not env.vector.simulations.fields["xfrc_applied"].any()


def test_a_push_comes_on_top_of_that_of_the_episode_and_ends_with_it() -> None:
    env = rendered("rabbit", push=(5.0, 5.0), push_time=(0.0, 0.0), push_phase=(0.0, 0.0))
    env.reset(seed=0)
    torso = env.model.body("torso").id
    force, simulations = env.vector.simulations.fields["xfrc_applied"][0, torso], env.vector.simulations
    env.vector.conditions.push(np.zeros(1), np.zeros(1))
    assert force[0] == pytest.approx(100.0)
    env.push(10.0, 0.0)
    taken: list[float] = []
    inner = simulations.fields["xfrc_applied"]
    before = simulations.qvel[0, 0]
    simulations.step(1)
    taken.append(float(simulations.qvel[0, 0] - before))
    assert inner[0, torso, 0] == pytest.approx(100.0)
    env.reset(seed=0)
    env.vector.conditions.push(np.zeros(1), np.zeros(1))
    before = simulations.qvel[0, 0]
    simulations.step(1)
    taken.append(float(simulations.qvel[0, 0] - before))
    assert taken[0] > taken[1]


def test_a_push_without_sense_is_refused() -> None:
    env = rendered("rabbit")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="finite"):
        env.push(float("nan"), 0.0)


def test_episodes_are_the_same_after_a_push_in_an_earlier_one() -> None:
    env, seen = rendered("walker2d-alip"), []
    for impulse in (0.0, 20.0, 0.0):
        env.reset(seed=5)
        if impulse:
            env.vector.step(middle(env.vector))
            env.push(impulse, 0.0)  # It is under way when the next episode begins.
            continue
        seen.append(np.array([env.vector.step(middle(env.vector)).observation.copy() for _ in range(4)]))
    np.testing.assert_array_equal(seen[0], seen[1])


@pytest.mark.parametrize("name", ["rabbit", "walker2d-alip", "digit"])
def test_the_foot_lands_near_the_marked_place(name: str) -> None:
    env = rendered(name, speed=(0.4, 0.4), speed_changes=0)
    env.reset(seed=1)
    vector = env.vector
    walking, seen = Walking(vector), vector.begin_with(1)
    stance, marked, misses = int(vector.gait.stance[0]), np.zeros(3), []
    for _ in range(120):
        if vector.gait.phase[0] > 0.5:
            marked = np.asarray(env.overlay().markers["landing"].position)
        seen = vector.step(walking.action(seen)).observation
        if vector.gait.stance[0] != stance and marked.any():
            stance = int(vector.gait.stance[0])
            foot = vector.world.controller.posture().feet[0, stance]
            misses.append(np.linalg.norm((foot - marked)[:2]))
    assert len(misses) > 5
    assert np.median(misses) < 0.06


@every_biped
def test_what_is_shown_follows_the_robot(name: str) -> None:
    env = rendered(name, slope=(5.0, 5.0), speed=(0.4, 0.4))
    assert isinstance(env, Watchable)
    env.reset(seed=2)
    overlay, vector = env.overlay(), env.vector
    joints = name.endswith("-joints")
    assert overlay.markers.keys() == ({"stance"} if joints else {"stance", "landing"})
    stance: Marker = overlay.markers["stance"]
    foot = vector.world.controller.posture().feet[0, vector.gait.stance[0]]
    np.testing.assert_allclose(stance.position[:2], foot[:2])
    np.testing.assert_allclose(stance.position[2], np.tan(np.radians(5)) * foot[0])
    assert next(iter(overlay.charts)) == "forward speed [m/s]" and len(overlay.charts) == (3 if name == "digit" else 1)
    assert overlay.charts["forward speed [m/s]"] == {
        "commanded": vector.conditions.command[0, 0],
        "actual": pytest.approx(vector.speed[0, 0]),
    }


def test_forward_is_where_the_robot_heads() -> None:
    env = rendered("digit")
    env.reset(seed=0)
    env.vector.gait.heading[:] = np.pi / 2
    env.vector.speed[:] = [[0.1, 0.7]]
    charts = env.overlay().charts
    assert charts["forward speed [m/s]"]["actual"] == pytest.approx(0.7)
    assert charts["speed to the left [m/s]"]["actual"] == pytest.approx(-0.1)
    env.push(10.0, 0.0)
    np.testing.assert_allclose(env.simulations._force, (0.0, 200.0), atol=1e-9)


def test_the_control_pushes_within_its_limits() -> None:
    env = rendered("rabbit")
    env.reset(seed=0)
    [control] = env.controls()
    impulse, degrees = control.parameters
    assert (control.name, control.key) == ("Push", "P")
    assert (impulse.low, impulse.high, impulse.value) == (0.0, 64.0, 8.0)
    assert (degrees.low, degrees.high, degrees.value) == (-180.0, 180.0, 0.0)
    env.vector.step(middle(env.vector))
    before = env.vector.simulations.qvel[0, 0]
    control.act(20.0, 0.0)
    env.vector.step(middle(env.vector))
    assert env.vector.simulations.qvel[0, 0] > before + 0.2
