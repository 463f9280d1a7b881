"""HalfCheetah and Walker2d, rewarded within 0.5 m/s of a velocity that nothing observed tells.

The control cost of Walker-Vel-Sparse could not be read; HalfCheetah's is taken for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spreeze.environment import Environment, Sketch
from spreeze.envs.native import half_cheetah, walker2d
from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import body_position, control_cost, forward_velocity
from spreeze.envs.sparse.native import Family, near
from spreeze.envs.sparse.tasks import TaskList, evenly_drawn

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_REACH, _HEIGHT = 0.5, 2.0
_CONTROL_WEIGHT = 0.05
_STEPS = 64
_VELOCITY = 8
"""Where both observe the velocity of the first joint at this moment; the reward takes its mean over the step."""


def _observe_cheetah(simulations: Simulations) -> Sequence[np.ndarray]:
    return simulations.qpos[:, 1:], simulations.qvel, body_position(simulations, "torso")


def _rewarded(task: Task, velocity: np.ndarray) -> Task:
    """`task` with the reward of velocities (N, 1); episodes go on whatever happens."""

    def reward(outcome: Outcome) -> np.ndarray:
        missed = abs(forward_velocity(outcome) - velocity[:, 0])
        gained: np.ndarray = near(missed, _REACH, _HEIGHT) - control_cost(_CONTROL_WEIGHT, outcome.action)
        return gained

    return replace(task, reward=reward, healthy=None)


def _velocities(count: int, test: int, highest: float, seed: int) -> TaskList:
    return TaskList(evenly_drawn(count, 0.0, highest, seed)[:, None], test, _STEPS)


def _family(base: Task, tasks: TaskList) -> Family:
    sketch = Sketch(("velocity [m/s]",), lambda seen: seen[..., _VELOCITY : _VELOCITY + 1], tasks.values, _REACH)
    return Family(tasks, lambda velocity: _rewarded(base, velocity), sketch=sketch)


_CHEETAH = replace(half_cheetah.V5, observe=_observe_cheetah, fields=("xpos",))
FAMILIES = {
    "cheetah-vel-sparse": _family(_CHEETAH, _velocities(130, 30, 3.0, 1337)),
    "walker-vel-sparse": _family(walker2d.V4, _velocities(70, 30, 2.0, 1330)),
}


def family(name: str, summary: str) -> Environment:
    """The plug-in of one of `FAMILIES`."""
    return FAMILIES[name].environment(name, summary)
