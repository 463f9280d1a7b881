"""HalfCheetah: two legs in the plane, which run forward until the episode is cut. Both versions are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import control_cost, first_coordinate, forward_velocity, uniform_and_normal

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_CONTROL_WEIGHT = 0.1


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    return simulations.qpos[:, 1:], simulations.qvel


def _reward(outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = forward_velocity(outcome) - control_cost(_CONTROL_WEIGHT, outcome.action)
    return reward


V5 = Task(
    model="half_cheetah.xml",
    frame_skip=5,
    begin=uniform_and_normal(0.1),
    observe=_observe,
    reward=_reward,
    before=first_coordinate,
)
V4 = V5
