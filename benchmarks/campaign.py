"""A resumable queue of long runs, with an append-only ledger and figures drawn from it.

python benchmarks/campaign.py list | run [--only PATTERN] [--seconds BUDGET] | status | plot

One row runs at a time. A row that the ledger holds is skipped, a row that was killed begins anew. Results go to
`runs/campaign/<row>/`, what the run prints to `runs/campaign/<row>.txt`, figures to `docs/figures/`.
"""

import argparse
import contextlib
import fcntl
import fnmatch
import json
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import campaign_biped_rows as bipeds
import campaign_ledger as ledger
import campaign_meta_rows as adapting
import campaign_offline_rows as offline
import campaign_rows as online
import campaign_terrain_rows as terrain
from campaign_process import CampaignError, execute
from campaign_rows import Row
from rich.console import Console
from rich.table import Column, Table

from spreeze.curves import AXES, grouped
from spreeze.plot import default_axes, write_figure

ROOT = Path(__file__).resolve().parents[1]
OFFLINE_AXES = (AXES["updates"], replace(AXES["seconds"], log=True))
ROWS = (*online.ROWS, *offline.ROWS, *adapting.ROWS, *bipeds.ROWS, *terrain.ROWS)


@dataclass(frozen=True)
class Campaign:
    """Rows, and the checkout in whose folders their results lie."""

    root: Path
    rows: Sequence[Row]

    @property
    def results(self) -> Path:
        """Folder of the run folders."""
        return self.root / "runs" / "campaign"

    @property
    def ledger(self) -> Path:
        """File with a line for each finished row."""
        return self.root / "benchmarks" / "ledger.jsonl"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.root / "docs" / "figures"

    def chosen(self, only: str) -> list[Row]:
        """Return the rows whose name holds one of the patterns, parted by commas; `*` and `?` stand for anything."""
        patterns = [f"*{pattern.strip()}*" for pattern in only.split(",")]
        return [row for row in self.rows if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns)]

    def open_rows(self, only: str = "") -> list[Row]:
        """Return the chosen rows that the ledger does not hold."""
        done = ledger.read(self.ledger)
        return [row for row in self.chosen(only) if row.name not in done]


def run(campaign: Campaign, only: str = "", budget: float = math.inf) -> int:
    """Make the open rows that fit into `budget` seconds, one after another; return how many failed."""
    deadline, failed = time.monotonic() + budget, 0
    with locked(campaign) as lock:
        rows = campaign.open_rows(only)
        print(f"{len(rows)} of {len(campaign.chosen(only))} rows to do", flush=True)
        for number, row in enumerate(rows, 1):
            obstacle = obstacle_to(campaign, row)
            if 60 * row.minutes > deadline - time.monotonic():
                obstacle = f"{row.minutes:g} min do not fit into the rest of the budget"
            if obstacle:
                print(f"{row.name}: left out: {obstacle}", flush=True)
                continue
            print(f"{row.name} ({number} of {len(rows)}): {row.minutes:g} min", flush=True)
            failed += not complete(campaign, row, lock)
    return failed


def obstacle_to(campaign: Campaign, row: Row) -> str:
    """Return why a row cannot be made at this moment and what to do, or nothing."""
    if row.needs and not (campaign.root / row.needs).exists():
        return f"{row.needs} is missing; {row.advice}"
    if not row.after:
        return ""
    if row.after not in ledger.read(campaign.ledger):
        return f"it follows {row.after}, which has not finished; `run --only {row.after}` makes that"
    if finished_result(campaign.results / row.after / "summary.json") is None:
        folder = f"runs/campaign/{row.after}"
        return (
            f"the finished run is gone from {folder}; put it back, or run its command (see `list`) with --out {folder}"
        )
    return ""


