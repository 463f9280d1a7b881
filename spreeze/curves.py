"""Curves of runs: read from run folders, named, smoothed, and brought to a common grid where seeds are put together."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spreeze.errors import RunFolderError
from spreeze.registry import environment_id
from spreeze.statistics import LEAST_SEEDS, iqm, resampled

RETURN = "return"
"""The metric that evaluations measure; others are tags of TensorBoard."""
GRID, RESAMPLES, PIECE = 500, 2000, 50
"""Most moments of a group's line, resamples of its band, and moments whose resamples are in memory together."""


@dataclass(frozen=True)
class Point:
    """One evaluation, or one value of a metric. What a source of curves does not tell is None."""

    seconds: float
    """Wall clock since the run began."""
    env_steps: int | None
    value: float
    """Undiscounted return, the mean over the episodes of this evaluation; or the metric."""
    updates: int | None = None
    lowest: float | None = None
    """Of the episodes."""
    highest: float | None = None
    episodes: int | None = None


@dataclass(frozen=True)
class Curve:
    """One run, in order of time."""

    label: str
    environment: str
    seed: int
    points: tuple[Point, ...]


Line = tuple[np.ndarray, np.ndarray]
"""x (K,) ascending and y (K,) of one run."""


@dataclass(frozen=True)
class Band:
    """Seeds put together: their interquartile mean (K,), and the ends of its interval if there are enough of them."""

    x: np.ndarray
    value: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class Axis:
    """What a curve is drawn against."""

    name: str
    label: str
    of: Callable[[Point], float | None]
    log: bool | None = False
    """Whether its scale is logarithmic; None: where the longest run is far longer than the shortest."""


AXES: Mapping[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("seconds", "wall clock", lambda point: point.seconds),
        Axis("steps", "environment steps", lambda point: point.env_steps, None),
        Axis("updates", "updates of the learner", lambda point: point.updates, None),
    )
}


def read_curve(run: Path) -> Curve:
    """Return the curve that a run folder's `summary.json` holds; one without points if it was never evaluated.

    Raises:
        RunFolderError: there is no summary, or it cannot be read.
    """
    path = run / "summary.json"
    try:
        return curve_of(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError) as error:
        remedy = "name the folder of a run that has made its first checkpoint"
        raise RunFolderError(f"'{run}' holds no summary.json; {remedy}") from error
    except OSError as error:
        raise RunFolderError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise RunFolderError(f"'{path}' is damaged or no summary of a run ({detail})") from error


def curve_of(summary: Mapping[str, Any]) -> Curve:
    """Return the curve that a summary describes."""
    dataset = summary.get("dataset")
    source = f" from {dataset['name']}" if dataset else ""
    label = summary.get("label") or f"{summary['algorithm']}{source}"
    points = (point_of(evaluation) for evaluation in summary["evaluations"] if evaluation["returns"])
    ordered = tuple(sorted(points, key=lambda point: point.seconds))
    return Curve(str(label), environment_id(str(summary["environment"])), int(summary["seed"]), ordered)


def point_of(evaluation: Mapping[str, Any]) -> Point:
    """Return the point of one evaluation of a summary, which has at least one episode."""
    returns = np.asarray(evaluation["returns"], dtype=np.float64)  # (episodes,)
    updates = evaluation.get("updates")
    return Point(
        seconds=float(evaluation["seconds"]),
        env_steps=int(evaluation["env_steps"]),
        value=float(returns.mean()),
        updates=None if updates is None else int(updates),
        lowest=float(returns.min()),
        highest=float(returns.max()),
        episodes=returns.size,
    )


def smoothed(seconds: Sequence[float], values: Sequence[float], window_s: float) -> list[float]:
    """Return at each moment the mean of the values of the last `window_s` seconds, its own included.

    A window of time treats a side that evaluates often like one that does so rarely.
    """
    means = []
    for now in seconds:
        recent = [value for then, value in zip(seconds, values, strict=True) if now - window_s < then <= now]
        means.append(statistics.fmean(recent))
    return means


def smooth(curve: Curve, window_s: float) -> Curve:
    """`curve` with smoothed values; as it is with a window of 0."""
    if window_s <= 0:
        return curve
    means = smoothed([p.seconds for p in curve.points], [p.value for p in curve.points], window_s)
    return replace(curve, points=tuple(replace(p, value=m) for p, m in zip(curve.points, means, strict=True)))


def line(curve: Curve, axis: Axis) -> Line:
    """Return the values of a curve against an axis; points that do not know their place on it are left out."""
    known = ((place, p.value) for p in curve.points if (place := axis.of(p)) is not None)
    found = sorted(known, key=lambda pair: pair[0])
    x, y = np.array(found, np.float64).reshape(-1, 2).T
    return x, y


def on_common_grid(lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate lines linearly at every x at which one of them was measured and that all of them reach.

    Where these are more than `GRID`, at that many evenly spaced ones.

    Returns:
        The grid (K,) and the values (len(lines), K). K is 0 where the lines do not overlap.
    """
    if not all(x.size for x, _ in lines):
        return np.empty(0), np.empty((len(lines), 0))
    first, last = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    grid = np.unique(np.concatenate([x for x, _ in lines]))
    grid = grid[(grid >= first) & (grid <= last)]
    if grid.size > GRID:
        grid = np.linspace(first, last, GRID)
    return grid, np.stack([np.interp(grid, x, y) for x, y in lines])


def together(lines: Sequence[Line]) -> Band:
    """Return the interquartile mean of seeds and its interval, from the first to the last x that all of them reach.

    The same resamples of whole runs serve every x.
    """
    grid, values = on_common_grid(lines)
    if len(lines) < LEAST_SEEDS or not grid.size:
        return Band(grid, iqm(values[None])[0])
    pieces = np.array_split(values, math.ceil(grid.size / PIECE), axis=1)
    found = [resampled([piece], iqm, np.random.default_rng(0), RESAMPLES) for piece in pieces]
    return Band(grid, *(np.concatenate(part) for part in zip(*found, strict=True)))


def grouped(curves: Iterable[Curve], key: Callable[[Curve], str]) -> dict[str, list[Curve]]:
    """Return the curves by key, in order of first appearance."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(key(curve), []).append(curve)
    return groups


def groups_of(curves: Iterable[Curve]) -> list[list[Curve]]:
    """Return the curves that are seeds of one group: those with the same environment and label, by environment."""
    by_environment = grouped(curves, lambda curve: curve.environment).values()
    return [group for members in by_environment for group in grouped(members, lambda curve: curve.label).values()]


def heading(label: str, *seeds: int) -> str:
    """What a label is called in legends and tables, with the numbers of seeds of its groups."""
    least, most = min(seeds), max(seeds)
    count = f"{least} to {most}" if least < most else f"{most}"
    return f"{label} ({count} seed{'s' if most > 1 else ''})"
