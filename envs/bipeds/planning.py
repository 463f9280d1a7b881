"""The planner's view: it sees the template's state and decides on footsteps."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Dict

from spreeze.envs.bipeds.rewards import reward
from spreeze.envs.bipeds.robot import Counts, Posture, Reference
from spreeze.envs.bipeds.scheme import World

ANKLE = 2.0
"""Centre of pressure for each metre by which the landing place differs from the one that keeps the momentum."""
SHIFT = (0.3, 0.15)
"""By how much a decision moves the landing place from there at most, forward and outward [m]."""


PACE = (0.4, 1.6)
"""Between which a decision has the step go on, in step times of the robot."""


def later(momentum: np.ndarray, center: np.ndarray, rate: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """(N, D): momentum over m H [m/s] after `seconds` (N, 1) on the template with l = `rate` (N, 1).

    cosh(l t) v + l sinh(l t) p, for the momentum v now and the mass centre p from the foot that stands.
    """
    found: np.ndarray = np.cosh(rate * seconds) * momentum + rate * np.sinh(rate * seconds) * center
    return found


def keeping(momentum: np.ndarray, rate: np.ndarray, step_time: np.ndarray) -> np.ndarray:
    """(N, D): landing place from the mass centre [m] with which the next step keeps a momentum (N, D) at touch-down.

    Forward it ends with the same one: tanh(l T / 2) v / l. Outward it ends with the opposite one, since the robot sways
    from foot to foot: -coth(l T / 2) v / l, for the momentum times the sign of the stance. `rate` l and `step_time` T
    are (N, 1).
    """
    half = np.tanh(rate * step_time / 2)
    found: np.ndarray = momentum / rate * np.concatenate([half, -1 / half], axis=1)[:, : momentum.shape[1]]
    return found


class Planning:
    """A `Scheme` in which decisions are landing place, pitch, height and pace. Layout and units: docs/alip.md."""

    def __init__(self, world: World) -> None:
        robot, count = world.robot, world.simulations.count
        self._world, self._axes = world, 2 if robot.spatial else 1
        self._low, self._high = np.array(robot.low), np.array(robot.high)
        low, high = np.append(self._low, PACE[0]).astype(np.float32), np.append(self._high, PACE[1]).astype(np.float32)
        high[: self._axes] = SHIFT[: self._axes]
        low[: self._axes] = -high[: self._axes]
        self.action_space = Box(low, high, dtype=np.float32)
        self._middle, self._half = (low + high) / 2.0, (high - low) / 2.0
        commands = world.conditions.command.shape[1]
        sizes = {
            "mass_center": self._axes,
            "momentum": self._axes,
            "touch_down": self._axes,
            "command": commands,
            "speed_error": commands,
            "lean": 2 * self._axes,
            "height": 2,
            "swing": 2 * (self._axes + 1),
            "previous": len(low),
            "left": 1,
            "template": 2,
        }
        self.observation_space = Dict([(n, Box(-np.inf, np.inf, (size,), np.float32)) for n, size in sizes.items()])
        self._rows = np.arange(count)
        self._previous, self._change = np.zeros((count, len(low))), np.zeros((count, len(low)))
        gravity = -float(world.simulations.model.opt.gravity[2])
        self._template = np.tile([np.sqrt(gravity / robot.mass_height), robot.step_time], (count, 1))
        self._touch_down = np.zeros((count, self._axes))
        self.memory = {"planning/previous": self._previous, "planning/touch_down": self._touch_down}

    def begin(self, indices: np.ndarray) -> None:
        """As `Scheme` says."""
        self._previous[indices] = 0

    def decide(self, actions: np.ndarray) -> None:
        """As `Scheme` says."""
        world = self._world
        world.gait.decide(self._placed(actions[:, :-1]), actions[:, -1])
        if world.robot.spatial:
            world.gait.heading_rate[:] = world.conditions.command[:, 2]
        if world.robot.flat:
            world.gait.pressure[:] = np.clip(ANKLE * actions[:, 0], *world.robot.sole_reach)
        scaled = (actions - self._middle) / self._half
        self._change[...] = scaled - self._previous
        self._previous[...] = scaled

    def _placed(self, actions: np.ndarray) -> np.ndarray:
        """(N, A): decisions with their landing places from the mass centre, within what the robot reaches."""
        placed = actions.copy()
        placed[:, : self._axes] += keeping(self._touch_down, self._template[:, :1], self._template[:, 1:])
        return placed.clip(self._low, self._high)

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
        foretold = later(momentum, center, self._template[:, :1], left)
        self._touch_down[...] = self._mirrored(self._ahead(foretold))
        parts = (
            self._mirrored(self._ahead(center)),
            self._mirrored(self._ahead(momentum)),
            self._touch_down,
            self._mirrored(world.conditions.command),
            self._mirrored(self._speed_error(posture)),
            *self._tracked(posture),
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

    def _tracked(self, posture: Posture) -> tuple[np.ndarray, ...]:
        """What the controller tracks, as it is: pitch (and roll) with rates; height with its rate; the swing foot's."""
        rows, stance = self._rows, self._world.gait.stance
        feet, velocity = posture.feet[rows, 1 - stance], posture.feet_velocity[rows, 1 - stance]
        ground = posture.feet[rows, stance, 2]
        base = posture.base[:, 2] - ground - self._world.robot.height
        return (
            self._mirrored(posture.attitude[:, 1::-1]),
            self._mirrored(posture.attitude_rate[:, 1::-1]),
            np.column_stack([base, posture.base_velocity[:, 2]]),
            self._mirrored(self._ahead((feet - posture.mass_center)[:, :2])),
            (feet[:, 2] - ground)[:, None],
            self._mirrored(self._ahead((velocity - posture.mass_velocity)[:, :2])),
            velocity[:, 2:],
        )

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
