"""Terrains as boxes: a pure function of kind, stage, difficulty and a generator.

A box is a row (6,): x from, x to, y from, y to, height of its top at the first x and at the last [m]. Its top is a
plane that rises along x; it reaches down without end, and between boxes the ground is at height 0. The robot begins
at the origin, facing +x. Boxes of one terrain do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from spreeze.envs.terrain import ranges
from spreeze.envs.terrain.ranges import HALF_WIDTH, LENGTH, LEVEL, Kind, Stage

COLUMNS = 6
_TRIES = 3 * ranges.BLOCKS
"""Blocks drawn at most; those that meet another one are left out, as in the authors' code."""


def make_terrain(
    kind: Kind, stage: Stage, difficulty: float, random: np.random.Generator, scale: float = 1.0, spatial: bool = False
) -> np.ndarray:
    """Return the boxes (B, 6) of a terrain, sorted by their first x.

    Args:
        kind: What stands there.
        stage: Whose ranges count. Those of `easy` and `hard` fix heights; the rest is as at difficulty 0 or 1.
        difficulty: From 0 to 1, of `train`.
        random: What is drawn, in every detail, is drawn from it.
        scale: By which all lengths are multiplied.
        spatial: For a robot that can turn: blocks are scattered in two dimensions, all else is `HALF_WIDTH` wide.
    """
    difficulty = {"train": difficulty, "easy": 0.0, "hard": 1.0}[stage]
    rows = np.array(list(_SHAPES[kind](stage, difficulty, random, spatial)), float).reshape(-1, COLUMNS)
    return rows[np.argsort(rows[:, 0], kind="stable")] * scale


def _across(begin: float, end: float, first: float, last: float | None = None) -> list[float]:
    """A box over the whole width."""
    return [begin, end, -HALF_WIDTH, HALF_WIDTH, first, first if last is None else last]


def _flat(stage: Stage, difficulty: float, random: np.random.Generator, spatial: bool) -> Iterator[list[float]]:
    yield from ()


def _hills(stage: Stage, difficulty: float, random: np.random.Generator, spatial: bool) -> Iterator[list[float]]:
    """Perlin noise along x, straight between points, rising from 0 where the robot begins."""
    period = ranges.HILL_LENGTH.draw(difficulty, random)
    places = np.arange(LEVEL, LENGTH, ranges.HILL_SEGMENT)
    noise = perlin((places - LEVEL) / period, random)
    height = ranges.HILL_HEIGHT[stage].draw(difficulty, random)
    tops = (noise - noise.min()) * height / np.ptp(noise)
    tops[:] *= np.clip((places - LEVEL) / period, 0, 1)
    for i in range(len(places) - 1):
        yield _across(places[i], places[i + 1], tops[i], tops[i + 1])


def perlin(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(P,): gradient noise at x (P,) >= 0, in periods, with slopes in [-1, 1] at whole numbers."""
    slopes = random.uniform(-1, 1, int(np.floor(x.max())) + 2)
    cell = np.floor(x).astype(int)
    t = x - cell
    fade = t**3 * (t * (6 * t - 15) + 10)
    before, after = slopes[cell] * t, slopes[cell + 1] * (t - 1)
    found: np.ndarray = before + fade * (after - before)
    return found


def _ridges(stage: Stage, difficulty: float, random: np.random.Generator, spatial: bool) -> Iterator[list[float]]:
    begin = ranges.RIDGE_FIRST.draw(difficulty, random)
    while begin < LENGTH:
        end = begin + ranges.RIDGE_WIDTH.draw(difficulty, random)
        yield _across(begin, end, ranges.RIDGE_HEIGHT[stage].draw(difficulty, random))
        begin = end + ranges.RIDGE_GAP.draw(difficulty, random)


def _stairs(stage: Stage, difficulty: float, random: np.random.Generator, spatial: bool) -> Iterator[list[float]]:
    begin = ranges.STAIR_GAP.draw(difficulty, random)
    while begin < LENGTH:
        for row in _cluster(begin, stage, difficulty, random):
            yield row
            begin = row[1]
        begin += ranges.STAIR_GAP.draw(difficulty, random)


def _cluster(begin: float, stage: Stage, difficulty: float, random: np.random.Generator) -> Iterator[list[float]]:
    """Stairs up and down again, all steps of one rise and one run."""
    half = int(ranges.STAIR_STEPS.draw(difficulty, random)) // 2
    rise = ranges.STAIR_RISE[stage].draw(difficulty, random)
    run = ranges.STAIR_RUN.draw(difficulty, random)
    peak = ranges.STAIR_PEAK.draw(difficulty, random)
    runs = np.full(2 * half - 1, run)
    runs[half - 1] += peak
    runs[half:] += ranges.STAIR_DOWN
    for index, length in enumerate(runs.tolist()):
        yield _across(begin, begin + length, (half - abs(index + 1 - half)) * rise)
        begin += length


def _blocks(stage: Stage, difficulty: float, random: np.random.Generator, spatial: bool) -> Iterator[list[float]]:
    shape = _scattered_blocks if spatial else _strip_of_blocks
    yield from shape(stage, difficulty, random)


def _strip_of_blocks(stage: Stage, difficulty: float, random: np.random.Generator) -> Iterator[list[float]]:
    begin = LEVEL + ranges.BLOCK_GAP.draw(difficulty, random)
    while begin < LENGTH:
        end = begin + ranges.BLOCK_SIDE.draw(difficulty, random)
        yield _across(begin, end, ranges.BLOCK_HEIGHT[stage].draw(difficulty, random))
        begin = end + ranges.BLOCK_GAP.draw(difficulty, random)


def _scattered_blocks(stage: Stage, difficulty: float, random: np.random.Generator) -> Iterator[list[float]]:
    """Rectangles within `HALF_WIDTH` of the middle; those that meet an earlier one or the start are left out."""
    middles = random.uniform(-HALF_WIDTH, HALF_WIDTH, (_TRIES, 2))
    halves = random.uniform(*ranges.BLOCK_SIDE.at(difficulty), (_TRIES, 2)) / 2
    tops = random.uniform(*ranges.BLOCK_HEIGHT[stage].at(difficulty), _TRIES)
    taken = np.all(np.abs(middles) - halves < LEVEL, axis=1)
    count = 0
    for index, ((x, y), (half_x, half_y)) in enumerate(zip(middles.tolist(), halves.tolist(), strict=True)):
        if not taken[index] and count < ranges.BLOCKS:
            taken = taken | np.all(np.abs(middles - middles[index]) < halves + halves[index], axis=1)
            count += 1
            yield [x - half_x, x + half_x, y - half_y, y + half_y, tops[index], tops[index]]


_SHAPES: dict[Kind, Callable[[Stage, float, np.random.Generator, bool], Iterator[list[float]]]] = {
    "flat": _flat,
    "hills": _hills,
    "ridges": _ridges,
    "stairs": _stairs,
    "blocks": _blocks,
}
