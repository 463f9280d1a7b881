"""Frozen tasks, and which of them each of N environments plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spreeze.environment import Tasks

Split = Literal["train", "test"]


@dataclass(frozen=True)
class FamilyOptions:
    """What can be chosen about a family of tasks."""

    tasks: Split = "train"
    """Of which tasks an episode's is drawn when an algorithm names none: those to learn from, or those held out."""


@dataclass(frozen=True)
class TaskList:
    """The tasks of a family, as numbers: rows (K, ...), those to learn from first, then `test` held out."""

    values: np.ndarray
    test: int
    episode_steps: int

    @property
    def counts(self) -> Tasks:
        """As algorithms are told."""
        return Tasks(len(self.values) - self.test, self.test, self.episode_steps)

    def of(self, split: Split) -> range:
        """The numbers of the tasks of a split."""
        return range(self.counts.train) if split == "train" else self.counts.held_out


class Assignment:
    """The task of each of N environments: one that was given, or one drawn for every episode."""

    def __init__(self, tasks: TaskList, split: Split, count: int) -> None:
        self._tasks, self._drawn = tasks, tasks.of(split)
        self.number = np.zeros(count, np.int64)
        """(N,)."""
        self.given = np.zeros(count, bool)
        self.values = np.repeat(tasks.values[:1], count, axis=0)
        """(N, ...): what the tasks are; changed in place."""

    def give(self, task: np.ndarray) -> None:
        """Environment n plays task[n] from its next episode on.

        Raises:
            ValueError: there is no such task, or not one for each environment.
        """
        count, known = len(self.number), len(self._tasks.values)
        if np.shape(task) != (count,) or not ((np.asarray(task) >= 0) & (np.asarray(task) < known)).all():
            raise ValueError(f"tasks {task}: give one of 0 to {known - 1} for each of {count} environments")
        self.number[:], self.given[:] = task, True
        self._follow()

    def draw(self, index: int, random: np.random.Generator) -> None:
        """Let environment `index` play a task of the split, unless it was given one."""
        if not self.given[index]:
            self.number[index] = random.integers(self._drawn.start, self._drawn.stop)
            self.values[index] = self._tasks.values[self.number[index]]

    def restore(self, number: np.ndarray, given: np.ndarray) -> None:
        """Go on with what was saved."""
        self.number[:], self.given[:] = number, given
        self._follow()

    def _follow(self) -> None:
        self.values[...] = self._tasks.values[self.number]


def half_circle(count: int, radius: float, seed: int) -> np.ndarray:
    """Goals (count, 2) evenly spaced over the upper half circle, shuffled by NumPy's frozen generator of that seed."""
    angles = np.linspace(0, np.pi, count)
    goals = radius * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    np.random.RandomState(seed).shuffle(goals)
    return goals


def evenly_drawn(count: int, low: float, high: float, seed: int) -> np.ndarray:
    """Numbers (count,) uniform in [low, high), by NumPy's frozen generator of that seed."""
    return np.random.RandomState(seed).uniform(low, high, count)
