"""Terms of the reward, each between 0 and 1, and what a fall costs (ours)."""

from __future__ import annotations

import numpy as np

SPEED, PITCH, HEIGHT, SMOOTH = 0.6, 0.1, 0.1, 0.2
"""Weights; they sum to 1."""
FALL = -10.0
"""Reward of the decision in which a robot falls."""
SPEED_WIDTH = 0.15
"""Error of the mean speed at which its term is 1 / e [m/s]."""
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


def reward(speed: np.ndarray, lean: np.ndarray, height: np.ndarray, change: np.ndarray) -> np.ndarray:
    """(N,): the weighted sum for errors of speed (N, C), lean (N, 2), height (N, 1) and changes of actions (N, A)."""
    gains = SPEED * bell(speed, SPEED_WIDTH) + PITCH * bell(lean, PITCH_WIDTH)
    total: np.ndarray = gains + HEIGHT * bell(height, HEIGHT_WIDTH) + SMOOTH * bell(change, SMOOTH_WIDTH)
    return total
