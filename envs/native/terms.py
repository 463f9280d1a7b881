"""Terms that several environments share.

An action is float32, and its cost is summed and weighted in float32, as NumPy does for Gymnasium's environments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations
    from spreeze.envs.native.task import Outcome


def uniform(scale: float) -> Callable[[np.random.Generator, Any], tuple[np.ndarray, np.ndarray]]:
    """Episodes begin at the model's pose, positions and velocities moved by up to `scale`."""

    def begin(random: np.random.Generator, model: Any) -> tuple[np.ndarray, np.ndarray]:
        position = model.qpos0 + random.uniform(-scale, scale, model.nq)
        return position, random.uniform(-scale, scale, model.nv)

    return begin


def uniform_and_normal(scale: float) -> Callable[[np.random.Generator, Any], tuple[np.ndarray, np.ndarray]]:
    """Episodes begin at the model's pose, positions moved by up to `scale`, velocities normal with that deviation."""

    def begin(random: np.random.Generator, model: Any) -> tuple[np.ndarray, np.ndarray]:
        position = model.qpos0 + random.uniform(-scale, scale, model.nq)
        return position, scale * random.standard_normal(model.nv)

    return begin


def first_coordinate(simulations: Simulations) -> np.ndarray:
    """(N,): the first joint, which for bodies that run is how far they came [m]."""
    return simulations.qpos[:, 0]


def forward_velocity(outcome: Outcome) -> np.ndarray:
    """(N,): mean velocity of the first joint during the step [m/s]."""
    velocity: np.ndarray = (outcome.simulations.qpos[:, 0] - outcome.before) / outcome.seconds
    return velocity


def control_cost(weight: float, action: np.ndarray) -> np.ndarray:
    """(N,): the weighted sum of squares of an action (N, A)."""
    cost: np.ndarray = weight * np.square(action).sum(axis=1)
    return cost


def body_position(simulations: Simulations, name: str) -> np.ndarray:
    """(N, 3): where the body `name` is in the world [m]."""
    return simulations.fields["xpos"][:, simulations.model.body(name).id]


def distance(offset: np.ndarray) -> np.ndarray:
    """(N,): the length of each of `offset` (N, 3)."""
    length: np.ndarray = np.sqrt(np.square(offset).sum(axis=1))
    return length
