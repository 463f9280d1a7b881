"""Pusher: an arm of seven joints, which pushes a cylinder to a goal.

There is no version 4: Gymnasium makes that with a MuJoCo before 3 only. Bodies are where the last evaluation of the
dynamics had them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import body_position, control_cost, distance

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_SPEED_NOISE = 0.005
_CLEARANCE = 0.17
"""A cylinder begins farther than this from the goal [m]."""
_ARM = 7
"""Joints of the arm; those of cylinder and goal follow."""
_NEAR_WEIGHT = 0.5
_CONTROL_WEIGHT = 0.1


def _begin(random: np.random.Generator, model: Any) -> tuple[np.ndarray, np.ndarray]:
    cylinder = _drawn_cylinder(random)
    while np.linalg.norm(cylinder) <= _CLEARANCE:
        cylinder = _drawn_cylinder(random)
    position = model.qpos0.copy()
    position[-4:-2], position[-2:] = cylinder, 0
    velocity = random.uniform(-_SPEED_NOISE, _SPEED_NOISE, model.nv)
    velocity[-4:] = 0
    return position, velocity


def _drawn_cylinder(random: np.random.Generator) -> np.ndarray:
    return np.array([random.uniform(-0.3, 0.0), random.uniform(-0.2, 0.2)])


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    bodies = [body_position(simulations, name) for name in ("tips_arm", "object", "goal")]
    return simulations.qpos[:, :_ARM], simulations.qvel[:, :_ARM], *bodies


def _reward(outcome: Outcome) -> np.ndarray:
    tip, cylinder, goal = (body_position(outcome.simulations, name) for name in ("tips_arm", "object", "goal"))
    effort = control_cost(_CONTROL_WEIGHT, outcome.action)
    reward: np.ndarray = -distance(cylinder - goal) - effort - _NEAR_WEIGHT * distance(cylinder - tip)
    return reward


V5 = Task(
    model="pusher_v5.xml",
    frame_skip=5,
    begin=_begin,
    observe=_observe,
    reward=_reward,
    fields=("xpos",),
)
