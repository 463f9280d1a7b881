"""The kill matrix: kills each role of real runs again and again, then looks for what should not be there.

python benchmarks/kills.py [--kills 25] [--seconds 240] [--seed 0] [--out DIR]

A role is killed (SIGKILL) at a random moment after the one before is up again: its successor has a higher incarnation
and has beaten its heart. Both are read from the run's counters page, through the memory file of the orchestrator.
Afterwards each run must have ended by itself with exit code 0 and a summary that says `finished`, no counter may have
run backwards, and no process, socket or file in /dev/shm may be left.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from kills_watch import CountersPage, command_line, is_alive, is_role
from rich.console import Console
from rich.table import Table

KINDS = ("sampler", "learner", "evaluator", "visualizer")
GAP_S = (0.5, 4.0)
"""Seconds between the return of a role and the next kill, drawn evenly."""
START_S, RECOVERY_S, END_S = 120.0, 60.0, 120.0
"""Limits for the start of a run, the return of a role, and the end of a run beyond its `--seconds`."""
MARGIN_S = 20.0
"""No kill in the last seconds of a run, so that a role can be seen to return."""
SHM = Path("/dev/shm")


@dataclass
class Kill:
    """One kill, and the seconds until the role worked again; None if it never did."""

    role: str
    at_s: float
    recovery_s: float | None = None


@dataclass
class Run:
    """A run under fire. Its sockets and temporary files go to a folder of its own."""

    folder: Path
    seconds: float
    seed: int
    kills: list[Kill] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seen: set[psutil.Process] = field(default_factory=set)

    def start(self) -> None:
        """Start the run and wait until all its roles work."""
        self.shm = set(os.listdir(SHM))
        self.runtime = Path(tempfile.mkdtemp(prefix="kills-"))
        options = ("--algo", "sac", "--env", "pendulum", "--samplers", "2", "--visualize", "video", "--tune", "off")
        numbers = ("--seconds", f"{self.seconds:g}", "--seed", str(self.seed), "--out", str(self.folder))
        places = {"XDG_RUNTIME_DIR": str(self.runtime), "TMPDIR": str(self.runtime)}
        with self.folder.with_suffix(".txt").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spreeze", "run", *options, *numbers],
                env={**os.environ, **places},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.begin = time.monotonic()
        try:
            self.page = self._attach()
            self._await_roles()
        except BaseException:
            self.process.kill()
            raise

    def _await_roles(self) -> None:
        while not self.page.all_up() and self.running():
            if time.monotonic() - self.begin > START_S:
                raise TimeoutError(f"roles are not all up after {START_S:g} s; running: {sorted(self.roles())}")
            time.sleep(0.05)

    def _attach(self) -> CountersPage:
        while self.running() and time.monotonic() - self.begin < START_S:
            try:
                return CountersPage(self.process.pid)
            except (StopIteration, ValueError, OSError):
                time.sleep(0.05)
        raise TimeoutError(f"no counters page; see {self.folder.with_suffix('.txt')}")

    def running(self) -> bool:
        """Whether the orchestrator runs; notes its descendants."""
        if self.process.poll() is not None:
            return False
        try:
            self.seen.update(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return False
        return True

    def left(self) -> float:
        """Seconds until the run ends by itself."""
        return self.seconds - (time.monotonic() - self.begin)

    def roles(self) -> dict[str, psutil.Process]:
        """Return the role processes by role."""
        found = {}
        for process in psutil.Process(self.process.pid).children() if self.running() else []:
            words = command_line(process)
            if words[:1] == ["spreeze:"]:
                found[words[1]] = process
        return found

    def pause(self, seconds: float) -> None:
        """Let the run go on for a while, watched."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.running():
            self.page.watch()
            time.sleep(0.02)

    def kill(self, kind: str, rng: random.Random) -> None:
        """Kill one role of a kind and wait until its successor works."""
        roles = self.roles()
        targets = sorted(name for name in roles if name.startswith(kind))
        if not targets:
            self.faults.append(f"no {kind} to kill")
            return
        role = rng.choice(targets)
        before, begin, killed_ns = self.page.watch(), time.monotonic(), time.monotonic_ns()
        roles[role].kill()
        kill = Kill(role, round(begin - self.begin, 2))
        self.kills.append(kill)
        while self.running() and time.monotonic() - begin < RECOVERY_S:
            if self.page.returned(before, killed_ns):
                kill.recovery_s = round(time.monotonic() - begin, 3)
                return
            time.sleep(0.005)
        self.faults.append(f"{role} did not return")

    def finish(self) -> None:
        """Wait for the end of the run, and note what is wrong or left behind."""
        until = self.begin + self.seconds + END_S
        while self.running() and time.monotonic() < until:
            self.page.watch()
            time.sleep(0.02)
        if self.process.poll() is None:
            self.faults.append("did not end")
            self.process.kill()
        code = self.process.wait()
        self.faults += [f"exit code {code}"] if code else []
        time.sleep(0.5)
        self.faults += [*self.page.faults, *self.summary_faults(), *self.leftovers()]
        shutil.rmtree(self.runtime, ignore_errors=True)

    def summary(self) -> dict[str, Any]:
        """Return the run's summary; empty if there is none."""
        path = self.folder / "summary.json"
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return content

    def summary_faults(self) -> list[str]:
        """Compare the summary with what was done to the run."""
        summary = self.summary()
        faults = [] if summary.get("exit_reason") == "finished" else [f"exit reason {summary.get('exit_reason')}"]
        evaluations = summary.get("evaluations", [])
        totals = {"env_steps": [summary["env_steps"]]} if summary else {}
        for name in ("seconds", "env_steps", "weight_version"):
            values = [evaluation[name] for evaluation in evaluations] + totals.get(name, [])
            faults += [f"{name} runs backwards in the summary"] if values != sorted(values) else []
        for kind in KINDS:
            restarts = sum(count for role, count in summary.get("restarts", {}).items() if role.startswith(kind))
            killed = sum(kill.role.startswith(kind) for kill in self.kills)
            faults += [f"{restarts} restarts of {kind} after {killed} kills"] if restarts != killed else []
        return faults

    def leftovers(self) -> list[str]:
        """Return what the run left: processes, sockets, files in /dev/shm."""
        orphans = {process for process in self.seen if is_alive(process)}
        orphans |= {process for process in psutil.process_iter() if is_role(process, self.folder.name)}
        sockets = [path for path in self.runtime.rglob("*") if path.is_socket()]
        files = set(os.listdir(SHM)) - self.shm
        return [f"left: {thing}" for thing in (*orphans, *sockets, *sorted(files))]


