"""Return against wall clock: when the seeds of each side reach a target return, with bootstrap intervals, and a figure.

python benchmarks/learning.py [--only PATTERN] [--runs FOLDER...] [--target NAME=RETURN...] [--out FILE] [--json FILE]

Runs are those of the campaign's ledger, or of run folders. A run reaches a target when the mean of its evaluations of
the last `--window` seconds does. A run that never does is not left out: it counts with the time that all runs were
watched for, so that its side looks faster than it is. Method: docs/throughput.md.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import campaign_ledger
from learning_figure import draw
from learning_times import Summary, summaries
from rich.console import Console
from rich.table import Column, Table

from spreeze.curves import Curve, read_curve
from spreeze.errors import RunFolderError
from spreeze.statistics import LEAST_SEEDS, Interval

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {"Hopper-v5": 2500.0, "HalfCheetah-v5": 4000.0}
BASELINE = "Stable-Baselines3"
WIDTH = 150
"""Columns of a table that goes to a file."""


def measured(curve: Curve) -> Curve:
    """Return a curve without the evaluations whose return is not finite: they are none."""
    return replace(curve, points=tuple(point for point in curve.points if math.isfinite(point.value)))


def ledger_runs(path: Path, only: str) -> list[Curve]:
    """Return the online runs of a ledger whose name holds one of the patterns of `only`, parted by commas."""
    patterns = [pattern.strip() for pattern in only.split(",")]
    entries = campaign_ledger.read(path).values()
    return campaign_ledger.curves(
        entry for entry in entries if any(p in entry["row"] for p in patterns) and "dataset" not in entry
    )


def chosen_runs(args: argparse.Namespace) -> list[Curve]:
    """Return the runs that the command line names."""
    curves = [read_curve(folder) for folder in args.runs] if args.runs else ledger_runs(args.ledger, args.only)
    return [run for run in map(measured, curves) if run.points]


def targets_of(words: Iterable[str]) -> dict[str, float]:
    """Read NAME=RETURN."""
    pairs = (word.partition("=") for word in words)
    return {name: float(value) for name, _, value in pairs} or dict(TARGETS)


def table(found: Sequence[Summary], baseline: str) -> Table:
    """One line for each label of each environment."""
    heads = ("target", "reached", "median [s]", "mean below it [s]", "95 %", f"over {baseline}", "95 %")
    shown = Table(Column("environment", no_wrap=True), Column("", no_wrap=True), *heads)
    bases = {one.environment: one.seeds for one in found if baseline in one.label}
    for one in found:
        median = f"{one.median_s:.0f}" if math.isfinite(one.median_s) else f"> {one.limit_s:.0f}"
        mark = "" if one.reached == one.seeds else ">= "
        shown.add_row(
            one.environment,
            one.label,
            f"{one.target:g}",
            f"{one.reached} of {one.seeds}",
            median,
            f"{mark}{one.restricted_s.value:.0f}",
            between(one.restricted_s, 0, one.seeds),
            f"{one.ratio.value:.2f}" if one.ratio else "",
            between(one.ratio, 2, min(one.seeds, bases[one.environment])) if one.ratio else "",
        )
    return shown


def between(interval: Interval, decimals: int, seeds: int) -> str:
    """Return the ends of an interval; a dash where too few seeds would only span their range."""
    return "-" if seeds < LEAST_SEEDS else f"{interval.low:.{decimals}f} to {interval.high:.{decimals}f}"


def data(one: Summary) -> dict[str, Any]:
    """Return a summary for a file; a median beyond the limit is null."""
    return asdict(one) | {"median_s": one.median_s if math.isfinite(one.median_s) else None}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=ROOT / "benchmarks" / "ledger.jsonl")
    parser.add_argument(
        "--only",
        default="",
        metavar="PATTERN",
        help="rows of the ledger whose name holds this, or one of several parted by commas",
    )
    parser.add_argument("--runs", type=Path, nargs="+", default=[], metavar="FOLDER", help="instead of the ledger")
    parser.add_argument("--target", action="append", default=[], metavar="NAME=RETURN", help="of an environment")
    parser.add_argument("--window", type=float, default=60.0, help="seconds of smoothing; 0: single evaluations")
    parser.add_argument("--baseline", default=BASELINE, help="label that the others are compared with")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "figures" / "time-to-target.png")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Print the table, draw the figure, write the file."""
    args = parse(words)
    try:
        runs, targets = chosen_runs(args), targets_of(args.target)
    except (RunFolderError, ValueError) as error:
        print(f"learning.py: {error}", file=sys.stderr)
        return 1
    groups = {name: [run for run in runs if run.environment == name] for name in targets}
    groups = {name: members for name, members in groups.items() if members}
    if not groups:
        print(f"learning.py: no run of {', '.join(targets)} with an evaluation", file=sys.stderr)
        return 1
    found = [
        one
        for name, members in groups.items()
        for one in summaries(members, targets[name], args.window, args.baseline, args.seed)
    ]
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table(found, args.baseline))
    draw(groups, targets, args.window, args.out)
    print(args.out)
    if args.json:
        args.json.write_text(json.dumps([data(one) for one in found], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
