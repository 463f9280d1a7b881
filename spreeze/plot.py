"""Figures of curves: a panel for each environment and axis, seeds put together by their interquartile mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spreeze.curves import AXES, RETURN, Axis, Curve, Line, grouped, groups_of, heading, line, together
from spreeze.statistics import LEAST_SEEDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

# Okabe and Ito's palette, which colour-blind readers can tell apart; black and yellow are left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINE_STYLES = ("-", "--", "-.", ":")
LOG_AXIS_RATIO = 8.0
"""An axis is logarithmic where the longest run made this many times the steps or updates of the shortest."""
COLUMNS = 3
"""Most panels side by side."""
UNITS = ((3 * 3600.0, 3600.0, "h"), (300.0, 60.0, "min"), (0.0, 1.0, "s"))
"""From so many seconds on, their unit, and its name."""
KEYS = (
    "thin lines: seeds, thick: their interquartile mean",
    "thin lines: seeds, thick: their interquartile mean with its 95 % bootstrap interval",
)


class Look(NamedTuple):
    """How a label is drawn, and what the legend says of it."""

    colour: str
    dashes: str
    text: str


def write_figure(
    curves: Sequence[Curve], axes: Sequence[Axis], path: Path, title: str | None = None, metric: str = RETURN
) -> None:
    """Draw curves, each with at least one point, as PNG or SVG, whichever the name ends with.

    A row of panels for each environment, one for each axis; with one axis, environments stand side by side.
    """
    import matplotlib
    from matplotlib.figure import Figure

    environments = grouped(curves, lambda curve: curve.environment)
    panels = [(members, axis) for members in environments.values() for axis in axes]
    columns = len(axes) if len(axes) > 1 else min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(5.5 * columns, 7.0), 1.1 + 3.7 * rows), dpi=130, layout="constrained")
    looks = looks_of(curves)
    for index, (members, axis) in enumerate(panels):
        panel = figure.add_subplot(rows, columns, index + 1)
        draw_panel(panel, members, axis, looks, metric)
        if index % columns:
            panel.set_ylabel("")
    draw_legend(figure, key_of(curves))
    figure.suptitle(title or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text stays text, and the same curves give the same file.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "spreeze"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def draw_panel(
    axes: Axes, curves: Sequence[Curve], axis: Axis, looks: Mapping[str, Look], metric: str = RETURN
) -> None:
    """Draw the curves of one environment against one axis."""
    factor, unit = unit_of(curves) if axis.name == "seconds" else (1.0, "")
    ends = []
    for label, members in grouped(curves, lambda curve: curve.label).items():
        lines = [(x / factor, y) for x, y in (line(curve, axis) for curve in members) if x.size]
        if lines:
            draw_group(axes, lines, looks[label])
            ends += [float(x[-1]) for x, _ in lines]
    axes.set(
        title=curves[0].environment,
        xlabel=f"{axis.label} [{unit}]" if unit else axis.label,
        ylabel="return, mean of an evaluation" if metric == RETURN else metric,
    )
    far_apart = bool(ends) and max(ends) > LOG_AXIS_RATIO * max(min(ends), 1.0)
    if far_apart if axis.log is None else axis.log:
        axes.set_xscale("log", nonpositive="mask")
    axes.xaxis.set_major_formatter("{x:g}" if unit else with_prefixes())
    lighten(axes)


def unit_of(curves: Iterable[Curve]) -> tuple[float, str]:
    """Return the seconds and the name of the unit in which the longest of these runs is read most easily."""
    longest = max(curve.points[-1].seconds for curve in curves)
    return next((seconds, name) for least, seconds, name in UNITS if longest >= least)


def with_prefixes() -> Formatter:
    """200k instead of 200000."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="")


def lighten(axes: Axes) -> None:
    """Leave of the frame what is read: two sides and a faint grid."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def draw_group(axes: Axes, lines: Sequence[Line], look: Look) -> None:
    """Draw the seeds of one group, each with a point at least: thin lines, and what they are together.

    A single seed is one thick line; a band needs `LEAST_SEEDS`.
    """
    colour, dashes, text = look
    marker = "o" if max(x.size for x, _ in lines) == 1 else ""
    if len(lines) == 1:
        axes.plot(*lines[0], color=colour, linestyle=dashes, linewidth=2.0, marker=marker, label=text)
        return
    for x, y in lines:
        axes.plot(x, y, color=colour, linestyle=dashes, linewidth=0.7, alpha=0.4, marker=marker)
    band = together(lines)
    if band.low is not None and band.high is not None:
        axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(band.x, band.value, color=colour, linestyle=dashes, linewidth=2.0, marker=marker, label=text)


def looks_of(curves: Sequence[Curve]) -> dict[str, Look]:
    """Give each label a colour, and other dashes once the colours are used up."""
    seeds: dict[str, list[int]] = {}
    for group in groups_of(curves):
        seeds.setdefault(group[0].label, []).append(len(group))
    count = len(COLOURS)
    return {
        label: Look(COLOURS[i % count], LINE_STYLES[i // count % len(LINE_STYLES)], heading(label, *numbers))
        for i, (label, numbers) in enumerate(seeds.items())
    }


def key_of(curves: Sequence[Curve]) -> str | None:
    """What thick lines and bands mean, if there are any."""
    most = max(map(len, groups_of(curves)))
    return None if most == 1 else KEYS[most >= LEAST_SEEDS]


def draw_legend(figure: Figure, key: str | None) -> None:
    """Name every group of all panels once, below them, with what the lines mean."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        handles, texts = axes.get_legend_handles_labels()
        entries |= {text: handle for text, handle in zip(texts, handles, strict=True) if text not in entries}
    columns = 3 if max(map(len, entries), default=0) < 30 else 2
    legend = figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=columns, frameon=False, title=key
    )
    legend.get_title().set(fontsize="small", color="0.35")


def default_axes(curves: Iterable[Curve]) -> list[Axis]:
    """Wall clock, and beside it steps, or updates where no run took steps."""
    stepping = any(point.env_steps for curve in curves for point in curve.points)
    return [AXES["seconds"], AXES["steps" if stepping else "updates"]]
