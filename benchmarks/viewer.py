"""What the viewer costs a run, and whether watching hurts it.

python benchmarks/viewer.py cost [--rounds 5] [--seconds 30] [--env halfcheetah] [--json FILE]
python benchmarks/viewer.py cycles [--cycles 100] [--json FILE]

`cost`: whole runs in turn, without a visualizer, with `--visualize browser` and nobody connected, and with a client
that takes every frame at the lowest priority; ratios of their rates to those without, round by round. `cycles`:
`spreeze watch` is attached to one run again and again and ended, by turns with SIGINT and SIGKILL; the run must finish
and its folder hold nothing else.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from throughput_run import TUNED, WARM_S, Run
from throughput_statistics import Spread, ratios

HERE = Path(__file__).resolve().parent
QUIET = ("--evaluate-every", "1000000", "--checkpoint-every", "1000000", "--tune", "off")
SIDES = {"none": "none", "detached": "browser", "attached": "browser"}
"""Name of a side, and how it visualizes."""
BOUNDS = {"detached": 0.98, "attached": 0.95}
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")
LIMIT_S = 120.0
"""For an address to be printed."""


def wait_for(file: Path) -> str:
    """The address of a viewer, once it stands in a file.

    Raises:
        RuntimeError: it does not in time.
    """
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        found = ADDRESS.search(file.read_text()) if file.exists() else None
        if found:
            return found[0]
        time.sleep(0.05)
    raise RuntimeError(f"no address in {file} within {LIMIT_S:g} s:\n{file.read_text() if file.exists() else ''}")


def start_client(url: str) -> "subprocess.Popen[str]":
    """Somebody who looks, at the lowest priority."""
    command = ["nice", "-n", "19", sys.executable, str(HERE / "viewer_client.py"), url]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def rates(side: str, words: Sequence[str], seconds: float) -> dict[str, float]:
    """The steady rates of one run."""
    with tempfile.TemporaryDirectory(prefix="spreeze-viewer-") as name:
        folder, client, seen = Path(name) / "run", None, {"messages": 0}
        run = Run([*words, "--visualize", SIDES[side]], folder, QUIET)
        try:
            run.begin_to_learn()
            url = "" if side == "none" else wait_for(folder / "log.txt")
            client = start_client(url) if side == "attached" else None
            run.wait(WARM_S)
            first = run.look()
            run.wait(seconds)
            last = run.look()
            if client is not None:
                seen = json.loads(client.communicate()[0])
            run.check()
            summary = run.stop()
        finally:
            run.end()
            if client is not None and client.poll() is None:
                client.kill()
    span = last.seconds - first.seconds
    rows = (last.rows - first.rows) / span
    found = {"env_steps": (last.env_steps - first.env_steps) / span, "updates": rows / summary["batch_size"]}
    return found | {"messages": seen["messages"] / max(seen.get("seconds", 1.0), 1e-9)}


def cost(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure all sides in turn; return rates and ratios."""
    words = ["--algo", "sac", "--env", args.env, "--seed", "0", *args.options.split()]
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(args.rounds):
        for side in list(SIDES)[number % 3 :] + list(SIDES)[: number % 3]:
            found[side].append(rates(side, words, args.seconds))
            console.print(f"round {number + 1}, {side}: {found[side][-1]}", highlight=False)
    table = Table(title=f"{args.env}, {args.rounds} rounds of {args.seconds:g} s, {os.cpu_count()} cores")
    for column in ("side", "env steps/s", "updates/s", "messages/s", "ratio of steps", "ratio of updates", "bound"):
        table.add_column(column)
    result: dict[str, Any] = {"rates": found, "ratios": {}}
    for side, several in found.items():
        medians = [Spread.of([one[key] for one in several]).median for key in ("env_steps", "updates", "messages")]
        told = [f"{median:,.1f}" for median in medians]
        for key in ("env_steps", "updates"):
            shares = ratios([one[key] for one in several], [one[key] for one in found["none"]])
            spread = Spread.of(shares)
            result["ratios"].setdefault(side, {})[key] = shares
            told.append(f"{spread.median:.3f} ({spread.low:.3f} to {spread.high:.3f})")
        table.add_row(side, *told, f">= {BOUNDS[side]}" if side in BOUNDS else "")
    console.print(table)
    return result


def cycles(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Attach to one run and end, again and again; return how it came out."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="spreeze-viewer-") as name:
        folder, words = (
            Path(name) / "run",
            ["--algo", "sac", "--env", args.env, *args.options.split(), "--visualize", "none"],
        )
        run = Run(words, folder, ("--checkpoint-every", "10", "--tune", "off"))
        try:
            run.begin_to_learn()
            deadline = time.monotonic() + LIMIT_S
            while not list(folder.glob("checkpoints/checkpoint-*")) and time.monotonic() < deadline:
                run.wait(0.5)
            before = {path.name for path in folder.iterdir()}
            for number in range(args.cycles):
                faults += cycle(folder, Path(name) / "watch.txt", signal.SIGINT if number % 2 else signal.SIGKILL)
                console.print(f"cycle {number + 1} of {args.cycles}, {len(faults)} faults", highlight=False)
            run.check()
            new = {path.name for path in folder.iterdir()} - before - {"videos", "summary.json"}
            summary = run.stop()
        finally:
            run.end()
    faults += [f"left in the run folder: {file}" for file in sorted(new)]
    console.print(f"{args.cycles} cycles, {len(faults)} faults; restarts of roles: {summary['restarts']}")
    return {"cycles": args.cycles, "faults": faults, "restarts": summary["restarts"]}


def cycle(folder: Path, log: Path, number: int) -> list[str]:
    """Attach to a run, look for a moment, end by a signal; return what went wrong."""
    log.unlink(missing_ok=True)
    with log.open("wb") as file:
        watch = subprocess.Popen([sys.executable, "-m", "spreeze", "watch", str(folder)], stdout=file, stderr=file)
    client = None
    try:
        client = start_client(wait_for(log))
        time.sleep(1.0)
        watch.send_signal(number)
        code = watch.wait(LIMIT_S)
        seen = json.loads(client.communicate()[0])["messages"]
    except (RuntimeError, subprocess.TimeoutExpired, ValueError) as error:
        return [str(error)]
    finally:
        for process in (watch, client):
            if process is not None and process.poll() is None:
                process.kill()
    wanted = 0 if number == signal.SIGINT else -number
    return [] if code == wanted and seen > 0 else [f"exit code {code} instead of {wanted}, {seen} messages"]


def main() -> int:
    """Measure; return 1 if watching has hurt the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "cycles"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--env", default="halfcheetah")
    parser.add_argument("--options", default=TUNED, help="of the run, as on its command line")
    parser.add_argument("--json", type=Path, help="where the numbers go")
    args, console = parser.parse_args(), Console()
    result = (cost if args.what == "cost" else cycles)(args, console)
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1))
    return 1 if result.get("faults") else 0


if __name__ == "__main__":
    raise SystemExit(main())
