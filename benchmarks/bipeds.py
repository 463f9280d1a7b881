"""Bipeds measured: how fast they are simulated, how well they walk, and what they withstand.

    python benchmarks/bipeds.py speed --env rabbit walker2d-alip
    python benchmarks/bipeds.py walk runs/walker runs/planner
    python benchmarks/bipeds.py walk runs/planner --controller inverse-kinematics
    python benchmarks/bipeds.py robust runs/walker runs/planner runs/joints --figure docs/figures/rabbit-robust.png

Runs are folders of `spreeze run`, of one robot each: the ALIP walker (`--algo alip_walker`), a planner, an end-to-end
policy. Policies act as in an evaluation; `--controller` has another controller track what they decide, without training
them for it. `walk` and `robust` write `walk.json` and `robust.json` into `--out`.
Intervals are of means over episodes, by bootstrap; `robust` draws runs of one algorithm and environment, then episodes.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bipeds_robust import Robustness, areas, figure, robustness, summary, table
from bipeds_speed import speed_table
from bipeds_walk import walk
from rich.console import Console
from rich.progress import track

from spreeze.measure import Trained, load_policy, with_environment
from spreeze.statistics import bootstrap, mean

SPEEDS = {"rabbit": (-0.5, 1.2), "walker2d": (-0.5, 1.5), "digit": (-0.3, 0.8)}
STEPS = 8
"""Speeds at which tracking is measured, from one end of the range to the other."""
console = Console()


def robot_of(trained: Trained) -> str:
    """The robot whose range of speeds counts for a run."""
    return next(name for name in SPEEDS if trained.settings.env.startswith(name))


def interval(values: Sequence[float]) -> list[float]:
    """Mean, low and high end."""
    found = bootstrap([values], mean, np.random.default_rng(0))
    return [found.value, found.low, found.high]


def tracking(trained: Trained, episodes: int, seed: int) -> dict[str, Any]:
    """Survival, and the error of the step-averaged speed at constant commands over the robot's range, undisturbed."""
    trained = replace(trained, settings=with_environment(trained.settings, slope=(0, 0), push=(0, 0)))
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


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a table, write the numbers."""
    options = arguments(argv)
    if options.what == "speed":
        speed_table(options.env, options.robots, options.seconds)
        return
    results: dict[str, dict[str, Any]] = {}
    found: dict[str, list[Robustness]] = {}
    for run in track(options.runs, "measuring", console=console):
        trained = load_policy(run, options.which)
        label = f"{trained.settings.algo} on {trained.settings.env}"
        if options.controller is not None:
            trained = replace(trained, settings=with_environment(trained.settings, controller=options.controller))
            label += f", {options.controller}"
        if options.what == "walk":
            results[f"{label}, {run.name}"] = tracking(trained, options.episodes, options.seed)
            console.print(f"{label}, {run.name}", results[f"{label}, {run.name}"])
        else:
            found.setdefault(label, []).append(robustness(trained, options.episodes, options.seed))
            console.print(f"{label}, {run.name}", areas(found[label][-1:]))
    results |= {label: summary(runs) for label, runs in found.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.what}.json").write_text(json.dumps(results, indent=1) + "\n")
    if found:
        console.print(table(results))
    if found and options.figure is not None:
        figure(results, options.figure)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
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
        command.add_argument("--controller", help="of the robot, instead of the one that the run was trained with")
        command.add_argument("--figure", type=Path)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
