"""The periodic clock that a policy steps to: a phase, and by how much each foot is ahead of it.

A foot is on the ground in the first half of its period and swings in the second [R]. A learned clock is sped up or
slowed, and its feet are shifted, by three more actions; those of 0 leave the clock as it is. The authors' range of the
speed, from 0.5 to 1.0 of the nominal one with 0.75 in the middle [R], is moved to 0.5 to 1.5 for that [ours].
"""

from __future__ import annotations

import numpy as np

ACTIONS = 3
FASTER = 0.5
"""By which share of the nominal speed the greatest action speeds the clock up, and the least slows it down."""
SHIFT = 0.5
"""By which the greatest action shifts a foot, in periods. [R]"""
APART = np.array([0.0, 0.5])
"""Of the left and the right foot, without a shift, in periods."""
EDGE = 0.1
"""Duration of each change between stance and swing, in periods. [R]"""


class Clock:
    """Of N robots. Arrays in `memory` are all of its state."""

    def __init__(self, count: int, period: float, step: float) -> None:
        """`period` and `step`, of a decision, in s."""
        self._rate = step / period
        self.phase = np.zeros(count)
        """(N,) in [0, 1)."""
        self.shift = np.zeros((count, 2))
        """(N, 2), of left and right [periods]."""
        self.memory = {"clock/phase": self.phase, "clock/shift": self.shift}

    def begin(self, index: int, random: np.random.Generator) -> None:
        """Begin anywhere in the period."""
        self.phase[index], self.shift[index] = random.uniform(), 0

    def advance(self, actions: np.ndarray | None, going: np.ndarray) -> None:
        """Go on by a decision, with actions (N, 3) in [-1, 1] of a learned clock, where `going` (N,)."""
        rate = np.full(len(self.phase), self._rate)
        if actions is not None:
            rate *= 1 + FASTER * actions[:, 0]
            self.shift[going] = SHIFT * actions[going, 1:]
        self.phase[going] = (self.phase[going] + rate[going]) % 1.0

    @property
    def feet(self) -> np.ndarray:
        """(N, 2) in [0, 1): the phase of each foot."""
        found: np.ndarray = (self.phase[:, None] + APART + self.shift) % 1.0
        return found

    def signals(self) -> np.ndarray:
        """(N, 4): sine and cosine for the left foot, then for the right one."""
        angle = 2 * np.pi * self.feet
        return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(-1, 4)

    def swing(self) -> np.ndarray:
        """(N, 2): 1 where a foot is to swing, 0 where it is to stand, linear in between."""
        away = np.abs(self.feet - 0.75)
        away = np.minimum(away, 1 - away)
        found: np.ndarray = np.clip((0.25 - away) / EDGE + 0.5, 0, 1)
        return found
