"""Terms of the reward of a robot in three dimensions.

Terms, weights w and scales s are those of the authors' code [R], but for the units of the actions' changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spreeze.envs.terrain.rewards import SPEED_DEADZONE, Motion, Weights, beyond, motion_terms, weighed


class Measured(NamedTuple):
    """What N robots did in a decision, F = 2 feet."""

    ahead_error: np.ndarray
    """(N,): of the mean velocity along the commanded heading [m/s]."""
    aside_error: np.ndarray
    """(N,): across it [m/s]."""
    base_turn: np.ndarray
    """(N,): `turned` of the base, at the end."""
    foot_turn: np.ndarray
    """(N, F): of the feet, at the end."""
    motion: Motion


TURN_DEADZONE = 0.005
"""Turns of the base below count as 0. [R]"""
WEIGHTS: Weights = {
    "ahead": (0.15, 2.0),
    "aside": (0.1, 2.0),
    "orientation": (0.15, 30.0),
    "left_force": (0.1, 0.01),
    "right_force": (0.1, 0.01),
    "left_speed": (0.1, 1.0),
    "right_speed": (0.1, 1.0),
    "stable_base": (0.1, 0.01),
    "change": (0.1, 8.0),
    "effort": (0.05, 1.0),
    "feet_acceleration": (0.05, 0.02),
}
"""[R]"""


def turned(rotation: np.ndarray) -> np.ndarray:
    """(...,) in [0, 1]: of rotations (..., 3, 3), sin^2 of half their angle: 1 - (inner product of quaternions)^2."""
    found: np.ndarray = (3 - np.trace(rotation, axis1=-2, axis2=-1)) / 4
    return found


def reward(seen: Measured) -> np.ndarray:
    """(N,) in (0, 1]."""
    found = {
        "ahead": beyond(seen.ahead_error, SPEED_DEADZONE),
        "aside": beyond(seen.aside_error, SPEED_DEADZONE),
        "orientation": beyond(seen.base_turn, TURN_DEADZONE) + seen.foot_turn.sum(axis=1),
    }
    return weighed(found | motion_terms(seen.motion), WEIGHTS)
