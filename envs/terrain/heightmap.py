"""What a robot is told of the ground ahead: heights in cells, relative to its base; and what it is told wrongly.

The cells turn with the yaw of the base, not with roll and pitch, and a cell holds the height of the ground less that of
the base: about -1 on level ground, whatever the robot's odometry says [R]. Shift, noise and delay are those of the
authors' code [R].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spreeze.envs.terrain import noise
from spreeze.envs.terrain.ground import Ground

AHEAD = np.linspace(0.0, 1.5, 30)
"""Columns of the map, of a robot whose base stands at 1 m [m]. [R]"""
ACROSS = np.linspace(-0.5, 0.5, 20)
"""Its rows, from right to left [m]. [R]"""
LINE = np.zeros(1)
"""The only row of a planar robot."""


class Heightmap:
    """The cells of N robots."""

    def __init__(self, ground: Ground, ahead: np.ndarray, across: np.ndarray) -> None:
        """Cells at `ahead` (columns,) and `across` (rows,) of the base, in m, times the scale of the ground."""
        self.ground, self.shape = ground, (len(across), len(ahead))
        self.cells = np.stack(np.meshgrid(ahead, across), axis=2).reshape(-1, 2) * ground.scale
        """(rows * columns, 2): x and y of the cells in the frame of the base, row by row."""

    def clean(self, base: np.ndarray, yaw: np.ndarray, shift: np.ndarray | None = None) -> np.ndarray:
        """(N, rows, columns): heights less that of the base.

        Args:
            base: (N, 3), in the world.
            yaw: (N,).
            shift: (N, 2), by which all cells are moved in the frame of the base.
        """
        cells = np.broadcast_to(self.cells, (len(base), *self.cells.shape))
        if shift is not None:
            cells = cells + shift[:, None]
        cosine, sine = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y = cells[:, :, 0], cells[:, :, 1]
        places = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=2) + base[:, None, :2]
        found: np.ndarray = (self.ground.heights(places) - base[:, 2, None]).reshape(-1, *self.shape)
        return found


@dataclass(frozen=True)
class MapNoise:
    """How wrong a map is. Lengths in m, of a robot whose base stands at 1 m."""

    shift: float = 0.05
    """One pixel: per episode and again per decision the map is moved by -1, 0 or 1 of them, along both axes."""
    height: float = 0.1
    """Greatest error of all cells together, per episode."""
    cell: float = 0.02
    """Greatest error of each cell, per decision."""
    least_delay: int = 1
    """Decisions by which the map is late, drawn per episode."""
    most_delay: int = 4


EXACT = MapNoise(0.0, 0.0, 0.0, 0, 0)
_SHIFT, _CELL = 1, 2
"""Streams of random numbers."""


class MapSensor:
    """Maps with errors. Arrays in `memory` are all of its state."""

    def __init__(self, heightmap: Heightmap, errors: MapNoise, count: int) -> None:
        self.heightmap, self._noise, self._scale = heightmap, errors, heightmap.ground.scale
        self._key, self._delay = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._shift, self._height = np.zeros((count, 2)), np.zeros(count)
        self._past = np.zeros((count, errors.most_delay + 1, *heightmap.shape))
        self._rows = np.arange(count)
        self.memory = {
            "map/key": self._key,
            "map/delay": self._delay,
            "map/shift": self._shift,
            "map/height": self._height,
            "map/past": self._past,
        }

    def begin(self, index: int, random: np.random.Generator) -> None:
        """Draw what simulation `index` keeps for an episode."""
        errors = self._noise
        self._key[index] = noise.draw_key(random)
        self._delay[index] = random.integers(errors.least_delay, errors.most_delay, endpoint=True)
        self._shift[index] = random.integers(-1, 1, 2, endpoint=True) * errors.shift * self._scale
        self._height[index] = random.uniform(-errors.height, errors.height) * self._scale

    def sense(self, base: np.ndarray, yaw: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        """(N, rows, columns): the map as it arrives, once for every decision `elapsed` (N,) of the episodes, from 0 on.

        Before as many decisions as it is late, the first one arrives.
        """
        seen = self._wrong(base, yaw, elapsed)
        length = self._past.shape[1]
        self._past[self._rows, elapsed % length] = seen
        found: np.ndarray = self._past[self._rows, np.maximum(elapsed - self._delay, 0) % length]
        return found

    def _wrong(self, base: np.ndarray, yaw: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        errors = self._noise
        if not (errors.shift or errors.height or errors.cell):
            return self.heightmap.clean(base, yaw)
        jitter = (noise.integers(self._key, elapsed, _SHIFT, 2, 2) - 1) * errors.shift * self._scale
        seen = self.heightmap.clean(base, yaw, self._shift + jitter)
        cells = noise.uniform(self._key, elapsed, _CELL, seen[0].size).reshape(seen.shape)
        found: np.ndarray = seen + self._height[:, None, None] + errors.cell * self._scale * cells
        return found
