"""InvertedDoublePendulum: two poles on a cart.

Version 4 observes the constraint forces of all joints, version 5 that of the cart, and no longer rewards the step in
which the poles fall. The tip is where the last evaluation of the dynamics had it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import uniform_and_normal

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_LIMIT = 10.0
"""Velocities and forces are observed up to here."""
_TARGET_HEIGHT, _LOWEST = 2.0, 1.0
"""Where the tip should be, and above which it is healthy [m]."""
_HEALTHY_REWARD = 10.0


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    return *_poles(simulations), np.clip(simulations.fields["qfrc_constraint"][:, :1], -_LIMIT, _LIMIT)


def _observe_v4(simulations: Simulations) -> Sequence[np.ndarray]:
    return *_poles(simulations), np.clip(simulations.fields["qfrc_constraint"], -_LIMIT, _LIMIT)


def _poles(simulations: Simulations) -> Sequence[np.ndarray]:
    angles = simulations.qpos[:, 1:]
    return simulations.qpos[:, :1], np.sin(angles), np.cos(angles), np.clip(simulations.qvel, -_LIMIT, _LIMIT)


def _healthy(simulations: Simulations) -> np.ndarray:
    higher: np.ndarray = simulations.fields["site_xpos"][:, 0, 2] > _LOWEST
    return higher


def _penalties(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """(N,) and (N,): of the tip's distance from where it should be, and of the poles' velocities."""
    tip, speed = outcome.simulations.fields["site_xpos"][:, 0], outcome.simulations.qvel
    away = 0.01 * tip[:, 0] ** 2 + (tip[:, 2] - _TARGET_HEIGHT) ** 2
    return away, 1e-3 * speed[:, 1] ** 2 + 5e-3 * speed[:, 2] ** 2


def _reward(outcome: Outcome) -> np.ndarray:
    away, fast = _penalties(outcome)
    reward: np.ndarray = _HEALTHY_REWARD * outcome.healthy - away - fast
    return reward


def _reward_v4(outcome: Outcome) -> np.ndarray:
    away, fast = _penalties(outcome)
    reward: np.ndarray = _HEALTHY_REWARD - away - fast
    return reward


V5 = Task(
    model="inverted_double_pendulum.xml",
    frame_skip=5,
    begin=uniform_and_normal(0.1),
    observe=_observe,
    reward=_reward,
    healthy=_healthy,
    fields=("site_xpos", "qfrc_constraint"),
)
V4 = replace(V5, observe=_observe_v4, reward=_reward_v4)
