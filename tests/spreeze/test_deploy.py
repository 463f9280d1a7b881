"""Actions in the units of an environment, in torch as in numpy."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space

from spreeze.deploy import ActionUnits
from spreeze.spaces import ActionScale, action_field

SPACES: list[Space[np.ndarray] | Space[np.int64]] = [
    Box(-1.0, 1.0, (2,), np.float32),
    Box(np.array([-2.0, 0.0, -5.0], np.float32), np.array([2.0, 10.0, 20.0], np.float32)),
    Box(-3.0, 1.0, (2,), np.float64),
    Box(0, 255, (4,), np.uint8),
    Box(-np.inf, np.inf, (2,), np.float32),
    Box(np.array([0.0, 1.0], np.float32), np.array([1.0, 1.0], np.float32)),
    Discrete(5),
    Discrete(4, start=3),
    MultiDiscrete([3, 4]),
    MultiBinary(3),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_units_are_those_of_the_framework(space: Space[np.ndarray]) -> None:
    field, random = action_field(space), np.random.default_rng(0)
    fractions = np.dtype(field.dtype).kind == "f"
    chosen = random.uniform(-1.5, 1.5, (200, *field.shape)) if fractions else random.integers(0, 2, (200, *field.shape))
    chosen = chosen.astype(field.dtype)
    units, expected = ActionUnits(space), ActionScale(space).to_env(chosen)
    found = units(torch.from_numpy(chosen)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert found.dtype == (np.float32 if expected.dtype.kind == "f" else expected.dtype)


def test_a_difference_is_a_share_of_the_range() -> None:
    half = np.full((1, 2), 0.5)
    bounded, free = ActionUnits(Box(-2.0, 3.0, (2,), np.float32)), ActionUnits(Box(-np.inf, np.inf, (2,), np.float32))
    np.testing.assert_allclose(bounded.share_of_range(half, half), 0.1)
    np.testing.assert_allclose(free.share_of_range(half, np.array([[0.2, 5.0]])), [[0.5, 0.1]])
    stuck = ActionUnits(Box(np.float32(1), np.float32(1), (2,), np.float32))
    assert stuck.share_of_range(half, half).max() == 0
