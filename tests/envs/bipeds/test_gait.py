"""The incline of the ground is learned from footholds, and references move along it."""

import numpy as np
import pytest

from spreeze.envs.bipeds import make_vector
from spreeze.envs.bipeds.gait import RUN, STEEPEST, TURN, learned
from spreeze.envs.bipeds.options import WalkingOptions
from spreeze.envs.bipeds.robot import Reference
from tests.envs.bipeds.test_episodes import Walking


def test_a_foothold_teaches_by_its_distance_and_a_step_in_place_nothing() -> None:
    found = learned(np.zeros(3), np.array([RUN, 3 * RUN, 0.0]), np.array([0.01, 0.03, 0.02]))
    np.testing.assert_allclose(found, [0.05, 0.09, 0.0])


def test_the_true_incline_stays_and_no_wall_is_believed() -> None:
    run = np.array([0.3, -0.2, 0.5])
    np.testing.assert_allclose(learned(np.full(3, -0.1), run, -0.1 * run)[:2], -0.1)
    np.testing.assert_allclose(learned(np.zeros(3), run, 2 * run), STEEPEST)


def references(incline: float) -> tuple[Reference, float, float]:
    """Of a robot at the beginning of a step: with an incline; how far ahead its mass centre is, and how fast."""
    vector = make_vector("walker2d-alip", WalkingOptions(), 1, 0)
    vector.reset()
    posture = vector.world.controller.posture()
    vector.gait.incline[:] = incline
    reference = vector.gait.advance(posture)
    kept = Reference(*(np.array(value) for value in reference))
    ahead = posture.mass_center - posture.feet[0, vector.gait.stance]
    return kept, float(ahead[0, 0]), float(posture.mass_velocity[0, 0])


def test_base_and_swing_foot_move_along_the_incline() -> None:
    level, ahead, speed = references(0.0)
    inclined, _, _ = references(0.1)
    np.testing.assert_allclose((inclined.height - level.height)[0], [0.1 * ahead, 0.1 * speed, 0], atol=1e-12)
    rises = 0.1 * (level.swing[0, :, 0] + [ahead, speed, 0])
    np.testing.assert_allclose((inclined.swing - level.swing)[0, :, 2], rises, atol=1e-12)
    np.testing.assert_allclose((inclined.swing - level.swing)[0, :, 0], 0)
    np.testing.assert_allclose(inclined.tilt, -np.arctan(0.1))


def test_a_sole_that_lies_on_the_ground_tells_its_incline() -> None:
    vector = make_vector("walker2d-alip", WalkingOptions(slope=(-8.0, 8.0)), 8, 0)
    vector.reset()
    np.testing.assert_allclose(vector.gait.incline, np.tan(vector.conditions.slope), atol=1e-12)


@pytest.mark.parametrize(("pace", "ticks"), [(1.0, 300), (0.5, 575), (1.5, 208)])
def test_a_step_ends_when_its_own_clock_says_so(pace: float, ticks: int) -> None:
    """The pace follows with 1 - exp(-40 t): at 0.5 it takes 0.575 s to make 0.3 s, and the foot is down at its end."""
    vector = make_vector("rabbit", WalkingOptions(), 1, 0)
    vector.reset()
    gait, posture = vector.gait, vector.world.controller.posture()
    gait.decide(gait.target.copy(), np.full(1, pace))
    for tick in range(ticks):
        assert gait.phase[0] < 1, tick
        reference = gait.advance(posture)
    assert gait.phase[0] == pytest.approx(1, abs=0.01)
    assert abs(reference.swing[0, 0, 2]) < 0.02
    gait.advance(posture), gait.advance(posture)
    before = float(gait.since[0])
    gait.advance(posture)
    assert gait.since[0] - before == pytest.approx(0.001), "what comes too late comes by the time of all"


@pytest.mark.parametrize(("force", "expected"), [(50.0, TURN), (0.0, 0.0)])
def test_a_sole_on_its_edge_teaches_little_and_one_in_the_air_nothing(force: float, expected: float) -> None:
    vector = make_vector("walker2d-alip", WalkingOptions(), 1, 0)
    vector.reset()
    gait, posture = vector.gait, vector.world.controller.posture()
    gait.since[:], posture.soles[:], posture.force[:] = 0.3, -0.25, 50.0
    posture.force[0, gait.stance] = force
    before = gait.stance.copy()
    gait.advance(posture)
    assert gait.stance != before
    np.testing.assert_allclose(gait.incline, expected)


def test_a_walker_learns_the_slope_that_nobody_tells_it() -> None:
    vector = make_vector("rabbit", WalkingOptions(slope=(5.0, 5.0), speed=(0.5, 0.5)), 1, 0)
    walking, seen = Walking(vector), vector.reset()
    for _ in range(100):
        moment = vector.step(walking.action(seen))
        seen = moment.observation
        assert not moment.terminated[0]
    np.testing.assert_allclose(vector.gait.incline, np.tan(np.radians(5)), atol=0.015)