def complete(campaign: Campaign, row: Row, lock: int) -> bool:
    """Make one row from scratch and enter it into the ledger; return whether it finished."""
    commit = ledger.commit_of(campaign.root)
    out = campaign.results / row.name
    shutil.rmtree(out, ignore_errors=True)
    os.pwrite(lock, row.name.ljust(200).encode(), 0)
    try:
        code = execute(campaign.root, row, out, lock)
    except CampaignError as error:
        print(f"{row.name}: FAILED: {error}", flush=True)
        return False
    result = finished_result(out / row.result) if code == 0 else None
    if result is None:
        print(f"{row.name}: FAILED with exit code {code}; see runs/campaign/{row.name}.txt", flush=True)
        return False
    entry = ledger.entry_of(row, result, commit)
    ledger.append(campaign.ledger, entry)
    print(f"{row.name}: {ledger.in_words(entry)}", flush=True)
    return True


def finished_result(path: Path) -> dict[str, Any] | None:
    """Return what a command that came to its own end has written."""
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if result.get("exit_reason", "finished") == "finished" else None


@contextlib.contextmanager
def locked(campaign: Campaign) -> Iterator[int]:
    """Hold the campaign's lock; yields its descriptor.

    Raises:
        CampaignError: another campaign, or a run of a killed one, holds it.
    """
    campaign.results.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(campaign.results / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        take(descriptor, campaign)
        yield descriptor
    finally:
        os.close(descriptor)


def take(descriptor: int, campaign: Campaign) -> None:
    """Lock the open lock file, or raise."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CampaignError(f"a campaign is running in this checkout: {running(campaign)}") from error


def running(campaign: Campaign) -> str:
    """Return the name of the row that runs at this moment, or nothing."""
    path = campaign.results / "lock"
    if not path.exists():
        return ""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().decode().strip()
    return ""


def status(campaign: Campaign) -> Table:
    """Return the state and the scores of every row."""
    done, active = ledger.read(campaign.ledger), running(campaign)
    table = Table(Column("row", no_wrap=True), "environment", "min", "state", "steps", "updates", "last", "best")
    for row in campaign.rows:
        entry = done.get(row.name)
        state = (
            "done" if entry else "running" if row.name == active else "waits" if obstacle_to(campaign, row) else "open"
        )
        values = [entry.get(key, "") for key in ("env_steps", "updates", "last_return", "best_return")] if entry else []
        table.add_row(row.name, row.environment, f"{row.minutes:g}", state, *(str(value) for value in values))
    return table


def plot(campaign: Campaign) -> list[Path]:
    """Draw one figure for each environment and each dataset from the ledger alone; return the files."""
    entries = list(ledger.read(campaign.ledger).values())
    curves = ledger.curves(entry for entry in entries if "dataset" not in entry)
    written = []
    for environment, members in grouped(curves, lambda curve: curve.environment).items():
        written.append(campaign.figures / f"{environment.lower().replace('/', '-')}.png")
        write_figure(members, default_axes(members), written[-1])
    for logged in ledger.by_dataset(entry for entry in entries if entry.get("curve")):
        name = logged[0]["dataset"]["name"]
        written.append(campaign.figures / f"offline-{name.lower().replace('/', '-')}.png")
        write_figure(ledger.curves(logged), OFFLINE_AXES, written[-1], name)
    return written


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names and commands of all rows")
    runner = commands.add_parser("run", help="make the open rows")
    runner.add_argument("--only", default="", metavar="PATTERN", help="parts of names, parted by commas; * is anything")
    runner.add_argument("--seconds", type=float, default=math.inf, metavar="BUDGET", help="begin no row beyond this")
    commands.add_parser("status", help="state and scores of all rows")
    commands.add_parser("plot", help="draw the figures")
    return parser.parse_args(words)


def main(words: Sequence[str], campaign: Campaign) -> int:
    """Do what the command line asks; return the exit code."""
    args = parse(words)
    if args.command == "run":
        return 1 if run(campaign, args.only, args.seconds) else 0
    if args.command == "list":
        print("\n".join(f"{row.name}: {' '.join(row.command)}" for row in campaign.rows))
    elif args.command == "status":
        Console().print(status(campaign))
    else:
        print("\n".join(str(path.relative_to(campaign.root)) for path in plot(campaign)) or "the ledger is empty")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:], Campaign(ROOT, ROWS)))
    except CampaignError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("stopped; the row that was running begins anew next time", flush=True)
        sys.exit(130)
