"""What an episode draws, and what it does to the simulations: command, ground, payload, friction, push."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spreeze.envs.bipeds.options import Interval, WalkingOptions
from spreeze.envs.bipeds.robot import TICK_S, TICKS, Robot
from spreeze.envs.native.simulations import Simulations
from spreeze.errors import UsageError

DECISION_S = TICKS * TICK_S
SLEW = 0.6
"""By how much a command changes in a second [m/s^2]."""
PUSH_S = 0.05
"""For which a push lasts."""
PATIENCE = 2.0
"""Steps after which a push comes although its phase was never reached."""
WINDOW = 0.05
"""Phases after that of the push in which it may begin."""
_LEAST = {"payload": 0.0, "friction": 0.01, "push_time": 0.0, "push_phase": 0.0}
_GREATEST = {"push_phase": 1.0}


class Conditions:
    """Of N robots. Arrays in `memory` are all of its state; the model's fields follow them by `apply`."""

    def __init__(self, robot: Robot, options: WalkingOptions, simulations: Simulations) -> None:
        """Raises UsageError if an option makes no sense."""
        check(options, robot)
        count, self._robot, self._options, self._simulations = simulations.count, robot, options, simulations
        ranges = list(robot.speed)
        if options.speed is not None:
            ranges[0] = options.speed
        self._low, self._high = np.array(ranges).T
        self._every = max(1, math.ceil(options.max_episode_steps / (options.speed_changes + 1)))
        self.wanted = np.zeros((count, options.speed_changes + 1, len(ranges)))
        """(N, changes + 1, C): the commands of the episode, one after the other."""
        self.command = np.zeros((count, len(ranges)))
        """(N, C): the command of this moment, which moves towards the wanted one."""
        self.slope, self.payload, self.friction = np.zeros(count), np.zeros(count), np.ones(count)
        """(N,) [rad], [kg], factor."""
        self._push, self._left = np.zeros((count, 4)), np.zeros(count)
        self._body = simulations.model.body(robot.torso).id
        self._forces = simulations.fields["xfrc_applied"]
        self._pushes, self._varies = any(options.push), _varies(options)
        names = ("wanted", "command", "slope", "payload", "friction")
        self.memory = {f"conditions/{name}": getattr(self, name) for name in names}
        self.memory |= {"conditions/push": self._push, "conditions/left": self._left}

    def draw(self, index: int, random: np.random.Generator) -> None:
        """Draw those of robot `index` for a new episode."""
        options = self._options
        self.wanted[index] = random.uniform(self._low, self._high, self.wanted.shape[1:])
        self.command[index] = 0
        names = ("slope", "payload", "friction", "push", "push_direction", "push_time", "push_phase")
        drawn = {name: random.uniform(*getattr(options, name)) for name in names}
        self.slope[index], self.payload[index] = math.radians(drawn["slope"]), drawn["payload"]
        self.friction[index] = drawn["friction"]
        angle, force = math.radians(drawn["push_direction"]), drawn["push"] / PUSH_S
        self._push[index] = math.cos(angle) * force, math.sin(angle) * force, drawn["push_time"], drawn["push_phase"]
        self._left[index] = PUSH_S if force else 0.0

    def apply(self, indices: np.ndarray) -> None:
        """Give the simulations `indices` (K,) the ground, masses and friction that were drawn for them."""
        if not self._varies or not indices.size:
            return
        model, slope = self._simulations.model, self.slope[indices]
        values = {name: np.stack([getattr(model, name)] * len(indices)) for name in _FIELDS}
        floor = model.geom("floor").id
        values["geom_quat"][:, floor] = 0
        values["geom_quat"][:, floor, 0], values["geom_quat"][:, floor, 2] = np.cos(slope / 2), -np.sin(slope / 2)
        values["body_mass"][:, self._body] += self.payload[indices]
        values["geom_friction"] *= self.friction[indices, None, None]
        self._simulations.set_parameters(values, indices)

    def decide(self, elapsed: np.ndarray) -> None:
        """Move commands on by one decision, before decision `elapsed` (N,) of the episodes."""
        stretch = np.minimum(elapsed // self._every, self.wanted.shape[1] - 1)
        ahead = self.wanted[np.arange(len(elapsed)), stretch] - self.command
        self.command += np.clip(ahead, -SLEW * DECISION_S, SLEW * DECISION_S)

    def push(self, seconds: np.ndarray, phase: np.ndarray) -> None:
        """Apply what pushes at this tick, `seconds` (N,) after the episodes began."""
        if not self._pushes:
            return
        late = seconds - self._push[:, 2]
        reached = (phase >= self._push[:, 3]) & (phase < self._push[:, 3] + WINDOW)
        begun = (self._left < PUSH_S) | reached | (late > PATIENCE * self._robot.step_time)
        active = (late >= 0) & begun & (self._left > TICK_S / 2)
        self._left[active] -= TICK_S
        self._forces[:, self._body, :2] = self._push[:, :2] * active[:, None]

    def ground(self, indices: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(K, ...): height of the ground of robots `indices` (K,) at x (K, ...) [m]."""
        slope = np.tan(self.slope[indices])
        height: np.ndarray = slope.reshape(-1, *[1] * (x.ndim - 1)) * x
        return height


_FIELDS = ("geom_quat", "body_mass", "geom_friction")


def _varies(options: WalkingOptions) -> bool:
    return (options.slope, options.payload, options.friction) != ((0.0, 0.0), (0.0, 0.0), (1.0, 1.0))


def check(options: Any, robot: Robot) -> None:
    """Raise UsageError if an option makes no sense."""
    for name, (low, high) in _intervals(options).items():
        least, greatest = _LEAST.get(name, -math.inf), _GREATEST.get(name, math.inf)
        if not (math.isfinite(low) and math.isfinite(high) and least <= low <= high <= greatest):
            raise UsageError(
                f"--{name.replace('_', '-')} {low:g} {high:g}: give the least and the greatest value, finite and "
                f"between {least:g} and {greatest:g}"
            )
    if options.speed_changes < 0 or options.max_episode_steps < 1:
        raise UsageError("--speed-changes is at least 0, --max-episode-steps at least 1")
    if abs(max(options.slope, key=abs)) > 30:
        raise UsageError(f"--slope {options.slope}: at most 30 degrees")


def _intervals(options: Any) -> dict[str, Interval]:
    return {name: value for name, value in vars(options).items() if isinstance(value, tuple)}
