"""What a biped is to its environments: a model with numbers, and a controller that tracks references at 1 kHz.

Legend of shapes: N robots. Positions in the world [m], x forward, y left, z up; planar robots have y = 0. Feet are
numbered 0 (left) and 1 (right).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

TICK_S = 0.001
"""Of the controllers and of the physics."""
TICKS = 30
"""Of one decision."""


class Posture(NamedTuple):
    """What the gait needs to know of N robots at this moment. Arrays are valid until the next tick."""

    base: np.ndarray
    """(N, 3): the point whose height is commanded: the hips of planar robots, the origin of Digit's torso."""
    base_velocity: np.ndarray
    """(N, 3) [m/s]."""
    attitude: np.ndarray
    """(N, 3): roll, pitch, yaw of the torso [rad]; positive pitch leans forward."""
    attitude_rate: np.ndarray
    """(N, 3) [rad/s]."""
    mass_center: np.ndarray
    """(N, 3): of the whole robot, as the controller's model has it."""
    mass_velocity: np.ndarray
    """(N, 3) [m/s]."""
    feet: np.ndarray
    """(N, 2, 3): the points that are meant to touch the ground."""
    feet_velocity: np.ndarray
    """(N, 2, 3) [m/s]."""
    force: np.ndarray
    """(N, 2): with which the ground pushes against each foot [N], of the tick before."""


class Reference(NamedTuple):
    """What a controller is to track, N robots; each value with its rate and acceleration (N, 3, ...)."""

    stance: np.ndarray
    """(N,) int: the foot that stands; the other one swings."""
    swing: np.ndarray
    """(N, 3, 3): swing foot, its rate, its acceleration; x and y from the mass centre, z from the stance foot."""
    height: np.ndarray
    """(N, 3): of the base above the stance foot."""
    pitch: np.ndarray
    """(N, 3): of the torso. Roll is to be 0."""
    yaw: np.ndarray
    """(N, 3): heading; zeros for planar robots."""
    tilt: np.ndarray
    """(N,): pitch of a flat swing foot, as the ground is taken to be inclined [rad]."""


class Counts(NamedTuple):
    """What went wrong at this tick, N robots, bool."""

    saturated: np.ndarray
    """A torque was cut to its limit."""
    failed: np.ndarray
    """What was asked for could not be computed, or needs more of the ground than friction is taken to allow."""


class Controller(Protocol):
    """Tracks references with N robots, whose simulations it belongs to."""

    memory: dict[str, np.ndarray]
    """Arrays that are all of its state, beside that of the simulations."""

    def posture(self) -> Posture:
        """Kinematics of the present state, kept for `track`."""

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """Write torques into `ctrl` of the simulations."""

    def momentum(self, stance: np.ndarray) -> np.ndarray:
        """(N, 3): angular momentum about the foot `stance` (N,) [kg m^2/s], as the controller's model has it."""


@dataclass(frozen=True)
class Servo:
    """Proportional-derivative control of the joints, for policies that decide on these."""

    stiffness: float
    """[N m/rad]"""
    damping: float
    """[N m s/rad]"""
    pose: tuple[float, ...]
    """In the middle of the targets, in the order of the actuators [rad]."""
    reach: float
    """Of the targets around it [rad]."""


@dataclass(frozen=True)
class Robot:
    """One robot, as numbers."""

    model: Path
    """MJCF, whose time step is `TICK_S` and whose floor is the geom `floor`."""
    controllers: Mapping[str, Callable[[Simulations], Controller]]
    """By name, the usual one first."""
    fields: tuple[str, ...]
    """Of `MjData`, which the controllers read beside `qpos`, `qvel` and `ctrl`."""
    torso: str
    """The body that carries payloads and is pushed."""
    mass: float
    """m [kg]."""
    mass_height: float
    """H of the template [m]."""
    step_time: float
    """T [s]."""
    height: float
    """Of the base at rest, which thresholds are shares of [m]."""
    sole: float
    """How far the ground is below the feet's points when they stand [m]."""
    vertical: int
    """Which position of the model is its height."""
    clearance: float
    """Of the swing foot in the middle of its way [m]."""
    low: tuple[float, ...]
    """Least decision: landing x (and y outward), pitch, height."""
    high: tuple[float, ...]
    """Greatest decision."""
    speed: tuple[tuple[float, float], ...]
    """Least and greatest command: forward (and lateral, and yaw rate) [m/s, rad/s]."""
    start: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, int]]
    """Draws positions (nq,), velocities (nv,) and stance foot of a new episode."""
    servo: Servo | None = None
    """For the end-to-end policy, if there is one."""

    @property
    def spatial(self) -> bool:
        """Whether it moves in three dimensions."""
        return len(self.low) == 4

    @property
    def stride(self) -> int:
        """Steps after which the orbit repeats: two where the robot sways from side to side."""
        return 2 if self.spatial else 1
