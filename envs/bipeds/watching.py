"""What is shown of a biped that is watched, and how it is pushed by hand; samplers and evaluators have none of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from spreeze.environment import Marker
from spreeze.envs.bipeds.conditions import PUSH_S
from spreeze.envs.bipeds.planning import Planning
from spreeze.envs.bipeds.robot import TICK_S, Posture
from spreeze.envs.bipeds.scheme import World
from spreeze.envs.native.batch import BatchSimulations

LANDING, STANDING = (217, 119, 6), (37, 99, 235)
"""Colours of the place where the swing foot is to land, and of the foot that stands: orange, blue."""
RADIUS_M = 0.035
"""Of both markers."""
AXES = ("forward speed [m/s]", "speed to the left [m/s]", "yaw rate [rad/s]")
"""Charts, one for each number of a command."""


class PushedSimulations(BatchSimulations):
    """Simulations whose robots can be pushed beside what their environment does to them."""

    _force, _left, _body = (0.0, 0.0), 0, 0

    def push(self, body: int, impulse: tuple[float, float]) -> None:
        """Push `body` by a horizontal impulse [N s], spread over the next 50 ms; it takes the place of one before."""
        self._body, self._force, self._left = body, (impulse[0] / PUSH_S, impulse[1] / PUSH_S), round(PUSH_S / TICK_S)

    def let_go(self) -> None:
        """Push no longer."""
        self._left = 0

    def step(self, substeps: int, indices: np.ndarray | None = None) -> None:
        """As `Simulations` says; `substeps` is 1, as environments of bipeds have it."""
        if not self._left:
            super().step(substeps, indices)
            return
        forces = self.fields["xfrc_applied"][:, self._body, :2]
        before = forces.copy()
        forces += self._force
        super().step(substeps, indices)
        forces[...] = before
        self._left -= 1


def direction(degrees: float, heading: float) -> tuple[float, float]:
    """Where in the world a direction points: 0 is forward, 90 left of a robot that heads to `heading` [rad]."""
    angle = math.radians(degrees) + heading
    return math.cos(angle), math.sin(angle)


def footsteps(world: World, scheme: object) -> Mapping[str, Marker]:
    """Where robot 0 stands, and where its swing foot is to land if its policy plans that; on the ground."""
    posture, stance = world.controller.posture(), int(world.gait.stance[0])
    foot = posture.feet[0, stance]
    found = {"stance": _on_ground(world, foot[:2], STANDING)}
    if isinstance(scheme, Planning):
        found["landing"] = _on_ground(world, landing_place(world, posture), LANDING)
    return found


def landing_place(world: World, posture: Posture) -> np.ndarray:
    """(2,): where in the world robot 0 lands if its mass centre moves on as the template's does.

    p(t) = p cosh(w t) + p' sinh(w t) / w from the foot that stands, w = sqrt(g / H), t until the planned touch-down.
    """
    robot, gait, stance = world.robot, world.gait, int(world.gait.stance[0])
    rate = math.sqrt(-float(world.simulations.model.opt.gravity[2]) / robot.mass_height)
    left = rate * max(robot.step_time - float(gait.since[0]), 0.0)
    foot, velocity = posture.feet[0, stance, :2], posture.mass_velocity[0, :2]
    center = foot + (posture.mass_center[0, :2] - foot) * math.cosh(left) + velocity * math.sinh(left) / rate
    forward = np.array(direction(0.0, float(gait.heading[0])))
    place: np.ndarray = center + gait.target[0, 0] * forward
    if robot.spatial:
        outward = gait.target[0, 1] * (2 * stance - 1)
        place += outward * np.array([-forward[1], forward[0]])
    return place


def speeds(world: World) -> Mapping[str, Mapping[str, float]]:
    """For each number of robot 0's command: the command, and the mean of the last step (of the yaw rate, its value)."""
    command, heading = world.conditions.command[0], float(world.gait.heading[0])
    ahead, turning = direction(0.0, heading), float(world.controller.posture().attitude_rate[0, 2])
    x, y = world.speed[0]
    actual = (ahead[0] * x + ahead[1] * y, ahead[0] * y - ahead[1] * x, turning)
    return {
        axis: {"commanded": float(wanted), "actual": float(value)}
        for axis, wanted, value in zip(AXES, command, actual, strict=False)
    }


def _on_ground(world: World, place: np.ndarray, colour: tuple[int, int, int]) -> Marker:
    height = world.conditions.ground(np.zeros(1, np.int64), place[:1])[0]
    return Marker((float(place[0]), float(place[1]), float(height)), RADIUS_M, colour)
