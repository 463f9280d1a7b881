"""The terrains' answers in C: `terrain.c`, compiled on first use; without a compiler `lookup.py` gives them."""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from spreeze.compiling import DISABLE, compiled, compiler
from spreeze.envs.terrain import noise
from spreeze.envs.terrain.lookup import EMPTY, Terrains

SOURCE = Path(__file__).with_name("terrain.c")


class NativeTerrains(Terrains):
    """`Terrains` whose answers come from the library."""

    def __init__(self, library: ctypes.CDLL, count: int, most: int) -> None:
        super().__init__(count, most)
        self._library = library

    def nearest(self, places: np.ndarray, amount: int) -> np.ndarray:
        """As `Terrains` says."""
        places = _checked(places, (len(self.sizes), 2))
        found = np.tile(EMPTY, (len(self.sizes), amount, 1))
        self._library.terrain_nearest(*self._own(), ctypes.c_int64(amount), _pointer(places), _pointer(found))
        return found

    def heights(self, points: np.ndarray) -> np.ndarray:
        """As `Terrains` says."""
        points = _checked(points, (len(self.sizes), points.shape[1], 2))
        found = np.empty(points.shape[:2])
        self._library.terrain_heights(*self._own(), ctypes.c_int64(points.shape[1]), _pointer(points), _pointer(found))
        return found

    def rays(
        self, origins: np.ndarray, rotations: np.ndarray, rays: np.ndarray, capsules: np.ndarray, farthest: float
    ) -> np.ndarray:
        """As `Terrains` says."""
        count = len(self.sizes)
        origins, rotations = _checked(origins, (count, 3)), _checked(rotations, (count, 3, 3))
        rays, capsules = _checked(rays, (len(rays), 3)), _checked(capsules, (count, capsules.shape[1], 7))
        found = np.empty((count, len(rays)))
        failed = self._library.terrain_rays(
            *self._own(), ctypes.c_int64(len(rays)), _pointer(origins), _pointer(rotations), _pointer(rays),
            ctypes.c_int64(capsules.shape[1]), _pointer(capsules), ctypes.c_double(farthest), _pointer(found),
        )  # fmt: skip
        if failed:
            raise MemoryError(f"no memory for {len(rays)} rays")
        return found

    def _own(self) -> tuple[object, ...]:
        count, most, _ = self.boxes.shape
        return ctypes.c_int64(count), ctypes.c_int64(most), _pointer(self.boxes), _pointer(self.sizes)


def terrains(count: int, most: int) -> Terrains:
    """Return the terrains of `count` simulations, from the library where there is one."""
    found = library()
    return Terrains(count, most) if found is None else NativeTerrains(found, count, most)


def wrong_depth(
    depth: np.ndarray, keys: np.ndarray, counts: np.ndarray, deviation: float, pixels: float, farthest: float
) -> np.ndarray:
    """As `noise.wrong_depth` says."""
    native = library()
    if native is None:
        return noise.wrong_depth(depth, keys, counts, deviation, pixels, farthest)
    count, height, width = depth.shape
    depth, streams = _checked(depth, depth.shape), np.array([noise.DEPTH, noise.ROW, noise.COLUMN])
    keys, counts = (np.ascontiguousarray(numbers, np.int64) for numbers in (keys, counts))
    found = np.empty(depth.shape)
    native.terrain_wrong_depth(
        *map(ctypes.c_int64, (count, height, width)), *map(_pointer, (keys, counts, streams)),
        *map(ctypes.c_double, (deviation, pixels, farthest)), _pointer(depth), _pointer(found),
    )  # fmt: skip
    return found


@cache
def library() -> ctypes.CDLL | None:
    """The compiled library; None where it cannot be made."""
    if os.environ.get(DISABLE) or compiler() is None:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        return ctypes.CDLL(str(compiled([SOURCE], ["-O3", "-fno-math-errno", "-lm"])))
    return None


def _checked(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    assert array.shape == shape, f"an array of shape {array.shape} where {shape} is needed"
    return np.ascontiguousarray(array, np.float64)


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
