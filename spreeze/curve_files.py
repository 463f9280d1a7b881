"""Curves as CSV: every evaluation, and what the seeds of a group are together."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from spreeze.curves import Axis, Curve, groups_of, line, together

POINT_COLUMNS = (
    "label", "environment", "seed", "metric", "seconds", "env_steps", "updates", "value", "lowest", "highest",
    "episodes",
)  # fmt: skip
GROUP_COLUMNS = ("label", "environment", "seeds", "metric", "axis", "x", "iqm", "low", "high")


def write_points(curves: Iterable[Curve], metric: str, path: Path) -> None:
    """Write one line for each evaluation of each curve; unknown values stay empty."""
    write(path, POINT_COLUMNS, (
        (curve.label, curve.environment, curve.seed, metric, p.seconds, p.env_steps, p.updates,
         p.value, p.lowest, p.highest, p.episodes)
        for curve in curves
        for p in curve.points
    ))  # fmt: skip


def write_groups(curves: Iterable[Curve], axes: Sequence[Axis], metric: str, path: Path) -> None:
    """Write one line for each moment of each group: its interquartile mean and the ends of its interval, if any."""
    write(path, GROUP_COLUMNS, (
        (group[0].label, group[0].environment, len(group), metric, axis.name, *row)
        for group in groups_of(curves)
        for axis in axes
        for row in band_rows([line(curve, axis) for curve in group])
    ))  # fmt: skip


def band_rows(lines: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """x, interquartile mean, low and high end of a group at every moment of its grid."""
    band = together(lines)
    if band.low is None or band.high is None:
        return ((x, value, None, None) for x, value in zip(band.x.tolist(), band.value.tolist(), strict=True))
    parts = (part.tolist() for part in (band.x, band.value, band.low, band.high))
    return zip(*parts, strict=True)


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; None stays empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
