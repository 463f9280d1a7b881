"""Hopper: one leg in the plane, which hops forward. Versions differ in the reward of the step that ends an episode."""

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
_STATE_LIMIT = 100.0
"""Healthy are angles and velocities below it."""
_HEIGHT = 0.7
"""Healthy is a torso above it [m]."""
_ANGLE = 0.2
"""Healthy is a torso inclined by less [rad]."""
_CONTROL_WEIGHT = 1e-3


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    return simulations.qpos[:, 1:], np.clip(simulations.qvel, -_SPEED_LIMIT, _SPEED_LIMIT)


def _healthy(simulations: Simulations) -> np.ndarray:
    height, angle = simulations.qpos[:, 1], simulations.qpos[:, 2]
    upright = (height > _HEIGHT) & (abs(angle) < _ANGLE)
    slow = abs(simulations.qvel).max(axis=1) < _STATE_LIMIT
    joints = abs(simulations.qpos[:, 2:]).max(axis=1) < _STATE_LIMIT
    healthy: np.ndarray = upright & slow & joints
    return healthy


def _reward(outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = forward_velocity(outcome) + outcome.healthy - control_cost(_CONTROL_WEIGHT, outcome.action)
    return reward


def _reward_v4(outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = forward_velocity(outcome) + 1.0 - control_cost(_CONTROL_WEIGHT, outcome.action)
    return reward


V5 = Task(
    model="hopper.xml",
    frame_skip=4,
    begin=uniform(5e-3),
    observe=_observe,
    reward=_reward,
    healthy=_healthy,
    before=first_coordinate,
)
V4 = replace(V5, reward=_reward_v4)
