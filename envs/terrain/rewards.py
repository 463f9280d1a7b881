"""What the rewards of all robots have in common: sum of w exp(-s q), divided by the sum of w, at most 1 a decision.

Weights w and scales s are each robot's own: `planar_rewards.py`, `cassie_rewards.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

SPEED_DEADZONE = 0.05
"""Errors of velocity below count as 0 [m/s]. [R]"""
Weights = Mapping[str, tuple[float, float]]
"""Term to w and s."""


class Motion(NamedTuple):
    """How N robots moved in a decision, F = 2 feet; means over the decision where not said otherwise."""

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


def motion_terms(seen: Motion) -> dict[str, np.ndarray]:
    """q (N,) >= 0 of the terms of how a robot moves."""
    stand = 1 - seen.swing
    return {
        "left_force": seen.swing[:, 0] * seen.force[:, 0],
        "right_force": seen.swing[:, 1] * seen.force[:, 1],
        "left_speed": stand[:, 0] * seen.foot_speed[:, 0],
        "right_speed": stand[:, 1] * seen.foot_speed[:, 1],
        "stable_base": seen.acceleration,
        "change": seen.change,
        "effort": seen.effort,
        "feet_acceleration": seen.foot_acceleration,
    }


def beyond(values: np.ndarray, deadzone: float) -> np.ndarray:
    """Values, 0 where they are below the deadzone."""
    return np.where(values < deadzone, 0, values)


def weighed(found: Mapping[str, np.ndarray], weights: Weights) -> np.ndarray:
    """(N,) in (0, 1], of q (N,) of every term."""
    total = sum(weight for weight, _ in weights.values())
    gained: np.ndarray = np.sum([w * np.exp(-s * found[name]) for name, (w, s) in weights.items()], axis=0)
    return gained / total
