"""The depth camera: distances along its axis, with the robot's legs in view. By rays, without a renderer.

Position, tilt, angle of view and range are those of the authors' simulation [R]; pictures there are rendered larger and
scaled down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spreeze.envs.terrain import noise
from spreeze.envs.terrain._native import wrong_depth
from spreeze.envs.terrain.ground import Ground

FIELD_OF_VIEW = np.deg2rad(58.0)
"""From edge to edge, both ways [rad]. [R]"""
FARTHEST = 3.0
"""What is farther away is given as this [m], whatever the robot's size. [R]"""
MOUNT = np.array([0.1856, 0.0, 0.24])
"""Where the camera is in the frame of the base, of a robot whose base stands at 1 m [m]. [R]"""
TILT = np.deg2rad(60.0)
"""Of the axis below the horizon. [R]"""


class DepthCamera:
    """Pictures of N robots. Pixels are square; row 0 is at the top, column 0 at the left."""

    def __init__(self, ground: Ground, width: int, height: int) -> None:
        """A fan of rays in the vertical plane has a width of 1."""
        self.ground, self.shape = ground, (height, width)
        up, left = (np.tan(FIELD_OF_VIEW / 2) * _middles(size) for size in (height, width))
        grid = np.meshgrid(up, left, indexing="ij")
        self._rays = np.stack([np.ones(self.shape), grid[1], grid[0]], axis=2).reshape(-1, 3)

    def look(self, position: np.ndarray, rotation: np.ndarray, capsules: np.ndarray) -> np.ndarray:
        """(N, height, width): depth along the axis, from 0 to `FARTHEST` [m].

        Args:
            position: (N, 3), in the world.
            rotation: (N, 3, 3): in columns, the axis, left, and up of the picture.
            capsules: (N, C, 7): from, to, radius of what of the robot may be seen.
        """
        found = self.ground.terrains.rays(position, rotation, self._rays, capsules, FARTHEST)
        return found.reshape(-1, *self.shape)


def _middles(size: int) -> np.ndarray:
    """(size,): of pixels, from 1 to -1."""
    found: np.ndarray = 1 - (2 * np.arange(size) + 1) / size
    return found


def tilted(rotation: np.ndarray, tilt: np.ndarray | float = TILT, zoom: np.ndarray | float = 1.0) -> np.ndarray:
    """(N, 3, 3): of a camera that looks `tilt` (N,) below the x axis of bodies with rotation (N, 3, 3).

    The tangents of its rays are multiplied by `zoom` (N,).
    """
    cosine, sine = (np.broadcast_to(f(tilt), len(rotation)) for f in (np.cos, np.sin))
    turn = np.zeros((len(rotation), 3, 3))
    turn[:, 0, 0], turn[:, 2, 0], turn[:, 0, 2], turn[:, 2, 2], turn[:, 1, 1] = cosine, -sine, sine, cosine, 1
    turn[:, :, 1:] *= np.broadcast_to(zoom, len(rotation))[:, None, None]
    found: np.ndarray = rotation @ turn
    return found


@dataclass(frozen=True)
class DepthNoise:
    """How wrong a picture is, and how differently cameras are mounted. [R], but that the delay is the map's."""

    depth: float = 0.01
    """Deviation of each pixel [m]."""
    pixels: float = 0.5
    """Deviation of where a pixel looks, in pixels, rounded."""
    mount: float = 0.01
    """Greatest error of the position [m]."""
    tilt: float = np.deg2rad(1.0)
    """Greatest error [rad]."""
    view: float = np.deg2rad(1.0)
    """Greatest error of the angle of view [rad]."""
    least_delay: int = 1
    """Decisions by which a picture is late, drawn per episode."""
    most_delay: int = 4


EXACT = DepthNoise(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)


class DepthSensor:
    """Pictures with errors. Arrays in `memory` are all of its state."""

    def __init__(self, camera: DepthCamera, errors: DepthNoise, count: int) -> None:
        self.camera, self._noise = camera, errors
        self._key, self._delay = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._pose = np.zeros((count, 5))
        self._past = np.zeros((count, errors.most_delay + 1, *camera.shape))
        self._rows = np.arange(count)
        self.memory = {
            "depth/key": self._key,
            "depth/delay": self._delay,
            "depth/pose": self._pose,
            "depth/past": self._past,
        }

    def begin(self, index: int, random: np.random.Generator) -> None:
        """Draw what simulation `index` keeps for an episode."""
        errors = self._noise
        self._key[index] = noise.draw_key(random)
        self._delay[index] = random.integers(errors.least_delay, errors.most_delay, endpoint=True)
        most = np.array([errors.mount] * 3 + [errors.tilt, errors.view])
        self._pose[index] = random.uniform(-most, most)

    def sense(self, base: np.ndarray, rotation: np.ndarray, capsules: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        """(N, height, width): the picture as it arrives, once for every decision `elapsed` (N,), from 0 on.

        Args:
            base: (N, 3), where the camera is mounted on.
            rotation: (N, 3, 3), of the base.
            capsules: (N, C, 7), as `DepthCamera.look` says.
            elapsed: (N,)
        """
        offset = MOUNT * self.camera.ground.scale + self._pose[:, :3]
        zoom = np.tan((FIELD_OF_VIEW + self._pose[:, 4]) / 2) / np.tan(FIELD_OF_VIEW / 2)
        place = base + np.einsum("nij,nj->ni", rotation, offset)
        seen = self._wrong(self.camera.look(place, tilted(rotation, TILT + self._pose[:, 3], zoom), capsules), elapsed)
        length = self._past.shape[1]
        self._past[self._rows, elapsed % length] = seen
        found: np.ndarray = self._past[self._rows, np.maximum(elapsed - self._delay, 0) % length]
        return found

    def _wrong(self, depth: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        errors = self._noise
        if not (errors.depth or errors.pixels):
            return depth
        return wrong_depth(depth, self._key, elapsed, errors.depth, errors.pixels, FARTHEST)
