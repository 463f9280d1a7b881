"""Terms of the reward, each between 0 and 1, and what a fall costs (ours)."""

from __future__ import annotations

import numpy as np

SPEED, PITCH, HEIGHT, SMOOTH = 0.6, 0.1, 0.1, 0.2
"""Weights; they sum to 1."""
FALL = -10.0
"""Reward of the decision in which a robot falls."""
SPEED_WIDTH = 0.15
"""Error of the mean speed at which its term is 1 / e [m/s]."""
FAR_WIDTH = 0.6
"""That of a second bell, of robots with several commands [m/s, rad/s]."""
SHARES = 0.5, 0.25, 0.25
"""Shares of the commands' errors, forward, lateral and yaw rate, in the term of such a robot."""
PITCH_WIDTH = 0.25
"""[rad]"""
HEIGHT_WIDTH = 0.06
"""[m]"""
SMOOTH_WIDTH = 1.0
"""Change of a decision between two of them, in halves of its range."""


def bell(error: np.ndarray, width: float) -> np.ndarray:
    """(N,): exp(-|error|^2 / width^2) of errors (N, E)."""
    found: np.ndarray = np.exp(-(error * error).sum(axis=1) / width**2)
    return found


def following(error: np.ndarray) -> np.ndarray:
    """(N,): how well commands are followed, 1 at errors (N, C) of 0.

    With several commands it is a sum, half of it of wide bells: in a product one great error hides what the others
    gain, and far from the command a narrow bell is flat.
    """
    if error.shape[1] == 1:
        return bell(error, SPEED_WIDTH)
    parts = zip(SHARES, np.split(error, error.shape[1], axis=1), strict=True)
    found: np.ndarray = sum(share * (bell(one, SPEED_WIDTH) + bell(one, FAR_WIDTH)) / 2 for share, one in parts)
    return found


def reward(speed: np.ndarray, lean: np.ndarray, height: np.ndarray, change: np.ndarray) -> np.ndarray:
    """(N,): the weighted sum for errors of speed (N, C), lean (N, 2), height (N, 1) and changes of actions (N, A)."""
    gains = SPEED * following(speed) + PITCH * bell(lean, PITCH_WIDTH)
    total: np.ndarray = gains + HEIGHT * bell(height, HEIGHT_WIDTH) + SMOOTH * bell(change, SMOOTH_WIDTH)
    return total
