"""Reacher: an arm of two joints in the plane, whose tip goes to a target.

Version 4 rewards the distance before the step, version 5 that after it. The target is two joints of the model. Bodies
are where the last evaluation of the dynamics had them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import body_position, control_cost, distance

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_ARM_NOISE = 0.1
"""Joints of the arm begin up to so far from the model's pose [rad]."""
_SPEED_NOISE = 0.005
_REACH = 0.2
"""Targets lie within a circle of this radius [m]."""


def _begin(random: np.random.Generator, model: Any) -> tuple[np.ndarray, np.ndarray]:
    position = random.uniform(-_ARM_NOISE, _ARM_NOISE, model.nq) + model.qpos0
    target = random.uniform(-_REACH, _REACH, 2)
    while np.linalg.norm(target) >= _REACH:
        target = random.uniform(-_REACH, _REACH, 2)
    position[-2:] = target
    velocity = random.uniform(-_SPEED_NOISE, _SPEED_NOISE, model.nv)
    velocity[-2:] = 0
    return position, velocity


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    return _arm(simulations, _to_target(simulations)[:, :2])


def _observe_v4(simulations: Simulations) -> Sequence[np.ndarray]:
    return _arm(simulations, _to_target(simulations))


def _arm(simulations: Simulations, to_target: np.ndarray) -> Sequence[np.ndarray]:
    angles = simulations.qpos[:, :2]
    return np.cos(angles), np.sin(angles), simulations.qpos[:, 2:], simulations.qvel[:, :2], to_target


def _to_target(simulations: Simulations) -> np.ndarray:
    """(N, 3): from the target to the tip of the arm [m]."""
    offset: np.ndarray = body_position(simulations, "fingertip") - body_position(simulations, "target")
    return offset


def _reward(outcome: Outcome) -> np.ndarray:
    return _judged(_to_target(outcome.simulations), outcome)


def _reward_v4(outcome: Outcome) -> np.ndarray:
    return _judged(outcome.before, outcome)


def _judged(offset: np.ndarray, outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = -distance(offset) - control_cost(1.0, outcome.action)
    return reward


V5 = Task(
    model="reacher.xml",
    frame_skip=2,
    begin=_begin,
    observe=_observe,
    reward=_reward,
    fields=("xpos",),
)
V4 = replace(V5, observe=_observe_v4, reward=_reward_v4, before=_to_target)
