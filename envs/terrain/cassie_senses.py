"""What N Cassies observe: 20 x 30 cells of a map, 64 x 64 pixels of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from spreeze.envs.terrain import cassie, heightmap
from spreeze.envs.terrain.body import TOUCH_N
from spreeze.envs.terrain.cassie_body import CassieBody
from spreeze.envs.terrain.clock import Clock
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.senses import AROUND_FOOT, Senses
from spreeze.envs.terrain.timing import DECISION_S

ASIDE_OF_FOOT = np.linspace(-0.1, 0.1, 3)
"""How far to the left of a foot `privileged` tells the height of the ground [m]."""
PICTURE = (64, 64)
CELLS, AROUND = len(heightmap.ACROSS) * len(heightmap.AHEAD), len(ASIDE_OF_FOOT) * len(AROUND_FOOT)
ENTRIES: dict[str, int] = {
    "state": 44, "map": CELLS, "clean_map": CELLS, "privileged": 12 + 2 * AROUND, "collision": 1, "motion": 12,
    "depth": PICTURE[0] * PICTURE[1],
}  # fmt: skip
DEVIATIONS = np.repeat([0.05, 0.1, 0.01, 0.01, 0.1, 0.1], [3, 3, 10, 4, 10, 4])
"""Of attitude, gyroscope, motors, springs' joints, and the velocities of both [rad, rad/s]. [R]"""
TURN_RATE = np.pi / 8
"""Greatest commanded [rad/s]. [R]"""
STRAIGHT = 0.6
"""Share of the commands that turn nowhere. [R]"""
GRAVITY = np.array([0.0, 0.0, 9.81])


class CassieSenses(Senses):
    """Observations of N Cassies, and where they are to turn to."""

    entries, motors, picture = ENTRIES, 10, PICTURE
    across, around = heightmap.ACROSS, ASIDE_OF_FOOT

    def __init__(self, body: Any, clock: Clock, options: TerrainOptions) -> None:
        super().__init__(body, clock, options)
        self._cassies: CassieBody = body
        self.turn, self._next = np.zeros(len(self.command)), np.zeros(len(self.command))
        """(N,): commanded rate of the heading [rad/s], now and after the change."""
        self.memory |= {"senses/turn": self.turn, "senses/next_turn": self._next}

    def begin(self, index: int, random: np.random.Generator) -> None:
        """As `Senses` says; also draw what is commanded beside the speed."""
        super().begin(index, random)
        rates = random.uniform(-TURN_RATE, TURN_RATE, 2) * (random.uniform(size=2) >= STRAIGHT)
        self.turn[index], self._next[index] = rates

    def steer(self, changed: np.ndarray, going: np.ndarray) -> None:
        """As `Senses` says."""
        self.turn[changed] = self._next[changed]
        self._cassies.heading[going] += self.turn[going] * DECISION_S

    def _state(self, elapsed: np.ndarray) -> np.ndarray:
        """Attitude from the commanded heading, gyroscope, joints and velocities; command; clock; shifts of the feet."""
        qpos, qvel = self._sensed.simulations.qpos, self._sensed.simulations.qvel
        motors, passive = cassie.POSITIONS, cassie.PASSIVE_POSITIONS
        joints = [qpos[:, motors] + self.bias, qpos[:, passive]]
        rates = [qvel[:, cassie.VELOCITIES], qvel[:, cassie.PASSIVE_VELOCITIES]]
        attitude, measured = self._attitude(), np.concatenate([qvel[:, 3:6], *joints, *rates], axis=1)
        if self._noisy:
            wrong = self._noise(elapsed, DEVIATIONS)
            attitude, measured = _turned_by(attitude, wrong[:, :3]), measured + wrong[:, 3:]
        nothing = np.zeros_like(self.command)
        commands = np.stack([self.command, nothing, self.turn], axis=1)
        return np.concatenate([attitude, measured, commands, self._clock.signals(), self._clock.shift], axis=1)

    def _attitude(self) -> np.ndarray:
        """(N, 4): quaternions with w >= 0."""
        half = self._cassies.heading / 2
        cosine, sine = np.cos(half), np.sin(half)
        w, x, y, z = self._sensed.simulations.qpos[:, 3:7].T
        found = np.stack(
            [cosine * w + sine * z, cosine * x + sine * y, cosine * y - sine * x, cosine * z - sine * w], axis=1
        )
        return found * np.where(found[:, :1] < 0, -1, 1)

    def _privileged(self, elapsed: np.ndarray) -> np.ndarray:
        """Velocity and height of the base, feet, whether they touch anything, and the ground around them."""
        body = self._cassies
        base, feet = body.base, body.feet()
        height = base[:, 2:] - body.ground.heights(base[:, None, :2])
        velocity = body.to_heading(body.simulations.qvel[:, :3])
        places = np.concatenate([body.to_heading(foot) for foot in np.moveaxis(feet, 1, 0)], axis=1)
        return np.concatenate([velocity, height, places, body.force > TOUCH_N, *self._ground_around(feet)], axis=1)

    def _motion(self, elapsed: np.ndarray) -> np.ndarray:
        """As the authors' robot sends it to its camera [R], in the frame of the base."""
        body = self._cassies
        inward = np.swapaxes(body.rotation, 1, 2)
        felt = np.concatenate([(body.acceleration + GRAVITY)[:, None], body.feet()], axis=1)
        felt = np.einsum("nij,nkj->nki", inward, felt)
        return np.concatenate([felt[:, 0], body.simulations.qvel[:, 3:6], felt[:, 1], felt[:, 2]], axis=1)


def _turned_by(quaternions: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(N, 4): quaternions (N, 4), turned by small rotation vectors (N, 3) of their own frames [rad]."""
    w, x, y, z = quaternions.T
    a, b, c = angles.T / 2
    parts = (
        w - x * a - y * b - z * c,
        x + w * a + y * c - z * b,
        y + w * b + z * a - x * c,
        z + w * c + x * b - y * a,
    )
    found = np.stack(parts, axis=1)
    scaled: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return scaled
