"""Terms of the reward of a robot in three dimensions: sum of w exp(-s q), divided by the sum of w.

Terms, weights w and scales s are those of the authors' code [R], but for the units of the actions' changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Measured(NamedTuple):
    """What N robots did in a decision, F = 2 feet; means over the decision where not said otherwise."""

    ahead_error: np.ndarray
    """(N,): of the velocity along the commanded heading [m/s]."""
    aside_error: np.ndarray
    """(N,): across it [m/s]."""
    base_turn: np.ndarray
    """(N,): `turned` of the base, at the end."""
    foot_turn: np.ndarray
    """(N, F): of the feet, at the end."""
    swing: np.ndarray
    """(N, F): of the clock."""
    force: np.ndarray
    """(N, F): of the ground on each foot [N]."""
    foot_speed: np.ndarray
    """(N, F) [m/s]."""
    acceleration: np.ndarray
    """(N,): of the base, sum over its axes [m/s^2]."""
    foot_acceleration: np.ndarray
    """(N,): sum over feet and axes [m/s^2]."""
    change: np.ndarray
    """(N,): mean of the actions' changes, in units of half their range."""
    effort: np.ndarray
    """(N,): sum over motors of the torque's share of its limit."""


SPEED_DEADZONE = 0.05
"""Errors of velocity below count as 0 [m/s]. [R]"""
TURN_DEADZONE = 0.005
"""Turns of the base below count as 0. [R]"""
WEIGHTS: dict[str, tuple[float, float]] = {
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
"""Term to w and s. [R]"""


def turned(rotation: np.ndarray) -> np.ndarray:
    """(...,) in [0, 1]: of rotations (..., 3, 3), sin^2 of half their angle: 1 - (inner product of quaternions)^2."""
    found: np.ndarray = (3 - np.trace(rotation, axis1=-2, axis2=-1)) / 4
    return found


def terms(seen: Measured) -> dict[str, np.ndarray]:
    """q (N,) >= 0 of every term."""
    stand = 1 - seen.swing
    return {
        "ahead": _beyond(seen.ahead_error, SPEED_DEADZONE),
        "aside": _beyond(seen.aside_error, SPEED_DEADZONE),
        "orientation": _beyond(seen.base_turn, TURN_DEADZONE) + seen.foot_turn.sum(axis=1),
        "left_force": seen.swing[:, 0] * seen.force[:, 0],
        "right_force": seen.swing[:, 1] * seen.force[:, 1],
        "left_speed": stand[:, 0] * seen.foot_speed[:, 0],
        "right_speed": stand[:, 1] * seen.foot_speed[:, 1],
        "stable_base": seen.acceleration,
        "change": seen.change,
        "effort": seen.effort,
        "feet_acceleration": seen.foot_acceleration,
    }


def _beyond(values: np.ndarray, deadzone: float) -> np.ndarray:
    return np.where(values < deadzone, 0, values)


def reward(seen: Measured) -> np.ndarray:
    """(N,) in (0, 1]."""
    total = sum(weight for weight, _ in WEIGHTS.values())
    found = terms(seen)
    gained: np.ndarray = np.sum([w * np.exp(-s * found[name]) for name, (w, s) in WEIGHTS.items()], axis=0)
    return gained / total
