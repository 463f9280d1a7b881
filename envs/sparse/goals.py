"""Reacher and Ant, rewarded near a goal on a half circle that nothing observed tells.

Reacher also observes the target that its model draws anew for every episode, which means nothing here. Its distance is
that before the step. Of Ant, which observations were published could not be read: here positions and velocities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spreeze.environment import Environment, Sketch
from spreeze.envs.native import ant, reacher
from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import body_position, control_cost, distance
from spreeze.envs.sparse.native import Family, near
from spreeze.envs.sparse.tasks import TaskList, half_circle

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

GOAL_SEED = 1337
_REACHER_RADIUS = float(np.random.RandomState(GOAL_SEED).uniform(0.2, 0.25))
"""[m]; a little beyond what the arm reaches."""
_REACHER_REACH, _ANT_REACH = 0.09, 0.8
_REACHER_HEIGHT = 0.01
"""Of goals above the ground [m]."""


def _tip(simulations: Simulations) -> np.ndarray:
    return body_position(simulations, "fingertip")


def _reacher(goal: np.ndarray) -> Task:
    def reward(outcome: Outcome) -> np.ndarray:
        height = np.full((len(goal), 1), _REACHER_HEIGHT)
        missed = distance(outcome.before - np.concatenate((goal, height), axis=1))
        gained: np.ndarray = near(missed, _REACHER_REACH, 0.2) - control_cost(1.0, outcome.action)
        return gained

    return replace(reacher.V4, reward=reward, before=_tip)


def _observe_ant(simulations: Simulations) -> Sequence[np.ndarray]:
    return simulations.qpos, simulations.qvel


def _ant(goal: np.ndarray) -> Task:
    def reward(outcome: Outcome) -> np.ndarray:
        missed = abs(body_position(outcome.simulations, "torso")[:, :2] - goal).sum(axis=1)
        gained: np.ndarray = near(missed, _ANT_REACH, 2.0) - control_cost(0.1, outcome.action)
        return gained

    return replace(ant.V4, observe=_observe_ant, reward=reward, healthy=None, before=None)


def _tip_seen(seen: np.ndarray) -> np.ndarray:
    """(..., 2): the target and what is missing to it are observed; their sum is the fingertip."""
    tip: np.ndarray = seen[..., 4:6] + seen[..., 8:10]
    return tip


_GOALS, _PLACES = half_circle(100, _REACHER_RADIUS, GOAL_SEED), half_circle(100, 1.0, GOAL_SEED)
_PLANE = ("x [m]", "y [m]")
FAMILIES = {
    "reacher-goal-sparse": Family(
        TaskList(_GOALS, 20, 64), _reacher, sketch=Sketch(_PLANE, _tip_seen, _GOALS, _REACHER_REACH)
    ),
    "ant-goal-sparse": Family(
        TaskList(_PLACES, 20, 32),
        _ant,
        sketch=Sketch(_PLANE, lambda seen: seen[..., :2], _PLACES, _ANT_REACH, taxicab=True),
    ),
}


def family(name: str, summary: str) -> Environment:
    """The plug-in of one of `FAMILIES`."""
    return FAMILIES[name].environment(name, summary)
