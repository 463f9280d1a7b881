"""Terms of the reward of a planar robot.

Weights w and scales s are those of the authors' code [R] where the planar robot has such a term. What it lacks, lateral
speed, yaw and roll, is left out, and its weight is given to the forward speed [ours].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spreeze.envs.terrain.rewards import SPEED_DEADZONE, Motion, Weights, beyond, motion_terms, weighed


class Measured(NamedTuple):
    """What N robots did in a decision."""

    speed_error: np.ndarray
    """(N,): of the mean speed [m/s]."""
    lean: np.ndarray
    """(N, 3): pitch of base and feet, at the end [rad]."""
    motion: Motion


WEIGHTS: Weights = {
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


def reward(seen: Measured) -> np.ndarray:
    """(N,) in (0, 1]."""
    lean = 1 - np.cos(seen.lean).prod(axis=1)
    found = {"speed": beyond(seen.speed_error, SPEED_DEADZONE), "orientation": lean}
    return weighed(found | motion_terms(seen.motion), WEIGHTS)
