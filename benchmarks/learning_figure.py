"""The figure of learning.py: return against wall clock with the target, and the share of seeds that have reached it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from learning_times import Run, reach
from matplotlib.figure import Figure

from spreeze.plot import COLOURS, draw_group


def draw(groups: Mapping[str, Sequence[Run]], targets: Mapping[str, float], window_s: float, path: Path) -> None:
    """Draw two panels for each environment, whose runs are given by name, as a PNG."""
    figure = Figure(figsize=(11.0, 1.0 + 3.8 * len(groups)), dpi=130, layout="constrained")
    panels = figure.subplots(len(groups), 2, squeeze=False)
    labels = list(dict.fromkeys(run.label for runs in groups.values() for run in runs))
    colours = {label: COLOURS[index % len(COLOURS)] for index, label in enumerate(labels)}
    for (environment, runs), (left, right) in zip(groups.items(), panels, strict=True):
        for label in dict.fromkeys(run.label for run in runs):
            members = [run for run in runs if run.label == label]
            text = f"{label} ({len(members)} seeds)"
            draw_group(left, [line(run) for run in members], (colours[label], "-"), text)
            right.step(*shares(members, targets[environment], window_s), where="post", color=colours[label], label=text)
        label_panels(left, right, environment, targets[environment])
    handles, texts = legend(panels)
    figure.legend(handles, texts, loc="outside lower center", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")


def line(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Minutes and returns of a run."""
    return np.array(run.seconds) / 60.0, np.array(run.returns)


def shares(runs: Sequence[Run], target: float, window_s: float) -> tuple[list[float], list[float]]:
    """Return the minutes at which one more run reaches the target, from 0 to the last evaluation, and the shares."""
    found = [reach(run, target, window_s) for run in runs]
    times = sorted(one.seconds / 60.0 for one in found if one.seconds is not None)
    end = max(one.watched for one in found) / 60.0
    counts = [0, *range(1, len(times) + 1), len(times)]
    return [0.0, *times, end], [count / len(runs) for count in counts]


def label_panels(left: Any, right: Any, environment: str, target: float) -> None:
    """Name the axes and mark the target."""
    left.axhline(target, color="black", linewidth=1.0, linestyle=":")
    left.set(xlabel="wall clock [min]", ylabel="return, mean of an evaluation", title=environment)
    right.set(xlabel="wall clock [min]", ylabel=f"share of seeds at {target:g}", title=environment, ylim=(-0.03, 1.03))
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)


def legend(panels: Any) -> tuple[list[Any], list[str]]:
    """Return one handle for each label of all panels."""
    entries: dict[str, Any] = {}
    for left, _ in panels:
        handles, texts = left.get_legend_handles_labels()
        entries |= dict(zip(texts, handles, strict=True))
    return list(entries.values()), list(entries)
