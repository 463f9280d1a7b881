"""Hopper and Walker2d whose masses, inertias, damping and friction differ; all are to run at about 1.5 m/s.

Each number of a field is multiplied by base^u, u uniform in [-3, 3). The published tasks were drawn without a seed.
A step lasts 0.016 s, of four steps of physics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from spreeze.environment import Environment, Sketch
from spreeze.envs.native import hopper, load_model, walker2d
from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import control_cost, forward_velocity
from spreeze.envs.sparse.native import Family, near
from spreeze.envs.sparse.tasks import TaskList, evenly_drawn

BASES = {"body_mass": 1.5, "body_inertia": 1.5, "dof_damping": 1.3, "geom_friction": 1.5}
"""Field of `MjModel` to the base of its factors."""
_SPREAD = 3.0
_SPEED, _REACH, _HEIGHT = 1.5, 0.5, 0.8
_CONTROL_WEIGHT = 1e-3
_TIMESTEP = 0.004
_TRAIN, _TEST, _STEPS, _SEED = 40, 10, 64, 1337


def reward(outcome: Outcome) -> np.ndarray:
    """0.8 - |v - 1.5| (N,) where the velocity is within 0.5 m/s of it, less a control cost."""
    missed = abs(forward_velocity(outcome) - _SPEED)
    gained: np.ndarray = near(missed, _REACH, _HEIGHT) - control_cost(_CONTROL_WEIGHT, outcome.action)
    return gained


def factors(model: Any) -> np.ndarray:
    """(50, P): of each task, the factors of all numbers of all fields, one field after the other."""
    sizes = [(base, getattr(model, name).size) for name, base in BASES.items()]
    bases = np.concatenate([np.full(size, base) for base, size in sizes])
    count = (_TRAIN + _TEST) * len(bases)
    exponents = evenly_drawn(count, -_SPREAD, _SPREAD, _SEED).reshape(-1, len(bases))
    values: np.ndarray = bases**exponents
    return values


def scaled(model: Any, tasks: np.ndarray) -> Mapping[str, np.ndarray]:
    """The fields (K, ...) of tasks, given by their factors (K, P)."""
    found, begin = {}, 0
    for name in BASES:
        nominal = getattr(model, name)
        found[name] = nominal * tasks[:, begin : begin + nominal.size].reshape(-1, *nominal.shape)
        begin += nominal.size
    return found


def _family(task: Task, velocity: int) -> Family:
    """`velocity` is where that of the first joint is observed."""
    own = replace(task, reward=reward, healthy=None)
    tasks = TaskList(factors(load_model(own)), _TEST, _STEPS)
    goals = np.full((len(tasks.values), 1), _SPEED)
    sketch = Sketch(("velocity [m/s]",), lambda seen: seen[..., velocity : velocity + 1], goals, _REACH)
    return Family(tasks, lambda values: own, scaled, _TIMESTEP, sketch)


FAMILIES = {
    "hopper-rand-params": partial(_family, hopper.V4, 5),
    "walker-rand-params": partial(_family, walker2d.V4, 8),
}


def family(name: str, summary: str) -> Environment:
    """The plug-in of one of `FAMILIES`."""
    return FAMILIES[name]().environment(name, summary)
