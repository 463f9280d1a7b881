"""Input-output linearisation of planar robots in C: `planar.c` does what `linearisation.py` does in NumPy."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from spreeze.envs.bipeds._native import library, pointer, structure
from spreeze.envs.bipeds.chain import Motion
from spreeze.envs.bipeds.linearisation import Feet, Linearisation
from spreeze.envs.bipeds.robot import Counts, Posture, Reference

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

MOST_LINKS = 8
"""For which the library has room."""


class NativeLinearisation(Linearisation):
    """`Linearisation` whose numbers come from the library; what it returns is valid until the next call."""

    def __init__(self, library: ctypes.CDLL, simulations: Simulations, feet: Feet, frequency: float) -> None:
        super().__init__(simulations, feet, frequency)
        count, shape = simulations.count, (simulations.count, self._size)
        turned, turning, spinning = np.zeros((3, *shape), complex)
        self._motion = Motion(turned, np.zeros(shape), np.zeros(shape), turning, spinning)
        self._places, self._speeds = np.zeros((2, count, 3), complex)
        self._stance, self._wrong = np.zeros(count, np.int64), Counts(*np.zeros((2, count), bool))
        self._values = {**self._numbers(), **self._arrays()}
        self._structure = structure(self._values)
        self._library, self._robots = library, pointer(self._structure)

    def _numbers(self) -> dict[str, int | float | np.ndarray]:
        """Of the model: what comes first in `struct robots`."""
        simulations, feet, chain = self._simulations, self._feet, self.chain
        return {
            "count": simulations.count,
            "links": self._size,
            "flat": int(feet.flat),
            "left": feet.links[0],
            "right": feet.links[1],
            "stride": simulations.state.shape[1],
            "sensors": simulations.fields["sensordata"].shape[1],
            "mass": chain.mass,
            "gravity": chain.gravity,
            "radius": 0.0 if feet.flat else feet.radius,
            "stiffness": float(self._stiffness),
            "damping": float(self._damping),
            "first_moment": chain.first_moment,
            "second_moment": chain.second_moment,
            "points": self._points,
            "inertia": chain.inertia,
            "from_joints": chain.from_joints.copy(),
            "limit": self._limit,
            "joint_damping": self._joint_damping,
        }

    def _arrays(self) -> dict[str, np.ndarray]:
        """Of the robots, which change: what follows."""
        simulations = self._simulations
        return {
            "positions": simulations.qpos,
            "velocities": simulations.qvel,
            "torques": simulations.ctrl,
            "sensordata": simulations.fields["sensordata"],
            "places": self._places,
            "speeds": self._speeds,
            **self._motion._asdict(),
            **self._posture._asdict(),
            "stance": self._stance,
            "aims": self._aims,
            "pressure": self.pressure,
            "misses": self._misses,
            **self._wrong._asdict(),
        }

    def posture(self) -> Posture:
        """As `Controller` says."""
        self._library.planar_posture(self._robots)
        return self._posture

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """As `Controller` says."""
        self._stance[:] = reference.stance
        self._aim_at(reference)
        self._library.planar_track(self._robots)
        return self._wrong

    def torques(self, stance: np.ndarray, accelerations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `Linearisation` says."""
        count, joints = len(stance), self._size - 1
        found = np.empty((count, joints)), np.empty((count, joints, self._outputs)), np.empty(count, bool)
        given = np.ascontiguousarray(stance, np.int64), np.ascontiguousarray(accelerations)
        self._library.planar_torques(self._robots, *map(pointer, (*given, *found)))
        return found


def linearisation(simulations: Simulations, feet: Feet, frequency: float) -> Linearisation:
    """Return the controller of the simulations' robots, from the library where there is one."""
    found = library()
    if found is None or simulations.model.nbody - 1 > MOST_LINKS:
        return Linearisation(simulations, feet, frequency)
    return NativeLinearisation(found, simulations, feet, frequency)
