"""What bipeds withstand: shares of episodes that survive, by slope, and by impulse, direction and phase of a push."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bipeds_walk import survival
from rich.table import Table

from spreeze.measure import Trained

SLOPES = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0)
"""Of the ground, upward positive [degrees]."""
IMPULSES = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
"""[N s]"""
DIRECTIONS = (0.0, 180.0)
"""Forward, backward [degrees]."""
PHASES = (0.1, 0.5, 0.8)
DRAWS = 10_000

Curve = Mapping[float, Sequence[float]]
"""1 or 0 for each episode, by what is varied."""


@dataclass(frozen=True)
class Robustness:
    """Of one run."""

    slopes: Curve
    pushes: Mapping[str, Sequence[float]]
    """By impulse, direction and phase."""
    impulses: Curve
    """All directions and phases of an impulse together."""


def robustness(trained: Trained, episodes: int, seed: int) -> Robustness:
    """Walk `episodes` on every slope and under every push, commands as the run's own."""
    slopes = {slope: survival(trained, episodes, seed, slope=(slope, slope), push=(0, 0)) for slope in SLOPES}
    pushes, impulses = dict[str, list[float]](), dict[float, list[float]]()
    for impulse in IMPULSES:
        cells = [(direction, phase) for direction in DIRECTIONS for phase in PHASES] if impulse else [(0.0, 0.5)]
        for direction, phase in cells:
            pushed = {"push": (impulse,) * 2, "push_direction": (direction,) * 2, "push_phase": (phase,) * 2}
            alive = survival(trained, episodes, seed, slope=(0, 0), push_time=(3, 3), **pushed)
            pushes[f"{impulse:g} N s, {direction:g} degrees, phase {phase:g}"] = alive
            impulses.setdefault(impulse, []).extend(alive)
    return Robustness(slopes, pushes, impulses)


def area(curves: Sequence[Curve]) -> list[float]:
    """Mean survival over the points of a curve, one curve for each run: value, and ends of its interval of 95 %.

    Runs are drawn, then episodes at each point.
    """
    random = np.random.default_rng(0)
    drawn = np.stack([_areas(curve, random) for curve in curves])
    runs = random.integers(0, len(curves), (len(curves), DRAWS))
    ends = np.quantile(np.take_along_axis(drawn, runs, axis=0).mean(axis=0), [0.025, 0.975])
    value = np.mean([np.mean([np.mean(alive) for alive in curve.values()]) for curve in curves])
    return [float(value), *map(float, ends)]


def _areas(curve: Curve, random: np.random.Generator) -> np.ndarray:
    """(draws,): areas with the episodes of each point drawn anew."""
    points = [random.binomial(len(alive), np.mean(alive), DRAWS) / len(alive) for alive in curve.values()]
    return np.asarray(np.mean(points, axis=0))


def areas(runs: Sequence[Robustness]) -> dict[str, list[float]]:
    """Under both curves."""
    return {"slope_area": area([run.slopes for run in runs]), "push_area": area([run.impulses for run in runs])}


def summary(runs: Sequence[Robustness]) -> dict[str, Any]:
    """Areas, and every point's survival with its interval, of all runs together."""
    points = {
        name: {f"{key}": area([{0.0: getattr(run, name)[key]} for run in runs]) for key in getattr(runs[0], name)}
        for name in ("slopes", "pushes", "impulses")
    }
    return {"runs": len(runs), **areas(runs), **points}


def table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """Areas of all that were measured."""
    drawn = Table("policy", "runs", "slopes, area", "95 %", "pushes, area", "95 %")
    for name, result in results.items():
        cells = [cell for key in ("slope_area", "push_area") for cell in _cells(result[key])]
        drawn.add_row(name, f"{result['runs']}", *cells)
    return drawn


def _cells(found: Sequence[float]) -> tuple[str, str]:
    value, low, high = found
    return f"{value:.3f}", f"{low:.3f} to {high:.3f}"


def figure(results: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Survival by slope and by impulse, a line for each policy."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, key, label in zip(
        drawing.subplots(1, 2, sharey=True), ("slopes", "impulses"), ("slope [degrees]", "impulse [N s]"), strict=True
    ):
        for name, result in results.items():
            places = [float(place) for place in result[key]]
            value, low, high = np.array(list(result[key].values())).T
            axes.plot(places, value, marker="o", label=name)
            axes.fill_between(places, low, high, alpha=0.2)
        axes.set(xlabel=label, ylabel="episodes survived", ylim=(-0.03, 1.03))
        axes.label_outer()
    drawing.axes[0].legend()
    drawing.savefig(path, dpi=150)
