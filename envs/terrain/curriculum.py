"""The difficulty of each episode: drawn from an interval, or following the success of the episodes before [ours]."""

from __future__ import annotations

import numpy as np

STEP = 0.05
"""By which a success raises the level and a fall lowers it."""
ENOUGH = 0.5
"""Share of the commanded way that an episode must have covered to count as a success."""


class Curriculum:
    """Difficulties of N environments. Arrays in `memory` are all of its state."""

    def __init__(self, count: int, interval: tuple[float, float], follows: bool) -> None:
        """`interval` lies in [0, 1]; `follows`: begin at its lower end, and draw from there to the level reached."""
        self._interval, self._follows = interval, follows
        self.level = np.full(count, interval[0] if follows else interval[1], float)
        """(N,): the greatest difficulty that is drawn."""
        self.difficulty = np.zeros(count)
        """(N,): of the episodes under way."""
        self.memory = {"curriculum/level": self.level, "curriculum/difficulty": self.difficulty}

    def draw(self, index: int, random: np.random.Generator) -> float:
        """The difficulty of a new episode of environment `index`."""
        self.difficulty[index] = random.uniform(self._interval[0], self.level[index])
        return float(self.difficulty[index])

    def judge(self, ended: np.ndarray, success: np.ndarray, share: np.ndarray) -> None:
        """Learn from episodes `ended` (N,) bool: `success` (N,) bool, and the `share` (N,) of their way."""
        if not self._follows:
            return
        change = np.where(success & (share >= ENOUGH), STEP, np.where(success, 0.0, -STEP))
        self.level[ended] = np.clip(self.level + change, *self._interval)[ended]
