"""Trajectories pass through the points they are meant to, and their rates are those of their values."""

from collections.abc import Callable

import numpy as np
import pytest

from spreeze.envs.bipeds.trajectories import Filter, blend, departure, lift, paced

STEP_TIME = 0.3
PHASES = np.linspace(0, 1, 2001)


@pytest.mark.parametrize("curve", [blend, lift, departure])
def test_rates_and_accelerations_are_derivatives(curve: Callable[[np.ndarray, float], np.ndarray]) -> None:
    values = curve(PHASES, STEP_TIME)
    for order in (0, 1):
        slopes = np.gradient(values[:, order], PHASES * STEP_TIME)
        np.testing.assert_allclose(
            slopes[5:-5], values[5:-5, order + 1], atol=0.01 * np.abs(values[:, order + 1]).max()
        )


def test_rates_by_time_are_derivatives_where_the_clock_of_a_step_changes_its_pace() -> None:
    seconds = np.linspace(0, 0.2, 2001)
    pace = 1 + 0.5 * np.sin(20 * seconds)
    phase = (seconds + 0.5 / 20 * (1 - np.cos(20 * seconds))) / STEP_TIME
    values = paced(blend(phase, STEP_TIME), pace, 10 * np.cos(20 * seconds))
    for order in (0, 1):
        slopes = np.gradient(values[:, order], seconds)
        np.testing.assert_allclose(
            slopes[5:-5], values[5:-5, order + 1], atol=1e-3 * np.abs(values[:, order + 1]).max()
        )


def test_the_blend_begins_and_ends_at_rest() -> None:
    np.testing.assert_allclose(blend(np.array([0.0, 1.0]), STEP_TIME)[:, :2], [[0, 0], [1, 0]], atol=1e-12)


def test_the_foot_is_highest_in_the_middle_and_lands_slowly() -> None:
    heights = lift(PHASES, STEP_TIME)
    assert heights[0, 0] == 0
    assert abs(PHASES[heights[:, 0].argmax()] - 0.5) < 0.01
    np.testing.assert_allclose(heights[1000, 0], 1)
    assert -0.02 < heights[-1, 0] < 0
    assert -4 < heights[-1, 1] < 0


def test_the_filter_reaches_its_target_without_passing_it() -> None:
    filtered = Filter(2, 1, 50.0)
    filtered.begin(np.array([1]), np.array([[1.0]]))
    path = np.array([filtered.advance(np.ones((2, 1)), 0.001)[:, 0, 0].copy() for _ in range(300)])
    assert path.max() <= 1 + 1e-9
    np.testing.assert_allclose(path[-1], 1, atol=1e-3)
    np.testing.assert_array_equal(path[:, 1], 1)
