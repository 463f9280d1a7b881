"""A split learner beside a joint one: updates per second of whole runs, by the delay between the parts.

python benchmarks/split.py [--batch 256,8192] [--delays 0,1,4,16] [--rounds 5] [--json FILE]

Every setting is a short run with real roles, one sampler beside the learner, as the tuner makes them; all settings take
turns, round by round. Ratios are to the joint learner on one core, taken within a round. What a delay does to returns
is a matter of whole trainings: rows `split-` of campaign.py.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import campaign_ledger
from rich.console import Console
from rich.table import Table

from spreeze.config import Settings
from spreeze.forkserver import ForkServer
from spreeze.preflight import prepare
from spreeze.sizing import usable_cores
from spreeze.tuning.trial import Trials

APART = "critic=cpu,actor=cpu"
BASE = "joint, 1 core"


def settings_of(delays: Sequence[int], cores: int) -> dict[str, dict[str, Any]]:
    """Options by name."""
    joint = {f"joint, {count} core{'s' * (count > 1)}": {"learner_cores": count} for count in range(1, cores + 1)}
    return joint | {f"split, d = {delay}": {"devices": APART, "delay": delay} for delay in delays}


def measured(batch: int, args: argparse.Namespace, console: Console) -> dict[str, list[float]]:
    """Updates per second of every setting, round by round."""
    run = {"batch_size": batch, "samplers": 1, "envs_per_sampler": 64}
    settings = Settings.from_data({"algo": "sac", "env": args.env, "run": run})
    spec, _ = prepare(settings)
    everything = settings_of(args.delays, len(usable_cores()))
    found: dict[str, list[float]] = {name: [] for name in everything}
    with ForkServer() as forkserver:
        trials = Trials(settings, spec, 0, None, forkserver, args.seconds)
        for number in range(1, args.rounds + 1):
            for name, options in everything.items():
                found[name].append(trials.measure(options).updates)
            console.print(f"batch {batch}: round {number} of {args.rounds}")
    return found


def ratios(found: dict[str, list[float]], name: str) -> list[float]:
    """Of a setting to the joint learner on one core, round by round."""
    return [own / base for own, base in zip(found[name], found[BASE], strict=True)]


def table(results: dict[int, dict[str, list[float]]]) -> Table:
    """All settings."""
    shown = Table("batch", "learner", "updates/s", "rows/s", f"to {BASE}", "spread")
    for batch, found in results.items():
        for name, rates in found.items():
            rate, own = statistics.median(rates), ratios(found, name)
            spread = f"{min(own):.2f} to {max(own):.2f}"
            shown.add_row(
                f"{batch:,}", name, f"{rate:,.1f}", f"{rate * batch:,.0f}", f"{statistics.median(own):.2f}", spread
            )
    return shown


def numbers(text: str) -> list[int]:
    """Whole numbers parted by commas."""
    return [int(word) for word in text.split(",")]


def main(words: Sequence[str]) -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="halfcheetah")
    parser.add_argument("--batch", type=numbers, default=[256, 8192])
    parser.add_argument("--delays", type=numbers, default=[0, 1, 4, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(words)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    results = {batch: measured(batch, args, console) for batch in args.batch}
    console.print(table(results))
    if args.json:
        about = {"machine": campaign_ledger.machine(), "commit": campaign_ledger.commit_of(Path(__file__).parents[1])}
        args.json.write_text(json.dumps(about | {"updates_per_second": results}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
