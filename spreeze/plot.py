"""Return against wall clock and against environment steps, for several runs and seeds, as PNG and CSV."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spreeze.errors import RunFolderError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which colour-blind readers can tell apart; black and yellow are left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINE_STYLES = ("-", "--", "-.", ":")
LOG_AXIS_RATIO = 8.0
"""Steps are drawn on a logarithmic axis where the longest run made this many times the steps of the shortest."""
COLUMNS = (
    "label", "environment", "seed", "seconds", "env_steps", "updates", "mean_return", "min_return", "max_return",
    "episodes",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One evaluation. What a source of curves does not tell is None."""

    seconds: float
    """Wall clock since the run began."""
    env_steps: int
    mean_return: float
    """Undiscounted, over the episodes of this evaluation."""
    updates: int | None = None
    min_return: float | None = None
    max_return: float | None = None
    episodes: int | None = None


@dataclass(frozen=True)
class Curve:
    """The evaluations of one run, in order of time."""

    label: str
    environment: str
    seed: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class PlotFiles:
    """What was written, and a note for each run that was left out."""

    png: Path
    csv: Path
    notes: tuple[str, ...] = ()


Line = tuple[np.ndarray, np.ndarray]
"""x (K,) ascending and y (K,) of one run."""


def plot(runs: Sequence[Path], out: Path, title: str | None = None) -> PlotFiles:
    """Draw the evaluations of run folders to `out` with the suffixes .png and .csv.

    Runs with the same label (or algorithm) and environment are seeds of one group: a thin line each, their mean as
    a thick line and a band from the lowest to the highest. Each environment has its own pair of panels.

    Raises:
        RunFolderError: a folder holds no readable summary, no run has an evaluation, or `out` cannot be written.
    """
    curves = with_versions([read_curve(run) for run in runs])
    notes = tuple(f"{run}: no evaluations, left out" for run, c in zip(runs, curves, strict=True) if not c.points)
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        raise RunFolderError(f"nothing to draw: none of the {len(runs)} runs holds an evaluation")
    stem = out / "curves" if out.is_dir() else out.with_suffix("") if out.suffix in (".png", ".csv") else out
    files = PlotFiles(Path(f"{stem}.png"), Path(f"{stem}.csv"), notes)
    try:
        write_png(drawn, files.png, title)
        write_csv(drawn, files.csv)
    except OSError as error:
        raise RunFolderError(f"cannot write '{stem}' ({error.strerror or error}); name another file") from error
    return files


