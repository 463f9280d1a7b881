"""Terms of the reward: sum of w exp(-s q), divided by the sum of w, so that a decision gives at most 1.

Weights w and scales s are those of the authors' code [R] where the planar robot has such a term. What it lacks, lateral
speed, yaw and roll, is left out, and its weight is given to the forward speed [ours].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Measured(NamedTuple):
    """What N robots did in a decision, F = 2 feet; means over the decision where not said otherwise."""

    speed_error: np.ndarray
    """(N,) [m/s]"""
    lean: np.ndarray
    """(N, 3): pitch of base and feet, at the end [rad]."""
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
    """(N,): mean of the actions' changes, in units of 1 rad or of half their range."""
    effort: np.ndarray
    """(N,): sum over motors of the torque's share of its limit."""


SPEED_DEADZONE = 0.05
"""Errors below count as 0 [m/s]. [R]"""
WEIGHTS: dict[str, tuple[float, float]] = {
    "speed": (0.35, 3.0),
    "orientation": (0.1, 30.0),
    "left_force": (0.15, 0.03),
    "right_force": (0.15, 0.03),
    "left_speed": (0.1, 1.0),
    "right_speed": (0.1, 1.0),
    "stable_base": (0.05, 0.01),
    "change": (0.05, 4.0),
    "effort": (0.03, 1.0),
    "feet_acceleration": (0.02, 0.02),
}
"""Term to w and s."""


def terms(seen: Measured) -> dict[str, np.ndarray]:
    """q (N,) >= 0 of every term."""
    speed = np.where(seen.speed_error < SPEED_DEADZONE, 0, seen.speed_error)
    lean = 1 - np.cos(seen.lean).prod(axis=1)
    return {
        "speed": speed,
        "orientation": lean,
        "left_force": seen.swing[:, 0] * seen.force[:, 0],
        "right_force": seen.swing[:, 1] * seen.force[:, 1],
        "left_speed": (1 - seen.swing[:, 0]) * seen.foot_speed[:, 0],
        "right_speed": (1 - seen.swing[:, 1]) * seen.foot_speed[:, 1],
        "stable_base": seen.acceleration,
        "change": seen.change,
        "effort": seen.effort,
        "feet_acceleration": seen.foot_acceleration,
    }


def reward(seen: Measured) -> np.ndarray:
    """(N,) in (0, 1]."""
    total = sum(weight for weight, _ in WEIGHTS.values())
    found = terms(seen)
    gained = [w * np.exp(-s * found[name]) for name, (w, s) in WEIGHTS.items()]
    sum_of_terms: np.ndarray = np.sum(gained, axis=0)
    return sum_of_terms / total
