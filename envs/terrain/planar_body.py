"""Planar walkers between two decisions."""

from __future__ import annotations

import numpy as np

from spreeze.envs.terrain import planar_rewards, walker
from spreeze.envs.terrain.body import Body
from spreeze.envs.terrain.timing import DECISION_S

MOST_PITCH = 0.6
"""Of the torso [rad]. Ours: the paper's 15 degrees are of another robot, whose torso is short."""
_AHEAD = np.array([1.0, 0.0])


class PlanarBody(Body):
    """What N planar walkers did since the last decision; velocities of feet are complex, x + i z."""

    axes = 2

    @property
    def base(self) -> np.ndarray:
        """(N, 3) [m]."""
        qpos = self.simulations.qpos
        return np.stack([qpos[:, 0], np.zeros(len(qpos)), qpos[:, 1]], axis=1)

    @property
    def rotation(self) -> np.ndarray:
        """(N, 3, 3): of the torso."""
        return walker.rotations(self.simulations.qpos[:, 2])

    @property
    def yaw(self) -> np.ndarray:
        """(N,): 0."""
        return np.zeros(self.simulations.count)

    def capsules(self) -> np.ndarray:
        """(N, 6, 7): thighs, shanks and feet."""
        return walker.capsules(self.simulations.qpos)

    def feet(self) -> np.ndarray:
        """(N, 2, 3): middles of the feet from the base, in the world's directions."""
        points = walker.legs(self.simulations.qpos)
        middle = (points.ankle + points.toe) / 2
        places = np.stack([middle.real, np.zeros_like(middle.real), middle.imag], axis=2)
        found: np.ndarray = places - self.base[:, None]
        return found

    def pace(self) -> np.ndarray:
        """(N,): forward or backward."""
        return np.abs(self.speed)

    def leaning(self) -> np.ndarray:
        """(N,) bool: whether the torso is."""
        found: np.ndarray = np.abs(self.simulations.qpos[:, 2]) >= MOST_PITCH
        return found

    def reward(self, swing: np.ndarray, command: np.ndarray, change: np.ndarray) -> np.ndarray:
        """(N,): by the terms of `planar_rewards`."""
        qpos = self.simulations.qpos
        measured = planar_rewards.Measured(
            speed_error=np.abs(self.speed - command),
            lean=np.concatenate([qpos[:, 2:3], walker.angles(qpos)[:, :, 2]], axis=1),
            motion=self._motion(swing, change),
        )
        return planar_rewards.reward(measured)

    def _targets(self, actions: np.ndarray) -> np.ndarray:
        found: np.ndarray = walker.POSE + walker.REACH * actions
        return found

    def _foot_velocities(self) -> np.ndarray:
        rates = walker.leg_velocities(self.simulations.qpos, self.simulations.qvel)
        found: np.ndarray = (rates.ankle + rates.toe) / 2
        return found

    def _speeds(self, feet: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.abs(feet)
        return found

    def _sums(self, change: np.ndarray) -> np.ndarray:
        found: np.ndarray = (np.abs(change.real) + np.abs(change.imag)).sum(axis=1)
        return found

    def _effort(self) -> np.ndarray:
        found: np.ndarray = np.abs(self.simulations.fields["actuator_force"]).sum(axis=1) / walker.TORQUE
        return found

    def _toes(self) -> tuple[np.ndarray, np.ndarray, float]:
        toes = walker.toes(self.simulations.qpos)
        return toes, np.tile(_AHEAD, (len(toes), 1)), walker.TOE_REACH

    def _moved(self, way: np.ndarray) -> None:
        self.speed[:] = way[:, 0] / DECISION_S
