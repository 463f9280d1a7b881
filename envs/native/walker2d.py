"""Walker2d: two legs in the plane, which walk forward. Version 5 has the friction of both feet alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import control_cost, first_coordinate, forward_velocity, uniform

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_SPEED_LIMIT = 10.0
"""Velocities are observed up to here [m/s, rad/s]."""
_LOWEST, _HIGHEST = 0.8, 2.0
"""Healthy is a torso between these heights [m]."""
_ANGLE = 1.0
"""Healthy is a torso inclined by less [rad]."""
_CONTROL_WEIGHT = 1e-3


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    return simulations.qpos[:, 1:], np.clip(simulations.qvel, -_SPEED_LIMIT, _SPEED_LIMIT)


def _healthy(simulations: Simulations) -> np.ndarray:
    height, angle = simulations.qpos[:, 1], simulations.qpos[:, 2]
    healthy: np.ndarray = (height > _LOWEST) & (height < _HIGHEST) & (abs(angle) < _ANGLE)
    return healthy


def _reward(outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = forward_velocity(outcome) + outcome.healthy - control_cost(_CONTROL_WEIGHT, outcome.action)
    return reward


def _reward_v4(outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = forward_velocity(outcome) + 1.0 - control_cost(_CONTROL_WEIGHT, outcome.action)
    return reward


V5 = Task(
    model="walker2d_v5.xml",
    frame_skip=4,
    begin=uniform(5e-3),
    observe=_observe,
    reward=_reward,
    healthy=_healthy,
    before=first_coordinate,
)
V4 = replace(V5, model="walker2d.xml", reward=_reward_v4)
