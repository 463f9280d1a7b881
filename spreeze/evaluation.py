"""What is measured of a policy: returns, and how it adapted to tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from spreeze.environment import Sketch


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted returns and lengths of finished episodes, and what else the algorithm measures."""

    returns: Sequence[float]
    lengths: Sequence[int]
    metrics: Mapping[str, float] = field(default_factory=dict)


class Trail(NamedTuple):
    """One episode of N tasks side by side."""

    title: str
    """What the policy did in it, in a few words."""
    observation: np.ndarray
    """(T, N, O) or, with the final ones, (T + 1, N, O)."""
    reward: np.ndarray
    """(T, N)."""
    told: bool = True
    """Whether what is known of the task followed this episode."""


@dataclass(frozen=True)
class Adaptation:
    """How a policy adapted to N tasks that were held out."""

    task: np.ndarray
    """(N,) their numbers."""
    trails: Sequence[Trail]
    """The episodes, in order; the last is the one that counts."""
    belief: tuple[np.ndarray, np.ndarray] | None = None
    """Means and standard deviations (S + 1, N, Z) before, between and after the S steps of the trails that were told.
    None: what is known has no such form."""
    sketch: Sketch | None = None
    """How the family is drawn; None: it does not say."""
