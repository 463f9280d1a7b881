"""What an environment over terrain needs of a robot, and the robots there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spreeze.environment import Mirror
from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.terrain.body import Body
from spreeze.envs.terrain.clock import Clock
from spreeze.envs.terrain.ground import Ground
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.senses import Senses


@dataclass(frozen=True)
class Robot:
    """A robot, its body and senses in N simulations, and its mirror image."""

    model: Callable[[], Any]
    """Makes the `MjModel` that is stepped: with servos, and boxes of ground."""
    start: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
    """Draws positions and velocities of a new episode."""
    body: Callable[[BatchSimulations, Ground], Body]
    senses: Callable[[Body, Clock, TerrainOptions], Senses]
    mirror: Callable[[TerrainOptions], Mirror]
    scene: Callable[[Any], Any]
    """Makes of the environment what is drawn of it, a `Scene`."""
    motors: np.ndarray
    """(M,): where in a position their angles are, which are the targets at first."""
    height: float
    """Of the base at rest [m], by which lengths of terrains and maps are scaled from a robot of 1 m."""
    period: float
    """Of the clock [s]."""
    spatial: bool
    """Whether it moves in three dimensions."""


def robot_of(name: str) -> Robot:
    """The robot of the environment `name`."""
    if name == "cassie-terrain":
        from spreeze.envs.terrain.cassie_robot import CASSIE

        return CASSIE
    from spreeze.envs.terrain.walker_robot import WALKER

    return WALKER
