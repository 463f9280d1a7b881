"""The planner's view: it sees the template's state and decides on footsteps."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Dict

from spreeze.envs.bipeds.rewards import reward
from spreeze.envs.bipeds.robot import Counts, Posture, Reference
from spreeze.envs.bipeds.scheme import World


def later(momentum: np.ndarray, center: np.ndarray, rate: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """(N, D): momentum over m H [m/s] after `seconds` (N, 1) on the template with l = `rate` (N, 1).

    cosh(l t) v + l sinh(l t) p, for the momentum v now and the mass centre p from the foot that stands.
    """
    found: np.ndarray = np.cosh(rate * seconds) * momentum + rate * np.sinh(rate * seconds) * center
    return found


class Planning:
    """A `Scheme` in which decisions are landing place, pitch and height. Layout and units: docs/alip.md."""

    def __init__(self, world: World) -> None:
        robot, count = world.robot, world.simulations.count
        self._world, self._axes = world, 2 if robot.spatial else 1
        low, high = np.array(robot.low, np.float32), np.array(robot.high, np.float32)
        self.action_space = Box(low, high, dtype=np.float32)
        self._middle, self._half = (low + high) / 2.0, (high - low) / 2.0
        commands = world.conditions.command.shape[1]
        sizes = {
            "mass_center": self._axes,
            "momentum": self._axes,
            "touch_down": self._axes,
            "command": commands,
            "speed_error": commands,
            "previous": len(low),
            "left": 1,
            "template": 2,
        }
        self.observation_space = Dict([(n, Box(-np.inf, np.inf, (size,), np.float32)) for n, size in sizes.items()])
        self._rows = np.arange(count)
        self._previous, self._change = np.zeros((count, len(low))), np.zeros((count, len(low)))
        gravity = -float(world.simulations.model.opt.gravity[2])
        self._template = np.tile([np.sqrt(gravity / robot.mass_height), robot.step_time], (count, 1))
        self.memory = {"planning/previous": self._previous}

    def begin(self, indices: np.ndarray) -> None:
        """As `Scheme` says."""
        self._previous[indices] = 0

    def decide(self, actions: np.ndarray) -> None:
        """As `Scheme` says."""
        world = self._world
        world.gait.decide(actions)
        if world.robot.spatial:
            world.gait.heading_rate[:] = world.conditions.command[:, 2]
        scaled = (actions - self._middle) / self._half
        self._change[...] = scaled - self._previous
        self._previous[...] = scaled

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """As `Scheme` says."""
        return self._world.controller.track(posture, reference)

    def observe(self, posture: Posture) -> np.ndarray:
        """As `Scheme` says."""
        world, gait = self._world, self._world.gait
        foot = posture.feet[self._rows, gait.stance]
        about = world.controller.momentum(gait.stance) / (world.robot.mass * world.robot.mass_height)
        momentum = np.column_stack([about[:, 1], -about[:, 0]])
        left = np.maximum(world.robot.step_time - gait.since, 0)[:, None]
        center = (posture.mass_center - foot)[:, :2]
        parts = (
            self._mirrored(self._ahead(center)),
            self._mirrored(self._ahead(momentum)),
            self._mirrored(self._ahead(later(momentum, center, self._template[:, :1], left))),
            self._mirrored(world.conditions.command),
            self._mirrored(self._speed_error(posture)),
            self._previous,
            left,
            self._template,
        )
        return np.concatenate(parts, axis=1)

    def reward(self, posture: Posture) -> np.ndarray:
        """As `Scheme` says."""
        height = posture.base[:, 2] - posture.feet[self._rows, self._world.gait.stance, 2]
        lean = posture.attitude[:, :2]
        return reward(self._speed_error(posture), lean, (height - self._world.robot.height)[:, None], self._change)

    def _ahead(self, vectors: np.ndarray) -> np.ndarray:
        """(N, 2) turned from the world to the heading."""
        if self._axes == 1:
            return vectors
        cosine, sine = np.cos(self._world.gait.heading), np.sin(self._world.gait.heading)
        x, y = vectors.T
        return np.column_stack([cosine * x + sine * y, cosine * y - sine * x])

    def _mirrored(self, values: np.ndarray) -> np.ndarray:
        """The first columns, those after the first times the sign of the stance."""
        if self._axes == 1:
            return values[:, :1]
        sign = 1.0 - 2.0 * self._world.gait.stance
        return np.concatenate([values[:, :1], values[:, 1:] * sign[:, None]], axis=1)

    def _speed_error(self, posture: Posture) -> np.ndarray:
        """(N, C): mean speed of the last step, and for the yaw rate what it is, less the command."""
        command, speed = self._world.conditions.command, self._ahead(self._world.speed)
        known = np.column_stack([speed, posture.attitude_rate[:, 2]])
        error: np.ndarray = known[:, : command.shape[1]] - command
        return error
