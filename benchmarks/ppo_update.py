"""How fast PPO's update is on one core, beside Stable-Baselines3's with the same networks and minibatches.

python benchmarks/ppo_update.py [--rounds 5] [--seconds 1] [--json FILE]

All work in turn, round by round, on the same core: ten epochs over 2048 rows of HalfCheetah's sizes, two hidden
layers, one thread. Rates are rows of minibatches per second; ratios are to the peer with the same activation.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import campaign_ledger
from rich.console import Console
from rich.table import Table
from throughput_crew import BenchmarkError, Contestant, Results, in_turn
from throughput_sides import interpreters
from throughput_statistics import Spread, ratios

from spreeze.sizing import usable_cores

HERE = Path(__file__).resolve().parent
SIZES = ((64, 64), (256, 64), (256, 256))
"""Width of both hidden layers, and rows of a minibatch."""
ACTIVATIONS = ("tanh", "relu")
PEER = "stable-baselines3"


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def contestants(width: int, batch: int, peer: str) -> list[Contestant]:
    """Return all sides for networks and minibatches of these sizes."""
    core, sizes = (usable_cores()[-1],), ("--width", f"{width}", "--batch", f"{batch}")
    made = []
    for activation in ACTIVATIONS:
        options = (*sizes, "--activation", activation)
        ours = (sys.executable, str(HERE / "ppo_update_ours.py"), *options)
        theirs = (peer, str(HERE / "peers" / "sb3_ppo.py"), *options)
        made.append(Contestant(f"spreeze, {activation}", "spreeze", [ours], [core]))
        made.append(Contestant(f"{PEER}, {activation}", PEER, [theirs], [core]))
    return made


def rows_of(results: Results, width: int, batch: int) -> list[Mapping[str, Any]]:
    """Return rate and ratio of each side."""
    rates, found = results.rates("rows"), list[Mapping[str, Any]]()
    for name, own in rates.items():
        peer = rates.get(f"{PEER}, {name.split(', ')[1]}", own)
        spread = Spread.of(ratios(own, peer))
        ratio = [spread.median, spread.low, spread.high]
        found.append({"width": width, "batch": batch, "side": name, "rate": Spread.of(own).median, "ratio": ratio})
    return found


def table_of(rows: list[Mapping[str, Any]]) -> Table:
    """Return rates and ratios for the screen."""
    table = Table(title="PPO's update, one core")
    for column in ("width", "minibatch", "side", "rows/s", "ms/minibatch", "ratio"):
        table.add_column(column)
    for row in rows:
        median, low, high = row["ratio"]
        numbers = (f"{row['rate']:,.0f}", f"{1e3 * row['batch'] / row['rate']:.2f}")
        table.add_row(
            f"{row['width']}", f"{row['batch']}", row["side"], *numbers, f"{median:.2f} ({low:.2f} to {high:.2f})"
        )
    return table


def main() -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--json", type=Path, help="where the numbers go")
    args = parser.parse_args()
    pythons, left_out = interpreters([PEER], say)
    if PEER not in pythons:
        print(f"ppo_update.py: {left_out}", file=sys.stderr)
        return 1
    rows: list[Mapping[str, Any]] = []
    try:
        with tempfile.TemporaryDirectory(prefix="spreeze-ppo-") as folder:
            for width, batch in SIZES:
                sides = contestants(width, batch, str(pythons[PEER]))
                title = f"width {width}, minibatch {batch}"
                rows += rows_of(in_turn(sides, args.rounds, args.seconds, Path(folder), say, title), width, batch)
    except BenchmarkError as error:
        print(f"ppo_update.py: {error}", file=sys.stderr)
        return 1
    Console(width=None if sys.stdout.isatty() else 120).print(table_of(rows))
    if args.json:
        found = {"machine": campaign_ledger.machine(), "rows": rows}
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
