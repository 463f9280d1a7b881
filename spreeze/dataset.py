"""Logged experience as algorithms see it: a dataset by name, opened lazily, with the scores it is measured against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Episode(NamedTuple):
    """One logged episode of T steps, in the order it happened."""

    observation: np.ndarray
    """(T + 1, ...) float32, the final one included."""
    action: np.ndarray
    """(T, A) float32 in [-1, 1], as policies choose them; (T,) int64 for a discrete space."""
    reward: np.ndarray
    """(T,) float32."""
    terminated: np.ndarray
    """(T,) bool; only the last may be set. An episode whose last step is not terminated was truncated or cut."""


@dataclass(frozen=True)
class Reference:
    """The returns that count as 0 and as 100."""

    minimum: float
    maximum: float
    source: str
    """Where both come from."""

    def score(self, value: float) -> float:
        """100 (value - minimum) / (maximum - minimum) of a return."""
        return 100 * (value - self.minimum) / (self.maximum - self.minimum)


@dataclass(frozen=True)
class Dataset:
    """A dataset that can be read; making one reads its description, not its rows."""

    name: str
    """`hopper/medium-replay-v0`, or the path of a file."""
    environment: str
    """Gymnasium id of the environment that it was recorded in, version included."""
    kind: str
    """random, medium, medium-replay, expert, medium-expert, or "" where unknown."""
    digest: str
    """SHA-256 of its data, in hexadecimal."""
    steps: int
    """Transitions of all episodes."""
    reference: Reference | None
    episodes: Callable[[], Iterable[Episode]]
    """Read every episode; raises `DatasetError` where the data are damaged."""

    def describe(self) -> str:
        """One line: what it is, and which returns count as 0 and as 100."""
        scale = "no reference scores"
        if self.reference is not None:
            low, high, source = self.reference.minimum, self.reference.maximum, self.reference.source
            scale = f"scores: 0 = {low:.1f}, 100 = {high:.1f} ({source})"
        return f"dataset {self.name}: {self.environment}, {self.steps:,} steps, SHA-256 {self.digest[:12]}; {scale}"
