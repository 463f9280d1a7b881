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
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import campaign_ledger as ledger
from campaign_rows import ROWS, Row
from rich.console import Console
from rich.table import Table

from spreeze.plot import grouped, write_png

ROOT = Path(__file__).resolve().parents[1]
REPORT_S = 60.0
"""Seconds between two lines of progress."""
STOP_S = 20.0
"""Seconds that a run is given to end after SIGTERM."""


class CampaignError(Exception):
    """The campaign cannot go on; the message says why."""


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
        """Return the rows whose name holds the pattern, in which `*` and `?` stand for anything."""
        return [row for row in self.rows if fnmatch.fnmatchcase(row.name, f"*{only}*")]

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
            if 60 * row.minutes > deadline - time.monotonic():
                print(f"{row.name}: {row.minutes:g} min do not fit into the rest of the budget", flush=True)
                continue
            print(f"{row.name} ({number} of {len(rows)}): {row.minutes:g} min", flush=True)
            failed += not complete(campaign, row, lock)
    return failed


def complete(campaign: Campaign, row: Row, lock: int) -> bool:
    """Make one row from scratch and enter it into the ledger; return whether it finished."""
    commit = ledger.commit_of(campaign.root)
    out = campaign.results / row.name
    shutil.rmtree(out, ignore_errors=True)
    os.pwrite(lock, row.name.ljust(200).encode(), 0)
    code = execute(campaign, row, out, lock)
    summary = finished_summary(out) if code == 0 else None
    if summary is None:
        print(f"{row.name}: FAILED with exit code {code}; see runs/campaign/{row.name}.txt", flush=True)
        return False
    entry = ledger.entry_of(row, summary, commit)
    ledger.append(campaign.ledger, entry)
    scores = f"last return {entry['last_return']}, best {entry['best_return']}"
    print(f"{row.name}: {entry['wall_seconds']:.0f} s, {entry['env_steps']} steps, {scores}", flush=True)
    return True


def finished_summary(out: Path) -> dict[str, Any] | None:
    """Return the summary of a run that came to its own end."""
    try:
        summary: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if summary.get("exit_reason", "finished") == "finished" else None


def execute(campaign: Campaign, row: Row, out: Path, lock: int) -> int:
    """Run the command of a row to its end and return its exit code; stop it if the campaign is stopped.

    The run inherits the lock, so that no second row begins beside one whose campaign was killed.
    """
    command = resolve(campaign.root, row, out)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (campaign.results / f"{row.name}.txt").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=campaign.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )
        try:
            return wait(process, row)
        finally:
            stop(process)


def resolve(root: Path, row: Row, out: Path) -> list[str]:
    """Return the command of a row without placeholders; prepares the peers' environment if it is asked for."""
    words = list(row.command)
    values = {"{out}": str(out), "{seed}": str(row.seed), "{python}": sys.executable}
    if any("{peers}" in word for word in words):
        values["{peers}"] = str(peers_python(root))
    for placeholder, value in values.items():
        words = [word.replace(placeholder, value) for word in words]
    return words


def wait(process: subprocess.Popen[bytes], row: Row) -> int:
    """Wait for a run, with a line of progress now and then; give up when it takes more than twice its time."""
    begin, limit = time.monotonic(), 120.0 * row.minutes + 300.0
    while (elapsed := time.monotonic() - begin) < limit:
        try:
            return process.wait(timeout=REPORT_S)
        except subprocess.TimeoutExpired:
            print(f"{row.name}: {(elapsed + REPORT_S) / 60:.0f} of {row.minutes:g} min", flush=True)
    print(f"{row.name}: no end after {limit:.0f} s, stopped", flush=True)
    return 124


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a run and all that it started; does nothing to one that has ended."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def peers_python(root: Path) -> Path:
    """Return the interpreter of the peers' virtual environment, made anew whenever its requirements differ."""
    folder, wanted = root / ".venv-peers", root / "benchmarks" / "peers" / "requirements.txt"
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        print("installing the peers into .venv-peers", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=True)
        except subprocess.CalledProcessError as error:
            raise CampaignError(f"the peers cannot be installed from {wanted.name}: {error}") from error
        installed.write_bytes(wanted.read_bytes())
    return python


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
    table = Table("row", "environment", "min", "state", "steps", "updates", "last", "best")
    for row in campaign.rows:
        entry = done.get(row.name)
        state = "done" if entry else "running" if row.name == active else "open"
        values = [entry[key] for key in ("env_steps", "updates", "last_return", "best_return")] if entry else []
        table.add_row(row.name, row.environment, f"{row.minutes:g}", state, *(str(value) for value in values))
    return table


def plot(campaign: Campaign) -> list[Path]:
    """Draw one figure for each environment from the ledger alone; return the files."""
    curves = ledger.curves(ledger.read(campaign.ledger).values())
    written = []
    for environment, members in grouped(curves, lambda curve: curve.environment).items():
        written.append(campaign.figures / f"{environment.lower().replace('/', '-')}.png")
        write_png(members, written[-1])
    return written


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names and commands of all rows")
    runner = commands.add_parser("run", help="make the open rows")
    runner.add_argument("--only", default="", metavar="PATTERN", help="part of a row's name; * and ? match anything")
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
