"""The actions that lead from the start of an episode to the present."""

from __future__ import annotations

import numpy as np

_FIRST_ROWS = 64


class ActionLog:
    """The actions of N environments since their episodes began.

    One row is written for each step of all environments. Rows older than the oldest running episode are given up, so
    memory is bounded by the longest episode.
    """

    def __init__(self, count: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._rows = np.zeros((_FIRST_ROWS, count, *shape), dtype)
        self._starts = [0] * count
        self._end = 0

    def append(self, actions: np.ndarray) -> None:
        """Write the actions (N, ...) of one step."""
        if self._end == len(self._rows):
            self._make_room()
        self._rows[self._end] = actions
        self._end += 1

    def begin(self, index: int) -> None:
        """Forget what environment `index` did so far: its next episode starts here."""
        self._starts[index] = self._end

    def length(self, index: int) -> int:
        """Steps since the episode of environment `index` began."""
        return self._end - self._starts[index]

    def of(self, index: int) -> np.ndarray:
        """Return the actions (T, ...) of environment `index` since its episode began, a view."""
        return self._rows[self._starts[index] : self._end, index]

    def state(self) -> dict[str, np.ndarray]:
        """Return `actions` (N, T, ...), padded with zeros, and `lengths` (N,)."""
        lengths = [self.length(index) for index in range(len(self._starts))]
        actions = np.zeros((len(lengths), max(lengths), *self._rows.shape[2:]), self._rows.dtype)
        for index, length in enumerate(lengths):
            actions[index, :length] = self.of(index)
        return {"actions": actions, "lengths": np.array(lengths, np.int64)}

    def load_state(self, actions: np.ndarray, lengths: np.ndarray) -> None:
        """Hold what the log that gave `actions` and `lengths` held."""
        self._end = actions.shape[1]
        self._starts = [self._end - int(length) for length in lengths]
        self._rows = np.zeros((max(_FIRST_ROWS, self._end), *self._rows.shape[1:]), self._rows.dtype)
        for index, start in enumerate(self._starts):
            self._rows[start : self._end, index] = actions[index, : self._end - start]

    def _make_room(self) -> None:
        oldest = min(self._starts)
        kept = self._rows[oldest : self._end]
        if 2 * len(kept) > len(self._rows):
            self._rows = np.zeros((2 * len(self._rows), *self._rows.shape[1:]), self._rows.dtype)
        self._rows[: len(kept)] = kept
        self._starts = [start - oldest for start in self._starts]
        self._end = len(kept)