def fire(run: Run, quota: Counter[str], rng: random.Random) -> None:
    """Kill the kinds in turn, in random order and at random times, until the quota or the run is spent."""
    while any(quota.values()) and not run.faults:
        kinds = [kind for kind in KINDS if quota[kind]]
        for kind in rng.sample(kinds, k=len(kinds)):
            run.pause(rng.uniform(*GAP_S))
            if run.left() < MARGIN_S or not run.running():
                return
            run.kill(kind, rng)
            quota[kind] -= 1


def matrix(folder: Path, kills: int, seconds: float, seed: int) -> list[Run]:
    """Make runs until each kind has been killed `kills` times, or a run shows a fault."""
    rng, quota, runs = random.Random(seed), Counter(dict.fromkeys(KINDS, kills)), list[Run]()
    while any(quota.values()) and not any(run.faults for run in runs):
        run = Run(folder / f"run-{len(runs)}", seconds, seed + len(runs))
        runs.append(run)
        run.start()
        fire(run, quota, rng)
        run.finish()
        print(f"{run.folder.name}: {len(run.kills)} kills, {'; '.join(run.faults) or 'no faults'}", flush=True)
    return runs


def figures(runs: Iterable[Run]) -> dict[str, dict[str, float]]:
    """Return, by kind, how often it was killed, how often it came back, and how fast."""
    kills = [kill for run in runs for kill in run.kills]
    result = {}
    for kind in KINDS:
        own = [kill for kill in kills if kill.role.startswith(kind)]
        times = [kill.recovery_s for kill in own if kill.recovery_s is not None]
        spread = {"median_s": round(statistics.median(times), 3), "max_s": max(times)} if times else {}
        result[kind] = {"killed": len(own), "recovered": len(times), **spread}
    return result


def report(runs: Sequence[Run], folder: Path) -> None:
    """Print the table and write `kills.json`."""
    table, by_kind = Table("role", "killed", "recovered", "median [s]", "max [s]"), figures(runs)
    for kind, values in by_kind.items():
        table.add_row(kind, *(f"{value:g}" for value in values.values()))
    Console().print(table)
    details = [
        {
            "kills": [[kill.at_s, kill.role, kill.recovery_s] for kill in run.kills],
            "faults": run.faults,
            **{name: run.summary().get(name) for name in ("env_steps", "updates", "wall_seconds", "restarts")},
        }
        for run in runs
    ]
    (folder / "kills.json").write_text(json.dumps({"roles": by_kind, "runs": details}, indent=1) + "\n")


def main() -> int:
    """Make the matrix; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="for each kind of role")
    parser.add_argument("--seconds", type=float, default=240, help="length of one run")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of the first run")
    default = Path("runs") / time.strftime("kills-%Y%m%d-%H%M%S")
    parser.add_argument("--out", type=Path, default=default, help="folder to make")
    args = parser.parse_args()
    try:
        args.out.mkdir(parents=True)
        runs = matrix(args.out, args.kills, args.seconds, args.seed)
    except (FileExistsError, TimeoutError) as error:
        parser.exit(1, f"{error}\n")
    report(runs, args.out)
    return 1 if any(run.faults for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
