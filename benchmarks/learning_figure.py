"""The figure of learning.py: return against wall clock with the target, and the share of seeds that have reached it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from learning_times import reach
from matplotlib.figure import Figure

from spreeze.curves import AXES, Curve, grouped
from spreeze.plot import draw_legend, draw_panel, key_of, lighten, looks_of, unit_of


def draw(groups: Mapping[str, Sequence[Curve]], targets: Mapping[str, float], window_s: float, path: Path) -> None:
    """Draw two panels for each environment, whose runs are given by name, as a PNG."""
    figure = Figure(figsize=(11.0, 1.1 + 3.7 * len(groups)), dpi=130, layout="constrained")
    panels = figure.subplots(len(groups), 2, squeeze=False)
    everything = [run for runs in groups.values() for run in runs]
    looks = looks_of(everything)
    for (environment, runs), (left, right) in zip(groups.items(), panels, strict=True):
        draw_panel(left, runs, AXES["seconds"], looks)
        left.axhline(targets[environment], color="black", linewidth=1.0, linestyle=":")
        seconds, unit = unit_of(runs)
        for label, members in grouped(runs, lambda run: run.label).items():
            times, found = shares(members, targets[environment], window_s)
            look = looks[label]
            right.step([t / seconds for t in times], found, where="post", color=look.colour, linestyle=look.dashes)
        words = f"share of seeds at {targets[environment]:g}"
        right.set(xlabel=f"wall clock [{unit}]", ylabel=words, title=environment, ylim=(-0.03, 1.03))
        lighten(right)
    draw_legend(figure, key_of(everything))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")


def shares(runs: Sequence[Curve], target: float, window_s: float) -> tuple[list[float], list[float]]:
    """Return the seconds at which one more run reaches the target, from 0 to the last evaluation, and the shares."""
    found = [reach(run, target, window_s) for run in runs]
    times = sorted(one.seconds for one in found if one.seconds is not None)
    end = max(one.watched for one in found)
    counts = [0, *range(1, len(times) + 1), len(times)]
    return [0.0, *times, end], [count / len(runs) for count in counts]
