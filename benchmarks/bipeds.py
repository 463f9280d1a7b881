"""Bipeds measured: how fast they are simulated, how well they walk, and what they withstand.

    python benchmarks/bipeds.py speed --env rabbit walker2d-alip
    python benchmarks/bipeds.py walk runs/walker runs/planner
    python benchmarks/bipeds.py robust runs/walker runs/planner runs/joints --figure docs/figures/rabbit-robust.png

Runs are folders of `spreeze run`, of one robot each: the ALIP walker (`--algo alip_walker`), a planner, an end-to-end
policy. Policies act as in an evaluation. `walk` and `robust` write `walk.json` and `robust.json` beside `--out`.
Intervals are of the mean over episodes, by bootstrap.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bipeds_speed import speed_table
from bipeds_walk import survival, walk
from rich.console import Console
from rich.progress import track

from spreeze.measure import Trained, load_policy
from spreeze.statistics import bootstrap, mean

SPEEDS = {"rabbit": (-0.5, 1.2), "walker2d": (-0.5, 1.5), "digit": (-0.3, 0.8)}
STEPS = 8
"""Speeds at which tracking is measured, from one end of the range to the other."""
SLOPES = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0)
IMPULSES = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
DIRECTIONS = (0.0, 180.0)
PHASES = (0.1, 0.5, 0.8)
console = Console()


def robot_of(trained: Trained) -> str:
    """The robot whose range of speeds counts for a run."""
    return next(name for name in SPEEDS if trained.settings.env.startswith(name))


def interval(values: Sequence[float]) -> list[float]:
    """Mean, low and high end."""
    found = bootstrap([values], mean, np.random.default_rng(0))
    return [found.value, found.low, found.high]


def tracking(trained: Trained, episodes: int, seed: int) -> dict[str, Any]:
    """Survival, and the error of the step-averaged speed at constant commands over the robot's range."""
    low, high = SPEEDS[robot_of(trained)]
    rows, squares = [], []
    for speed in np.linspace(low, high, STEPS).round(3).tolist():
        found = walk(trained, max(episodes // STEPS, 2), seed, speed=(speed, speed), speed_changes=0)
        squares += found.squares
        rows.append({"speed": speed, "rms": root(found.squares), "bias": found.bias, "survived": found.survived})
    changing = walk(trained, episodes, seed + 1)
    return {
        "rms": [float(np.sqrt(value)) for value in interval(squares)],
        "speeds": rows,
        "survived": interval([float(alive) for alive in changing.alive]),
        "rms_changing": [float(np.sqrt(value)) for value in interval(changing.squares)],
        "episodes": episodes,
        "counts": changing.counts,
    }


def root(squares: Sequence[float]) -> float:
    """Root of the mean."""
    return float(np.sqrt(np.mean(squares))) if squares else float("nan")


def robust(trained: Trained, episodes: int, seed: int) -> dict[str, Any]:
    """Shares of episodes that survive, by slope, and by impulse, direction and phase; areas under both curves."""
    slopes = {f"{slope:g}": survival(trained, episodes, seed, slope=(slope, slope)) for slope in SLOPES}
    pushes: dict[str, list[float]] = {}
    for impulse in IMPULSES:
        cells = [(direction, phase) for direction in DIRECTIONS for phase in PHASES] if impulse else [(0.0, 0.5)]
        for direction, phase in cells:
            pushed = {"push": (impulse,) * 2, "push_direction": (direction,) * 2, "push_phase": (phase,) * 2}
            key = f"{impulse:g} N s, {direction:g} degrees, phase {phase:g}"
            pushes[key] = survival(trained, episodes, seed, **pushed)
    by_impulse = {f"{i:g}": [v for k, vs in pushes.items() if k.startswith(f"{i:g} N s") for v in vs] for i in IMPULSES}
    return {
        "slopes": {key: interval(alive) for key, alive in slopes.items()},
        "pushes": {key: interval(alive) for key, alive in pushes.items()},
        "impulses": {key: interval(alive) for key, alive in by_impulse.items()},
        "slope_area": area(slopes),
        "push_area": area(by_impulse),
        "episodes": episodes,
    }


def area(curve: Mapping[str, Sequence[float]]) -> list[float]:
    """Mean survival over the points of a curve, with its interval: episodes are drawn anew at each point."""
    random, points = np.random.default_rng(0), [np.asarray(alive, float) for alive in curve.values()]
    drawn = [alive[random.integers(0, len(alive), (10_000, len(alive)))].mean(axis=1) for alive in points]
    ends = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    return [float(np.mean([alive.mean() for alive in points])), *map(float, ends)]


def figure(results: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Survival by slope and by impulse, a line for each run."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, key, label in zip(
        drawing.subplots(1, 2, sharey=True), ("slopes", "impulses"), ("slope [degrees]", "impulse [N s]"), strict=True
    ):
        for name, result in results.items():
            places = [float(key) for key in result[key]]
            value, low, high = np.array(list(result[key].values())).T
            axes.plot(places, value, marker="o", label=name)
            axes.fill_between(places, low, high, alpha=0.2)
        axes.set(xlabel=label, ylabel="episodes survived", ylim=(-0.03, 1.03))
        axes.label_outer()
    drawing.axes[0].legend()
    drawing.savefig(path, dpi=150)


def main() -> None:
    """Measure, print a table, write the numbers."""
    options = arguments()
    if options.what == "speed":
        speed_table(options.env, options.robots, options.seconds)
        return
    results: dict[str, dict[str, Any]] = {}
    measured = tracking if options.what == "walk" else robust
    for run in track(options.runs, "measuring", console=console):
        trained = load_policy(run, options.which)
        name = f"{trained.settings.algo} on {trained.settings.env}, {run.name}"
        results[name] = measured(trained, options.episodes, options.seed)
        console.print(name, {k: v for k, v in results[name].items() if k != "pushes"})
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.what}.json").write_text(json.dumps(results, indent=1) + "\n")
    if options.what == "robust" and options.figure is not None:
        figure(results, options.figure)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    fast = commands.add_parser("speed")
    fast.add_argument("--env", nargs="+", default=["rabbit", "walker2d-alip"])
    fast.add_argument("--robots", nargs="+", type=int, default=[16, 64], help="simulations side by side")
    fast.add_argument("--seconds", type=float, default=3.0, help="of each of five turns")
    for name, episodes in (("walk", 200), ("robust", 50)):
        command = commands.add_parser(name)
        command.add_argument("runs", nargs="+", type=Path)
        command.add_argument("--episodes", type=int, default=episodes)
        command.add_argument("--seed", type=int, default=1_000)
        command.add_argument("--which", choices=("best", "latest"), default="best")
        command.add_argument("--out", type=Path, default=Path("runs/bipeds"))
        command.add_argument("--figure", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
