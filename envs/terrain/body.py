"""N robots between two decisions: targets for the servos, physics, and what is measured meanwhile."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.terrain.ground import Ground, toe_strikes
from spreeze.envs.terrain.rewards import Motion
from spreeze.envs.terrain.timing import CHUNK, CHUNKS, DECISION_S

TOUCH_N = 1.0
"""Force from which a foot is in contact [N]."""


class Body(ABC):
    """What N robots did since the last decision. Arrays in `memory` are all of its state beside the physics."""

    axes: int
    """X, along which the base moves: 2 in the plane, else 3."""

    def __init__(self, simulations: BatchSimulations, ground: Ground) -> None:
        self.simulations, self.ground, count = simulations, ground, simulations.count
        self.struck = np.zeros((count, 2), bool)
        """(N, 2): whether a toe struck a riser."""
        self.force, self.foot_speed = np.zeros((count, 2)), np.zeros((count, 2))
        """(N, 2), means [N, m/s]."""
        self.effort, self.foot_acceleration = np.zeros(count), np.zeros(count)
        """(N,), means: sum of the torques' shares of their limits; sum over feet and axes [m/s^2]."""
        self.acceleration, self.speed = np.zeros((count, self.axes)), np.zeros(count)
        """(N, X), (N,), means: of the base, in the world [m/s^2]; along the commanded heading [m/s]."""
        names = ("struck", "force", "foot_speed", "effort", "foot_acceleration", "acceleration", "speed")
        self.memory = {f"body/{name}": getattr(self, name) for name in names}

    @property
    @abstractmethod
    def base(self) -> np.ndarray:
        """(N, 3) [m]."""

    @property
    @abstractmethod
    def rotation(self) -> np.ndarray:
        """(N, 3, 3): from the frame of the base to the world."""

    @property
    def yaw(self) -> np.ndarray:
        """(N,): of the base [rad]."""
        rotation = self.rotation
        found: np.ndarray = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
        return found

    @abstractmethod
    def capsules(self) -> np.ndarray:
        """(N, C, 7): the legs as a camera sees them."""

    @abstractmethod
    def feet(self) -> np.ndarray:
        """(N, 2, 3): middles of the feet from the base, in the world's directions [m]."""

    @abstractmethod
    def pace(self) -> np.ndarray:
        """(N,): how fast the base moved along level ground, mean of the decision [m/s]."""

    @abstractmethod
    def leaning(self) -> np.ndarray:
        """(N,) bool: whether the base is turned as if the robot fell."""

    @abstractmethod
    def reward(self, swing: np.ndarray, command: np.ndarray, change: np.ndarray) -> np.ndarray:
        """(N,) in (0, 1], of the last decision.

        Args:
            swing: (N, 2), of the clock.
            command: (N,), forward speed [m/s].
            change: (N,), mean of the actions' changes.
        """

    def begin(self, indices: np.ndarray) -> None:
        """Forget the episode before, in `indices` (K,)."""
        for array in self.memory.values():
            array[indices] = 0
        self.speed[indices] = self.simulations.qvel[indices, 0]

    def act(self, actions: np.ndarray, bias: np.ndarray, going: np.ndarray | None) -> None:
        """Hold targets for a decision: `actions` (N, M) in [-1, 1], encoders wrong by `bias` (N, M) [rad].

        `going` (K,): which robots, sorted; None: all.
        """
        simulations = self.simulations
        simulations.ctrl[:] = self._targets(actions) - bias
        before, velocity = self.base, simulations.qvel[:, : self.axes].copy()
        self.ground.follow(before[:, :2])
        sums = [np.zeros_like(array) for array in (self.force, self.foot_speed, self.effort, self.foot_acceleration)]
        self.struck[:] = False
        feet = self._foot_velocities()
        for _ in range(CHUNKS):
            simulations.step(CHUNK, going)
            before_feet, feet = feet, self._foot_velocities()
            found = (
                simulations.fields["sensordata"],
                self._speeds(feet),
                self._effort(),
                self._sums(feet - before_feet) / (DECISION_S / CHUNKS),
            )
            for total, value in zip(sums, found, strict=True):
                total += value
            self.struck |= self._strikes()
        self.force[:], self.foot_speed[:], self.effort[:], self.foot_acceleration[:] = (s / CHUNKS for s in sums)
        self.acceleration[:] = (simulations.qvel[:, : self.axes] - velocity) / DECISION_S
        self._moved(self.base - before)

    @abstractmethod
    def _targets(self, actions: np.ndarray) -> np.ndarray:
        """(N, M) [rad]."""

    @abstractmethod
    def _foot_velocities(self) -> np.ndarray:
        """(N, 2, ...): of the middles of the feet [m/s]."""

    @abstractmethod
    def _speeds(self, feet: np.ndarray) -> np.ndarray:
        """(N, 2): magnitudes of velocities of feet."""

    @abstractmethod
    def _sums(self, change: np.ndarray) -> np.ndarray:
        """(N,): sums over feet and axes of changes of their velocities."""

    @abstractmethod
    def _effort(self) -> np.ndarray:
        """(N,): sum over motors of the torque's share of its limit."""

    @abstractmethod
    def _toes(self) -> tuple[np.ndarray, np.ndarray, float]:
        """(N, 2, 3), (N, 2): points that look for risers, where ahead is; how far ahead they look [m]."""

    @abstractmethod
    def _moved(self, way: np.ndarray) -> None:
        """Remember how far the base went in the decision, (N, 3)."""

    def _motion(self, swing: np.ndarray, change: np.ndarray) -> Motion:
        base = np.abs(self.acceleration).sum(axis=1)
        return Motion(swing, self.force, self.foot_speed, base, self.foot_acceleration, change, self.effort)

    def _strikes(self) -> np.ndarray:
        toes, heading, reach = self._toes()
        return toe_strikes(self.ground, toes, heading, reach)
