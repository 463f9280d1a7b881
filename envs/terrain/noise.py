"""Random numbers that are a function of a key, a counter and a place, so that nothing but counters need be saved.

Each of N simulations has a key, drawn when its episode begins, and counts its decisions. The numbers are those of
SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) at the sum of these, so they depend on no other simulation.
"""

from __future__ import annotations

import numpy as np

_GOLDEN, _FIRST, _SECOND = (np.uint64(word) for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_STREAM, _COUNT = np.uint64(0xD1B54A32D192ED03), np.uint64(0x8CB92BA72F3D8DD7)
"""Odd numbers far apart: of what is drawn, and of the decision."""


def draw_key(random: np.random.Generator) -> int:
    """A key, below 2^63."""
    return int(random.integers(2**63))


def words(keys: np.ndarray, counts: np.ndarray, stream: int, size: int) -> np.ndarray:
    """(N, size) uint64: for keys (N,), counts (N,) and the number of what they are for."""
    begin = keys.astype(np.uint64) + counts.astype(np.uint64) * _COUNT + np.array([stream], np.uint64) * _STREAM
    word = begin[:, None] + np.arange(1, size + 1, dtype=np.uint64) * _GOLDEN
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    found: np.ndarray = word ^ (word >> np.uint64(31))
    return found


def uniform(keys: np.ndarray, counts: np.ndarray, stream: int, size: int) -> np.ndarray:
    """(N, size): uniform in [-1, 1)."""
    found: np.ndarray = (words(keys, counts, stream, size) >> np.uint64(11)) * 2.0**-52 - 1.0
    return found


def normal(keys: np.ndarray, counts: np.ndarray, stream: int, size: int) -> np.ndarray:
    """(N, size): of mean 0 and deviation 1, within 3.5: the sum of four uniform ones."""
    quarters = words(keys, counts, stream, size).view(np.uint16).reshape(len(keys), size, 4)
    found: np.ndarray = (quarters.sum(axis=2, dtype=np.int64) / 65535.0 - 2.0) * np.sqrt(3.0)
    return found


def integers(keys: np.ndarray, counts: np.ndarray, stream: int, size: int, most: int) -> np.ndarray:
    """(N, size) int64: whole numbers from 0 to `most`."""
    found: np.ndarray = (words(keys, counts, stream, size) % np.uint64(most + 1)).astype(np.int64)
    return found


DEPTH, ROW, COLUMN = 3, 4, 5
"""Streams of `wrong_depth`."""


def wrong_depth(
    depth: np.ndarray, keys: np.ndarray, counts: np.ndarray, deviation: float, pixels: float, farthest: float
) -> np.ndarray:
    """Pictures (N, H, W) in which each pixel looks beside where it should, and errs.

    Args:
        depth: (N, H, W), true [m].
        keys: (N,)
        counts: (N,)
        deviation: Of what a pixel tells [m].
        pixels: Of where it looks, up and aside, in pixels; it is rounded.
        farthest: Greatest depth [m]; what is that far away is told exactly.
    """
    _, height, width = depth.shape
    up, aside = (
        np.rint(pixels * normal(keys, counts, stream, height * width)).astype(np.int64).reshape(depth.shape)
        for stream in (ROW, COLUMN)
    )
    row = np.clip(np.arange(height)[:, None] + up, 0, height - 1)
    column = np.clip(np.arange(width) + aside, 0, width - 1)
    moved = depth[np.arange(len(depth))[:, None, None], row, column]
    wrong = moved + deviation * normal(keys, counts, DEPTH, height * width).reshape(depth.shape)
    found: np.ndarray = np.where(moved < farthest, np.clip(wrong, 0, farthest), farthest)
    return found
