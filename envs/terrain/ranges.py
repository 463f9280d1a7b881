"""How high, wide and far apart the obstacles of each kind of terrain are, for a robot whose base stands at 1 m.

[R]: read in the paper's table or in its authors' code of that time. [ours]: neither tells, or they are about the other
dimension. Every `Range` is drawn from uniformly; where it depends on the difficulty d in [0, 1], it goes from the
first pair at d = 0 to the second at d = 1.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["flat", "hills", "ridges", "stairs", "blocks"]
Stage = Literal["train", "easy", "hard"]
KINDS: tuple[Kind, ...] = ("flat", "hills", "ridges", "stairs", "blocks")

Pair = tuple[float, float]


class Range(NamedTuple):
    """Least and greatest value at difficulty 0, and at difficulty 1."""

    first: Pair
    last: Pair

    def at(self, difficulty: float) -> Pair:
        """Between the two."""
        low, high = (a + (b - a) * difficulty for a, b in zip(self.first, self.last, strict=True))
        return low, high

    def draw(self, difficulty: float, random: np.random.Generator) -> float:
        """One value."""
        return float(random.uniform(*self.at(difficulty)))


def always(low: float, high: float) -> Range:
    """The same at every difficulty."""
    return Range((low, high), (low, high))


RIDGE_HEIGHT: dict[Stage, Range] = {
    "train": Range((0.05, 0.4), (0.5, 0.6)),  # [R], code; the paper's table says 0.05 to 0.6 for all of training.
    "easy": always(0.05, 0.5),  # [R]
    "hard": always(0.5, 0.6),  # [R]
}
RIDGE_WIDTH = always(0.5, 1.0)  # [R]
RIDGE_GAP = always(1.5, 2.5)  # [R]
RIDGE_FIRST = always(0.6, 1.6)  # [ours]: from where the robot begins.

STAIR_RISE: dict[Stage, Range] = {
    "train": Range((0.05, 0.1), (0.1, 0.2)),  # [R]
    "easy": always(0.05, 0.1),  # [R]
    "hard": always(0.1, 0.2),  # [R]
}
STAIR_RUN = Range((0.4, 0.4), (0.25, 0.4))  # [R]
STAIR_STEPS = Range((4, 16), (4, 28))  # [R]: of one cluster, half of them up, half down.
STAIR_PEAK = always(0.0, 0.2)  # [R]: by which the step at the top is longer.
STAIR_DOWN = 0.1  # [R]: by which the steps are longer on the way down.
STAIR_GAP = always(0.6, 1.6)  # [ours]

BLOCK_HEIGHT: dict[Stage, Range] = {
    "train": Range((0.05, 0.2), (0.2, 0.4)),  # [R]
    "easy": always(0.05, 0.2),  # [ours]: the halves of what is trained on; the paper's numbers are unknown.
    "hard": always(0.2, 0.4),  # [ours]
}
BLOCK_SIDE = Range((1.0, 1.0), (0.4, 1.0))  # [R]
BLOCKS = 300  # [R]: in 20 m by 20 m, none over another.
BLOCK_GAP = always(0.2, 1.0)  # [ours]: between blocks of a planar robot's strip.

HILL_HEIGHT: dict[Stage, Range] = {
    "train": Range((0.1, 0.4), (0.4, 1.0)),  # [ours]: greatest less least; 1 m of [R] at the greatest difficulty.
    "easy": always(0.1, 0.5),  # [ours]
    "hard": always(0.5, 1.0),  # [ours]
}
HILL_LENGTH = always(2.0, 4.0)  # [R]: 20 m over 5 to 10 periods.
HILL_SEGMENT = 0.25  # [ours]: over which the ground is straight.

LENGTH = 16.0
"""Of a terrain, ahead of where the robot begins: more than 10 s take it [m]."""
HALF_WIDTH = 10.0
"""Of a terrain, for robots that turn [m]."""
LEVEL = 0.4
"""Around where the robot begins, level ground [m]."""
