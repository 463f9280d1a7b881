"""The incline of the ground is learned from footholds, and references move along it."""

import numpy as np

from spreeze.envs.bipeds import make_vector
from spreeze.envs.bipeds.gait import RUN, STEEPEST, learned
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


def test_a_walker_learns_the_slope_that_nobody_tells_it() -> None:
    vector = make_vector("rabbit", WalkingOptions(slope=(5.0, 5.0), speed=(0.5, 0.5)), 1, 0)
    walking, seen = Walking(vector), vector.reset()
    for _ in range(100):
        moment = vector.step(walking.action(seen))
        seen = moment.observation
        assert not moment.terminated[0]
    np.testing.assert_allclose(vector.gait.incline, np.tan(np.radians(5)), atol=0.015)
