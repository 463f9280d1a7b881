"""What planners observe, against the template's equations."""

import numpy as np
import pytest
from gymnasium.spaces import Dict

from spreeze.algorithms.alip import template
from spreeze.envs.bipeds import digit, make_vector, rabbit, walker2d
from spreeze.envs.bipeds.episodes import Bipeds
from spreeze.envs.bipeds.options import WalkingOptions
from spreeze.envs.bipeds.planning import ANKLE, keeping, later
from spreeze.envs.bipeds.robot import Robot


def ends(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest landing places, pitch and height."""
    return np.array(robot.low), np.array(robot.high)


def entries(vector: Bipeds, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Entries of observations (N, O) by name."""
    space = vector.observation_space
    assert isinstance(space, Dict)
    edges = np.cumsum([0, *(part.shape[0] for part in space.values() if part.shape)])
    return {key: seen[:, begin:end] for key, begin, end in zip(space, edges, edges[1:], strict=False)}


def test_the_momentum_at_touch_down_by_hand() -> None:
    found = later(np.array([[0.5]]), np.array([[0.1]]), np.array([[2.0]]), np.array([[0.5]]))
    assert found[0, 0] == pytest.approx(0.5 * 1.5430806348 + 2 * 1.1752011936 * 0.1)


@pytest.mark.parametrize("name", ["rabbit", "digit"])
def test_the_momentum_at_touch_down_is_the_template_s(name: str) -> None:
    vector = make_vector(name, WalkingOptions(), 3, 0)
    space = vector.observation_space
    assert isinstance(space, Dict)
    middle = np.tile((vector.scheme.action_space.low + vector.scheme.action_space.high) / 2, (3, 1))
    vector.reset()
    seen = [vector.step(middle).observation for _ in range(5)][-1].astype(float)
    entry = entries(vector, seen)
    rate, left = entry["template"][:, :1], entry["left"]
    _, expected = template.later(entry["mass_center"], entry["momentum"], rate, left)
    np.testing.assert_allclose(entry["touch_down"], expected, atol=1e-5)
    assert (left > 0).all() and np.abs(expected - entry["momentum"]).max() > 1e-3
    vector.close()


def test_a_decision_shifts_the_place_that_keeps_the_momentum() -> None:
    for name, low, high in (("rabbit", *ends(rabbit.ROBOT)), ("digit", *ends(digit.ROBOT))):
        vector = make_vector(name, WalkingOptions(), 3, 0)
        seen, axes = vector.reset(), 2 if name == "digit" else 1
        rate, step_time = seen[:, -2:-1].astype(float), seen[:, -1:].astype(float)
        momentum = seen[:, 2 * axes : 3 * axes].astype(float)
        same = momentum * [1.0, -1.0][:axes]
        kept = template.placement(momentum, same, rate, step_time) * [-1.0, 1.0][:axes]
        middle = np.tile((vector.scheme.action_space.low + vector.scheme.action_space.high) / 2, (3, 1))
        middle[:, 0] = [0.0, 0.1, -0.3]
        vector.scheme.decide(middle)
        kept[:, 0] += middle[:, 0]
        np.testing.assert_allclose(vector.gait.target[:, :axes], kept.clip(low[:axes], high[:axes]), atol=1e-6)
        vector.close()


def test_keeping_by_hand() -> None:
    """tanh(1/2) = 0.4621171573: forward 0.5 of it over l, outward the opposite side over it."""
    found = keeping(np.array([[0.5, -0.2]]), np.array([[2.0]]), np.array([[0.5]]))
    np.testing.assert_allclose(found, [[0.25 * 0.4621171573, 0.1 / 0.4621171573]])


def test_what_the_controller_tracks_is_observed_as_it_is() -> None:
    vector = make_vector("rabbit", WalkingOptions(), 2, 0)
    vector.reset()
    seen = vector.step(np.tile(vector.scheme.action_space.high, (2, 1))).observation.astype(float)
    entry, posture, rows = entries(vector, seen), vector.world.controller.posture(), np.arange(2)
    stance = vector.gait.stance
    swing = posture.feet[rows, 1 - stance]
    up = swing[:, 2] - posture.feet[rows, stance, 2]
    np.testing.assert_allclose(
        entry["lean"], np.column_stack([posture.attitude[:, 1], posture.attitude_rate[:, 1]]), atol=1e-6
    )
    height = posture.base[:, 2] - posture.feet[rows, stance, 2] - rabbit.ROBOT.height
    np.testing.assert_allclose(entry["height"][:, 0], height, atol=1e-6)
    ahead = swing[:, 0] - posture.mass_center[:, 0]
    np.testing.assert_allclose(entry["swing"][:, :2], np.column_stack([ahead, up]), atol=1e-6)
    vector.close()


def test_the_ankle_brakes_where_the_foot_is_placed_further_ahead_than_keeps_the_momentum() -> None:
    vector, robot = make_vector("walker2d-alip", WalkingOptions(), 3, 0), walker2d.ROBOT
    vector.reset()
    middle = np.tile((vector.scheme.action_space.low + vector.scheme.action_space.high) / 2, (3, 1))
    middle[:, 0] = [0.02, 0.3, -0.3]
    vector.scheme.decide(middle)
    np.testing.assert_allclose(vector.gait.pressure, [0.02 * ANKLE, *robot.sole_reach[::-1]], atol=1e-6)


def test_a_robot_without_feet_has_no_ankle() -> None:
    vector = make_vector("rabbit", WalkingOptions(), 2, 0)
    vector.reset()
    vector.step(np.tile(vector.scheme.action_space.high, (2, 1)))
    np.testing.assert_array_equal(vector.gait.pressure, 0.0)
