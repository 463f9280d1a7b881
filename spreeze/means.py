"""Means of metrics between two reports."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spreeze.contract import Metrics
from spreeze.errors import LearnerFault


class Totals(NamedTuple):
    """Sums of metrics over the updates of one call; those on the device are not read."""

    updates: int
    counts: Mapping[str, int]
    """Of each metric, how many of the updates gave it."""
    floats: Mapping[str, float]
    names: tuple[str, ...]
    """Of the metrics in `sums`."""
    sums: Tensor | None
    """(M,) float32 on the device; None if there are none."""


def totals_of(found: Sequence[Metrics], device: torch.device) -> Totals:
    """The sums of what these updates gave, by few operations of `device` and without waiting for it."""
    tensors, floats, counts = dict[str, list[Tensor]](), dict[str, float](), dict[str, int]()
    for name, value in chain.from_iterable(metrics.items() for metrics in found):
        counts[name] = counts.get(name, 0) + 1
        if isinstance(value, Tensor) and value.device.type == device.type:
            tensors.setdefault(name, []).append(value.detach().reshape(()).float())
        else:
            floats[name] = floats.get(name, 0.0) + float(value)
    return Totals(len(found), counts, floats, tuple(tensors), _sums(list(tensors.values())))


def _sums(values: Sequence[Sequence[Tensor]]) -> Tensor | None:
    if not values:
        return None
    pieces = torch.stack(list(chain.from_iterable(values))).split([len(several) for several in values])
    return torch.stack([piece.sum() for piece in pieces])


class MetricMeans:
    """Means of metrics since the last report, each over the updates that gave it; tensors are read only then."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._stacks: dict[tuple[str, ...], Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Metrics) -> None:
        """Account one update.

        Raises:
            LearnerFault: a number that is on the CPU is not finite; those of other devices are read by `report`.
        """
        for name, value in metrics.items():
            if isinstance(value, Tensor):
                value = value.detach() if value.device.type != "cpu" else value.item()
            if not isinstance(value, Tensor) and not math.isfinite(value):
                raise LearnerFault(f"NaN or infinity in {name}")
            self._add(name, value, 1)

    def add_totals(self, totals: Totals) -> None:
        """Account the updates of one call; `totals.sums` may be overwritten afterwards."""
        for name, count in totals.counts.items():
            self._add(name, totals.floats.get(name, 0.0), count)
        if totals.sums is None:
            return
        if totals.names in self._stacks:
            self._stacks[totals.names] += totals.sums
        else:
            self._stacks[totals.names] = totals.sums.clone()

    def _add(self, name: str, value: Tensor | float, count: int) -> None:
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + count

    def report(self) -> dict[str, float]:
        """Return the means and begin anew.

        Raises:
            LearnerFault: one of them is not finite.
        """
        sums = {name: float(total) for name, total in self._sums.items()}
        for names, stack in self._stacks.items():
            for name, total in zip(names, stack.tolist(), strict=True):
                sums[name] += total
        means = {name: total / self._counts[name] for name, total in sums.items()}
        bad = [name for name, mean in means.items() if not np.isfinite(mean)]
        if bad:
            raise LearnerFault(f"NaN or infinity in {', '.join(bad)}")
        self._sums, self._stacks, self._counts = {}, {}, {}
        return means
