"""The reward's terms against values worked out by hand."""

import numpy as np
import pytest

from spreeze.envs.bipeds.rewards import following, reward

AT_WIDTH = np.exp(-1.0)


def test_without_errors_it_is_one() -> None:
    for commands in (1, 3):
        found = reward(np.zeros((2, commands)), np.zeros((2, 2)), np.zeros((2, 1)), np.zeros((2, 4)))
        np.testing.assert_allclose(found, 1.0)


def test_one_command_is_a_bell_of_its_error() -> None:
    np.testing.assert_allclose(following(np.array([[0.15], [-0.15], [0.3]])), np.exp([-1.0, -1.0, -4.0]))


def test_of_three_commands_each_error_costs_its_share_alone() -> None:
    errors = np.array([[0.6, 0.0, 0.0], [0.0, -0.6, 0.0], [0.0, 0.0, 0.6], [9.0, 9.0, 9.0], [9.0, 0.0, 9.0]])
    far = (np.exp(-16.0) + AT_WIDTH) / 2
    wanted = [0.5 * far + 0.5, 0.25 * far + 0.75, 0.25 * far + 0.75, 0.0, 0.25]
    np.testing.assert_allclose(following(errors), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("place", "error", "weight"),
    [(0, [[0.15]], 0.6), (1, [[0.25, 0.0]], 0.1), (2, [[0.06]], 0.1), (3, [[0.6, 0.0, 0.8, 0.0]], 0.2)],
)
def test_each_error_of_its_width_costs_its_weight(place: int, error: list[list[float]], weight: float) -> None:
    errors = [np.zeros((1, 1)), np.zeros((1, 2)), np.zeros((1, 1)), np.zeros((1, 4))]
    errors[place] = np.array(error)
    np.testing.assert_allclose(reward(*errors), 1 - weight * (1 - AT_WIDTH))