def read_curve(run: Path) -> Curve:
    """Return the curve that a run folder's `summary.json` holds; one without points if it was never evaluated.

    Raises:
        RunFolderError: there is no summary, or it cannot be read.
    """
    path = run / "summary.json"
    try:
        return curve_of(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunFolderError(f"'{run}' holds no summary.json; name the folder of a run that has ended") from error
    except OSError as error:
        raise RunFolderError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise RunFolderError(f"'{path}' is damaged or no summary of a run ({detail})") from error


def curve_of(summary: Mapping[str, Any]) -> Curve:
    """Return the curve that a summary describes."""
    label = summary.get("label") or summary["algorithm"]
    points = (point_of(evaluation) for evaluation in summary["evaluations"] if evaluation["returns"])
    ordered = tuple(sorted(points, key=lambda point: point.seconds))
    return Curve(str(label), str(summary["environment"]), int(summary["seed"]), ordered)


def point_of(evaluation: Mapping[str, Any]) -> Point:
    """Return the point of one evaluation of a summary, which has at least one episode."""
    returns = np.asarray(evaluation["returns"], dtype=np.float64)  # (episodes,)
    updates = evaluation.get("updates")
    return Point(
        seconds=float(evaluation["seconds"]),
        env_steps=int(evaluation["env_steps"]),
        mean_return=float(returns.mean()),
        updates=None if updates is None else int(updates),
        min_return=float(returns.min()),
        max_return=float(returns.max()),
        episodes=returns.size,
    )


def with_versions(curves: Sequence[Curve]) -> list[Curve]:
    """Rename a short environment, as `hopper`, like the versioned one among the others, as `Hopper-v5`."""
    stems = {name: re.sub(r"-v\d+$", "", name) for name in sorted(curve.environment for curve in curves)}
    full = {stem.lower(): name for name, stem in stems.items() if stem != name}
    return [replace(curve, environment=full.get(curve.environment, curve.environment)) for curve in curves]


def write_csv(curves: Iterable[Curve], path: Path) -> None:
    """Write one line for each evaluation of each curve; unknown values stay empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for curve in curves:
            for p in curve.points:
                progress = (p.seconds, p.env_steps, p.updates)
                scores = (p.mean_return, p.min_return, p.max_return, p.episodes)
                writer.writerow((curve.label, curve.environment, curve.seed, *progress, *scores))


def write_png(curves: Sequence[Curve], path: Path, title: str | None = None) -> None:
    """Draw curves, each with at least one point: a row of two panels for each environment."""
    from matplotlib.figure import Figure

    by_environment = grouped(curves, lambda curve: curve.environment)
    styles = line_styles(curves)
    figure = Figure(figsize=(11.0, 1.0 + 3.8 * len(by_environment)), dpi=130, layout="constrained")
    rows = figure.subplots(len(by_environment), 2, squeeze=False, sharey="row")
    legend: dict[str, Any] = {}
    for (environment, members), (left, right) in zip(by_environment.items(), rows, strict=True):
        draw_row(left, right, environment, members, styles)
        handles, texts = left.get_legend_handles_labels()
        legend |= dict(zip(texts, handles, strict=True))
    figure.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=2, frameon=False)
    if title:
        figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")


def draw_row(
    left: Axes, right: Axes, environment: str, curves: Sequence[Curve], styles: Mapping[str, tuple[str, str]]
) -> None:
    """Draw the curves of one environment against minutes on the left, against steps on the right."""
    for label, members in grouped(curves, lambda curve: curve.label).items():
        text = f"{label} ({len(members)} seed{'s' if len(members) > 1 else ''})"
        draw_group(left, [line(c, lambda p: p.seconds / 60.0) for c in members], styles[label], text)
        draw_group(right, [line(c, lambda p: float(p.env_steps)) for c in members], styles[label], text)
    left.set(xlabel="wall clock [min]", ylabel="return, mean of an evaluation", title=environment)
    right.set(xlabel="environment steps", title=environment)
    lengths = [max(curve.points[-1].env_steps, 1) for curve in curves]
    if max(lengths) > LOG_AXIS_RATIO * min(lengths):
        right.set_xscale("log", nonpositive="mask")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)


def draw_group(axes: Axes, lines: Sequence[Line], style: tuple[str, str], text: str) -> None:
    """Draw the seeds of one group: thin lines, their mean and their range; a single seed as one thick line."""
    colour, dashes = style
    marker = "o" if max(x.size for x, _ in lines) == 1 else ""
    if len(lines) == 1:
        axes.plot(*lines[0], color=colour, linestyle=dashes, linewidth=2.2, marker=marker, label=text)
        return
    for x, y in lines:
        axes.plot(x, y, color=colour, linestyle=dashes, linewidth=0.8, alpha=0.5, marker=marker)
    grid, values = on_common_grid(lines)
    axes.fill_between(grid, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    axes.plot(grid, values.mean(axis=0), color=colour, linestyle=dashes, linewidth=2.2, label=text)


def on_common_grid(lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate lines linearly at every x that all of them reach.

    Returns:
        The grid (K,) and the values (len(lines), K). K is 0 where the lines do not overlap.
    """
    first, last = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    grid = np.unique(np.concatenate([x for x, _ in lines]))
    grid = grid[(grid >= first) & (grid <= last)]
    return grid, np.stack([np.interp(grid, x, y) for x, y in lines])


def line(curve: Curve, x_of: Callable[[Point], float]) -> Line:
    """Return the mean returns of a curve over an axis of choice."""
    x = np.array([x_of(point) for point in curve.points])
    y = np.array([point.mean_return for point in curve.points])
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def line_styles(curves: Iterable[Curve]) -> dict[str, tuple[str, str]]:
    """Give each label a colour, and other dashes once the colours are used up."""
    labels = dict.fromkeys(curve.label for curve in curves)
    count = len(COLOURS)
    return {s: (COLOURS[i % count], LINE_STYLES[i // count % len(LINE_STYLES)]) for i, s in enumerate(labels)}


def grouped(curves: Iterable[Curve], key: Callable[[Curve], str]) -> dict[str, list[Curve]]:
    """Return the curves by key, in order of first appearance."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(key(curve), []).append(curve)
    return groups
