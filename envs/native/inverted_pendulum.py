"""InvertedPendulum: a pole on a cart. Version 4 also rewards the step in which the pole falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import uniform

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_ANGLE = 0.2
"""Healthy is a pole inclined by no more [rad]."""


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    return simulations.qpos, simulations.qvel


def _healthy(simulations: Simulations) -> np.ndarray:
    finite = np.isfinite(simulations.qpos).all(axis=1) & np.isfinite(simulations.qvel).all(axis=1)
    healthy: np.ndarray = finite & (abs(simulations.qpos[:, 1]) <= _ANGLE)
    return healthy


def _reward(outcome: Outcome) -> np.ndarray:
    return outcome.healthy.astype(np.float64)


def _reward_v4(outcome: Outcome) -> np.ndarray:
    return np.ones(len(outcome.healthy))


V5 = Task(
    model="inverted_pendulum.xml",
    frame_skip=2,
    begin=uniform(0.01),
    observe=_observe,
    reward=_reward,
    healthy=_healthy,
)
V4 = replace(V5, reward=_reward_v4)
