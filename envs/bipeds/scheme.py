"""What differs between policies of bipeds: what they see, what they decide, and what tracks that."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from gymnasium.spaces import Box, Space

from spreeze.envs.bipeds.conditions import Conditions
from spreeze.envs.bipeds.gait import Gait
from spreeze.envs.bipeds.robot import Controller, Counts, Posture, Reference, Robot
from spreeze.envs.native.simulations import Simulations


class World(NamedTuple):
    """N robots, and everything that happens to them."""

    robot: Robot
    simulations: Simulations
    controller: Controller
    gait: Gait
    conditions: Conditions
    speed: np.ndarray
    """(N, 2): of the base in the world, mean over the last `Robot.stride` step times [m/s]."""


class Scheme(Protocol):
    """One way of steering the robots of a world."""

    observation_space: Space[object]
    action_space: Box
    memory: dict[str, np.ndarray]
    """Arrays that are all of its state."""

    def begin(self, indices: np.ndarray) -> None:
        """Episodes `indices` (K,) begin."""

    def decide(self, actions: np.ndarray) -> None:
        """Take actions (N, A), in the units of the space, for the next `TICKS`."""

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """Write torques; `reference` is what the gait made of decisions, if there were any."""

    def observe(self, posture: Posture) -> np.ndarray:
        """(N, O)."""

    def reward(self, posture: Posture) -> np.ndarray:
        """(N,): for the last decision."""
