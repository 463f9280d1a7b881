"""Rows that fill the replay of every side of the learning benchmark, with numpy alone."""

import numpy as np

OBSERVATIONS, ACTIONS = 17, 6
"""Sizes of HalfCheetah."""


def transitions(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Return `rows` transitions drawn from `seed`: normal observations and rewards, uniform actions, no end.

    Observation (rows + 1, O) is a chain: the next observation of a row is that of the row after it.
    """
    random = np.random.default_rng(seed)
    return {
        "observation": random.standard_normal((rows + 1, OBSERVATIONS), np.float32),
        "action": 2 * random.random((rows, ACTIONS), np.float32) - 1,
        "reward": random.standard_normal(rows, np.float32),
    }
