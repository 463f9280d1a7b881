"""Families of tasks that look alike and reward sparsely, near a goal that nothing observed tells.

Tasks are frozen: those of training, then those held out, are drawn once by a generator of their own seed, whatever the
run's. `tasks.py` keeps which of N environments plays what; one file per kind of family. Sizes, goals and rewards are
those of MetaCURE's published code (arXiv 2006.08170).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spreeze.environment import Environment

_FAMILIES = {
    "point-robot-sparse": ("point", "a point in the plane finds a goal on a half circle"),
    "point-robot-noise": ("point", "point-robot-sparse with a noisy television opposite the goals"),
    "cheetah-vel-sparse": ("velocity", "HalfCheetah finds the velocity that is rewarded"),
    "walker-vel-sparse": ("velocity", "Walker2d finds the velocity that is rewarded"),
    "reacher-goal-sparse": ("goals", "Reacher finds a goal on a half circle"),
    "ant-goal-sparse": ("goals", "Ant finds a goal on a half circle"),
    "hopper-rand-params": ("random_params", "Hopper with random masses, inertias, damping and friction"),
    "walker-rand-params": ("random_params", "Walker2d with random masses, inertias, damping and friction"),
    "ml1-reach": ("meta_world", "Meta-World: an arm reaches a hidden goal"),
    "ml1-reach-wall": ("meta_world", "Meta-World: an arm reaches a hidden goal behind a wall"),
    "ml1-push": ("meta_world", "Meta-World: an arm pushes a puck to a hidden goal"),
    "ml1-push-wall": ("meta_world", "Meta-World: an arm pushes a puck around a wall to a hidden goal"),
}

SUMMARIES = {name: f"{summary} (family of tasks)" for name, (_, summary) in _FAMILIES.items()}
"""Name to one line."""


def environment(name: str) -> Environment:
    """The family called `name`, one of `SUMMARIES`."""
    module, _ = _FAMILIES[name]
    found: Environment = import_module(f"spreeze.envs.sparse.{module}").family(name, SUMMARIES[name])
    return found
