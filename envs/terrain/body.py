"""N planar walkers between two decisions: targets for the servos, physics, and what is measured meanwhile."""

from __future__ import annotations

import numpy as np

from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.terrain import walker
from spreeze.envs.terrain.ground import Ground, toe_strikes
from spreeze.envs.terrain.walker import CHUNK, CHUNKS, DECISION_S, POSE, REACH

TOUCH_N = 1.0
"""Force from which a foot is in contact [N]."""
_AHEAD = np.array([1.0, 0.0])


class Body:
    """What N walkers did since the last decision. Arrays in `memory` are all of its state beside the physics."""

    def __init__(self, simulations: BatchSimulations, ground: Ground) -> None:
        self.simulations, self.ground, count = simulations, ground, simulations.count
        self.struck = np.zeros((count, 2), bool)
        """(N, 2): whether a toe struck a riser."""
        self.force, self.foot_speed = np.zeros((count, 2)), np.zeros((count, 2))
        """(N, 2), means [N, m/s]."""
        self.effort, self.foot_acceleration = np.zeros(count), np.zeros(count)
        """(N,), means: sum of the torques' shares of their limits; sum over feet and axes [m/s^2]."""
        self.acceleration, self.speed = np.zeros((count, 2)), np.zeros(count)
        """(N, 2), (N,), means: of the base, x and z [m/s^2]; forward [m/s]."""
        names = ("struck", "force", "foot_speed", "effort", "foot_acceleration", "acceleration", "speed")
        self.memory = {f"body/{name}": getattr(self, name) for name in names}

    @property
    def base(self) -> np.ndarray:
        """(N, 3) [m]."""
        qpos = self.simulations.qpos
        return np.stack([qpos[:, 0], np.zeros(len(qpos)), qpos[:, 1]], axis=1)

    def begin(self, indices: np.ndarray) -> None:
        """Forget the episode before, in `indices` (K,)."""
        for array in self.memory.values():
            array[indices] = 0
        self.speed[indices] = self.simulations.qvel[indices, 0]

    def act(self, actions: np.ndarray, bias: np.ndarray, going: np.ndarray | None) -> None:
        """Hold targets for a decision: `actions` (N, 6) in [-1, 1], encoders wrong by `bias` (N, 6) [rad].

        `going` (K,): which robots, sorted; None: all.
        """
        simulations = self.simulations
        simulations.ctrl[:] = POSE + REACH * actions - bias
        self.ground.follow(simulations.qpos[:, :2] * _AHEAD)
        before, velocity = simulations.qpos[:, 0].copy(), simulations.qvel[:, :2].copy()
        sums = [np.zeros_like(array) for array in (self.force, self.foot_speed, self.effort, self.foot_acceleration)]
        self.struck[:] = False
        feet = self._feet()
        for _ in range(CHUNKS):
            simulations.step(CHUNK, going)
            before_feet, feet = feet, self._feet()
            change = feet - before_feet
            found = (
                simulations.fields["sensordata"],
                np.abs(feet),
                np.abs(simulations.fields["actuator_force"]).sum(axis=1) / walker.TORQUE,
                (np.abs(change.real) + np.abs(change.imag)).sum(axis=1) / (DECISION_S / CHUNKS),
            )
            for total, value in zip(sums, found, strict=True):
                total += value
            self.struck |= toe_strikes(
                self.ground, walker.toes(simulations.qpos), np.tile(_AHEAD, (len(before), 1)), walker.TOE_REACH
            )
        self.force[:], self.foot_speed[:], self.effort[:], self.foot_acceleration[:] = (s / CHUNKS for s in sums)
        self.acceleration[:] = (simulations.qvel[:, :2] - velocity) / DECISION_S
        self.speed[:] = (simulations.qpos[:, 0] - before) / DECISION_S

    def _feet(self) -> np.ndarray:
        """(N, 2) complex: velocities of the middles of the feet [m/s]."""
        rates = walker.leg_velocities(self.simulations.qpos, self.simulations.qvel)
        found: np.ndarray = (rates.ankle + rates.toe) / 2
        return found
