"""What N planar walkers observe: rows of a map and columns of a picture, one of each."""

from __future__ import annotations

import numpy as np

from spreeze.envs.terrain import heightmap
from spreeze.envs.terrain.body import TOUCH_N
from spreeze.envs.terrain.senses import Senses

ENTRIES: dict[str, int] = {
    "state": 21, "map": 30, "clean_map": 30, "privileged": 29, "collision": 1, "motion": 7, "depth": 64,
}  # fmt: skip
DEVIATIONS = np.repeat([0.05, 0.1, 0.01, 0.1], [1, 1, 6, 6])
"""Of pitch, its rate, joints, their velocities [rad, rad/s]. [R]"""


class PlanarSenses(Senses):
    """Observations of N planar walkers."""

    entries, motors, picture = ENTRIES, 6, (1, 64)
    across, around = heightmap.LINE, heightmap.LINE

    def _state(self, elapsed: np.ndarray) -> np.ndarray:
        """Pitch and its rate, joints and their velocities; command; clock; shifts of the feet."""
        qpos, qvel = self._sensed.simulations.qpos, self._sensed.simulations.qvel
        measured = np.concatenate([qpos[:, 2:3], qvel[:, 2:3], qpos[:, 3:] + self.bias, qvel[:, 3:]], axis=1)
        if self._noisy:
            measured += self._noise(elapsed, DEVIATIONS)
        return np.concatenate([measured, self.command[:, None], self._clock.signals(), self._clock.shift], axis=1)

    def _privileged(self, elapsed: np.ndarray) -> np.ndarray:
        """Velocity and height of the base, feet, whether they touch anything, and the ground around them."""
        body, qpos = self._sensed, self._sensed.simulations.qpos
        base, feet = body.base, body.feet()
        height = base[:, 2:] - body.ground.heights(base[:, None, :2])
        around = self._ground_around(feet)
        places = feet[:, :, ::2].reshape(len(qpos), -1)
        return np.concatenate([body.simulations.qvel[:, :2], height, places, body.force > TOUCH_N, *around], axis=1)

    def _motion(self, elapsed: np.ndarray) -> np.ndarray:
        """Acceleration in the torso's frame, its rate, feet from the base."""
        body, qpos = self._sensed, self._sensed.simulations.qpos
        felt = (body.acceleration[:, 0] + 1j * (body.acceleration[:, 1] + 9.81)) * np.exp(1j * qpos[:, 2])
        feet = body.feet()[:, :, ::2].reshape(len(qpos), -1)
        return np.column_stack([felt.real, felt.imag, body.simulations.qvel[:, 2], feet])
