"""Terms of the reward of a robot in three dimensions, by hand."""

from typing import Any

import numpy as np
import pytest

from spreeze.envs.terrain import cassie_legs, cassie_rewards
from spreeze.envs.terrain.cassie_rewards import WEIGHTS, Measured
from tests.envs.terrain.rewarded import changed, still


def perfect() -> Measured:
    nothing = np.zeros(1)
    return Measured(nothing, nothing, nothing, np.zeros((1, 2)), still())


@pytest.mark.parametrize(
    ("name", "change", "term", "q"),
    [
        ("ahead_error", [0.5], "ahead", 0.5),
        ("ahead_error", [0.04], "ahead", 0.0),
        ("aside_error", [0.3], "aside", 0.3),
        ("base_turn", [0.02], "orientation", 0.02),
        ("base_turn", [0.004], "orientation", 0.0),
        ("foot_turn", [[0.01, 0.02]], "orientation", 0.03),
        ("force", [[100.0, 50.0]], "left_force", 100.0),
        ("foot_speed", [[1.0, 2.0]], "right_speed", 2.0),
        ("acceleration", [40.0], "stable_base", 40.0),
        ("foot_acceleration", [30.0], "feet_acceleration", 30.0),
        ("change", [0.1], "change", 0.1),
        ("effort", [1.5], "effort", 1.5),
    ],
)
def test_each_miss_costs_its_own_term(name: str, change: Any, term: str, q: float) -> None:
    weight, scale = WEIGHTS[term]
    assert sum(w for w, _ in WEIGHTS.values()) == pytest.approx(1.10)
    found = cassie_rewards.reward(changed(perfect(), **{name: np.array(change)}))
    np.testing.assert_allclose(1 - found, weight * (1 - np.exp(-scale * q)) / 1.10, atol=1e-12)


def test_a_turn_by_an_angle_counts_as_the_square_of_the_sine_of_its_half() -> None:
    turn = cassie_legs.rotations(np.array([[np.cos(0.2), 0.0, np.sin(0.2), 0.0]]))
    np.testing.assert_allclose(cassie_rewards.turned(turn), np.sin(0.2) ** 2)


def test_a_decision_gives_at_most_1_also_if_a_standing_foot_is_loaded_and_a_swinging_one_moves() -> None:
    seen = changed(perfect(), force=np.array([[0.0, 300.0]]), foot_speed=np.array([[3.0, 0.0]]))
    np.testing.assert_allclose([cassie_rewards.reward(perfect()), cassie_rewards.reward(seen)], 1)
