"""Return against updates and against wall clock, of everything that learned from one dataset."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from spreeze.plot import Curve, draw_group, grouped, line, line_styles


def draw(curves: Sequence[Curve], title: str, path: Path) -> None:
    """Draw curves, each with at least one point that knows its updates, as a PNG of two panels."""
    figure, styles = Figure(figsize=(11.0, 5.4), dpi=130, layout="constrained"), line_styles(curves)
    left, right = figure.subplots(1, 2, sharey=True)
    for label, members in grouped(curves, lambda curve: curve.label).items():
        text = f"{label} ({len(members)} seed{'s' if len(members) > 1 else ''})"
        draw_group(left, [line(curve, lambda p: float(p.updates or 0)) for curve in members], styles[label], text)
        draw_group(right, [line(curve, lambda p: p.seconds / 60.0) for curve in members], styles[label], text)
    left.set(xlabel="updates of the policy", ylabel="return, mean of an evaluation")
    right.set(xlabel="wall clock [min], log scale", xscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
