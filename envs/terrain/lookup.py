"""Questions to the terrains of N simulations: which boxes are near, how high is the ground, what does a ray meet.

`_native` answers the same in C. Legend: N simulations, B boxes (`shapes.py`; rows beyond a terrain's count are empty),
P points, R rays, C capsules, K boxes asked for. Lengths in m, float64.
"""

from __future__ import annotations

import numpy as np

from spreeze.envs.terrain.shapes import COLUMNS

EMPTY = np.array([1e6, 1e6, 0, 0, -1e6, -1e6])
"""A box that is nowhere."""


class Terrains:
    """The boxes of N terrains."""

    def __init__(self, count: int, most: int) -> None:
        """Keep up to `most` boxes of each."""
        self.boxes = np.tile(EMPTY, (count, most, 1))
        """(N, B, 6)"""
        self.sizes = np.zeros(count, np.int64)
        """(N,): how many of them there are."""

    def lay(self, index: int, boxes: np.ndarray) -> None:
        """Give simulation `index` the terrain `boxes` (B', 6).

        Raises:
            ValueError: there are more than can be kept.
        """
        most = self.boxes.shape[1]
        if len(boxes) > most or boxes.shape[1:] != (COLUMNS,):
            raise ValueError(f"a terrain of shape {boxes.shape} does not fit ({most}, {COLUMNS})")
        self.boxes[index] = EMPTY
        self.boxes[index, : len(boxes)] = boxes
        self.sizes[index] = len(boxes)

    def nearest(self, places: np.ndarray, amount: int) -> np.ndarray:
        """(N, K, 6): of every terrain the `amount` boxes nearest to places (N, 2), nearest first, then `EMPTY`."""
        low, high = self.boxes[:, :, [0, 2]], self.boxes[:, :, [1, 3]]
        place = places[:, None]
        away = np.maximum(np.maximum(low - place, place - high), 0)
        order = np.argsort((away**2).sum(axis=2), axis=1, kind="stable")[:, :amount]
        found: np.ndarray = np.take_along_axis(self.boxes, order[:, :, None], axis=1)
        return found

    def heights(self, points: np.ndarray) -> np.ndarray:
        """(N, P): of the ground at points (N, P, 2)."""
        heights = np.zeros(points.shape[:2])
        for n, size in enumerate(self.sizes.tolist()):
            x, y = points[n, :, :1], points[n, :, 1:]
            boxes = self.boxes[n, :size]
            inside = (x >= boxes[:, 0]) & (x < boxes[:, 1]) & (y >= boxes[:, 2]) & (y < boxes[:, 3])
            top = boxes[:, 4] + _slope(boxes) * (x - boxes[:, 0])
            heights[n] = np.where(inside, top, 0).max(axis=1, initial=0)
        return heights

    def rays(
        self, origins: np.ndarray, rotations: np.ndarray, rays: np.ndarray, capsules: np.ndarray, farthest: float
    ) -> np.ndarray:
        """(N, R): least t in [0, farthest] with origin + t rotation ray in the ground or a capsule, or `farthest`.

        Args:
            origins: (N, 3).
            rotations: (N, 3, 3), from the frame of the rays to the world.
            rays: (R, 3), of any length.
            capsules: (N, C, 7): from, to, radius. One that holds the origin is not seen.
            farthest: Greatest t.
        """
        found = np.full((len(origins), len(rays)), farthest)
        for n, size in enumerate(self.sizes.tolist()):
            directions = rays @ rotations[n].T
            found[n] = _ground(found[n], origins[n], directions, self.boxes[n, :size])
            for capsule in capsules[n]:
                found[n] = np.minimum(found[n], _capsule(origins[n], directions, capsule))
        return found


def _slope(boxes: np.ndarray) -> np.ndarray:
    found: np.ndarray = (boxes[:, 5] - boxes[:, 4]) / (boxes[:, 1] - boxes[:, 0])
    return found


def _ground(farthest: np.ndarray, origin: np.ndarray, directions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Level ground at height 0, and columns that stand on it: half spaces a + b t <= 0, five of them for each."""
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = -origin[2] / directions[:, 2]
    floor = np.where(directions[:, 2] < 0, np.maximum(floor, 0), np.inf)
    x, y, z = (directions[:, i, None] for i in range(3))
    slope = _slope(boxes)
    ahead = origin[0] - boxes[:, 0]
    offsets = np.stack([-ahead, origin[0] - boxes[:, 1], boxes[:, 2] - origin[1], origin[1] - boxes[:, 3],
                        origin[2] - boxes[:, 4] - slope * ahead])  # fmt: skip
    level = np.zeros_like(slope)
    rates = np.stack([-x + level, x + level, -y + level, y + level, z - slope * x])
    enter, leave = _within(offsets[:, None], rates)
    enter = np.maximum(enter, 0)
    met = np.where(enter <= leave, enter, np.inf).min(axis=1, initial=np.inf)
    found: np.ndarray = np.minimum(farthest, np.minimum(floor, met))
    return found


def _within(offsets: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of t in which offsets + rates t <= 0 holds for all of the first axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = -offsets / rates
    enter = np.where(rates < 0, t, np.where((rates == 0) & (offsets > 0), np.inf, -np.inf)).max(axis=0)
    leave = np.where(rates > 0, t, np.inf).min(axis=0)
    return enter, leave


def _capsule(origin: np.ndarray, directions: np.ndarray, capsule: np.ndarray) -> np.ndarray:
    """(R,): first t at which the surface of a capsule is met from outside, or infinity."""
    start, radius = capsule[:3], capsule[6]
    axis, from_start = capsule[3:6] - start, origin - start
    length = axis @ axis
    along, at = directions @ axis, from_start @ axis
    if _holds(from_start, axis, length, at, radius):
        return np.full(len(directions), np.inf)
    # Distance to the axis, times its length: (d d - (d.u)^2) t^2 + 2 ((o.d) - (o.u)(d.u)) t + o o - (o.u)^2 = r^2.
    square = (directions**2).sum(axis=1)
    t = _first_root(
        square * length - along**2, (directions @ from_start) * length - at * along,
        (from_start @ from_start - radius**2) * length - at**2,
    )  # fmt: skip
    share = at + t * along
    ends = [
        _first_root(square, directions @ (origin - end), (origin - end) @ (origin - end) - radius**2)
        for end in (start, capsule[3:6])
    ]
    return np.where((share > 0) & (share < length), t, np.minimum(*ends))


def _holds(from_start: np.ndarray, axis: np.ndarray, length: float, at: float, radius: float) -> bool:
    """Whether the origin is within the capsule, from which nothing of it is seen."""
    away = from_start - axis * np.clip(at / length, 0, 1) if length > 0 else from_start
    return bool(away @ away < radius**2)


def _first_root(a: np.ndarray, b: np.ndarray, c: float) -> np.ndarray:
    """The first t >= 0 at which a t^2 + 2 b t + c = 0 is entered from above, or infinity."""
    inner = b * b - a * c
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (-b - np.sqrt(inner)) / a
    return np.where((inner >= 0) & (a > 0) & (t >= 0), t, np.inf)
