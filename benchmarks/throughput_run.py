"""Our side of the benchmark of both at once: whole runs of `spreeze run`, a worker of throughput.py.

Each request is a run in a fresh folder, seen from outside through its counters page. WARM_S after the first update the
count begins: start-up, compilation and warm-up do not count, as on the peers' side. Then the run is asked to stop.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kills_watch import CountersPage
from peers.serving import answer, claim_stdout, serve

from spreeze.transport.counters import ENV_STEPS, INCARNATION, ROWS

WARM_S = 3.0
"""Seconds after the first update that do not count."""
START_LIMIT_S, STOP_LIMIT_S = 240.0, 90.0
"""For the first update, and for the last checkpoint and the end of all processes."""
LOOK_S = 0.05
STEPS = 10**12
"""A run that no number of steps ends."""
TUNED = "--samplers 1 --envs-per-sampler 64 --learner-cores 1 --batch-size 8192 --replay-ratio 4.5"
"""Chosen by hand for two cores: one samples, one learns, and neither waits for long."""
NO_EXTRAS = ("--visualize", "none", "--evaluate-every", "1000000", "--checkpoint-every", "1000000", "--tune", "off")
"""The peers neither evaluate nor save while they learn."""


@dataclass(frozen=True)
class Moment:
    """What the counters of a run show at some time."""

    seconds: float
    env_steps: int
    rows: int


class Run:
    """A run under way."""

    def __init__(self, words: Sequence[str], folder: Path, extras: Sequence[str] = NO_EXTRAS) -> None:
        self.folder = folder
        self._command = [sys.executable, "-m", "spreeze", "run", *words, *extras, "--steps", str(STEPS)]
        self._command += ["--out", str(folder)]
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr)

    def wait_until(self, over: Callable[[], bool], limit_s: float) -> None:
        """Wait until something is over.

        Raises:
            RuntimeError: the run has ended before, or it takes too long.
        """
        deadline = time.monotonic() + limit_s
        while not over():
            if self._process.poll() is not None:
                raise RuntimeError(f"`{shlex.join(self._command)}` ended with code {self._process.returncode}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"`{shlex.join(self._command)}`: no update within {limit_s:g} s")
            time.sleep(LOOK_S)

    def begin_to_learn(self) -> None:
        """Wait for the first update."""
        self.wait_until(self._has_page, START_LIMIT_S)
        self.wait_until(lambda: self.look().rows > 0, START_LIMIT_S)

    def _has_page(self) -> bool:
        with suppress(StopIteration, FileNotFoundError):
            self._page = CountersPage(self._process.pid)
            return True
        return False

    def look(self) -> Moment:
        """Read the counters."""
        words = self._page.watch()
        return Moment(time.perf_counter(), int(words[:, ENV_STEPS].sum()), int(words[:, ROWS].sum()))

    def wait(self, seconds: float) -> None:
        """Let it run on."""
        begin = time.monotonic()
        self.wait_until(lambda: time.monotonic() - begin >= seconds, seconds + START_LIMIT_S)

    def check(self) -> None:
        """Raise RuntimeError if a role had to be restarted: one that meets a number that is not finite ends."""
        if self._page.faults or int(self._page.watch()[:, INCARNATION].max()) > 1:
            raise RuntimeError(f"a role had to be restarted; {sorted(self._page.faults)}")

    def stop(self) -> Mapping[str, Any]:
        """Ask the run to stop, which saves a checkpoint of finite weights; return its summary.

        Raises:
            RuntimeError: it ended otherwise.
        """
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_LIMIT_S)
        if code != 128 + signal.SIGTERM:
            raise RuntimeError(f"`{shlex.join(self._command)}` ended with code {code}")
        summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))
        return summary

    def end(self) -> None:
        """End it whatever has happened."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def measured(words: Sequence[str], seconds: float) -> Any:
    """Make one run in a folder of its own; return its steady rates."""
    with tempfile.TemporaryDirectory(prefix="spreeze-throughput-") as name:
        run = Run(words, Path(name) / "run")
        try:
            run.begin_to_learn()
            run.wait(WARM_S)
            first = run.look()
            run.wait(seconds)
            last = run.look()
            run.check()
            summary = run.stop()
        finally:
            run.end()
    means = {"replay_ratio": summary["replay_ratio"], "policy_lag": summary["policy_lag"]}
    return between(first, last, means)


def between(first: Moment, last: Moment, means: Mapping[str, float]) -> Any:
    """Return what was done between two moments."""
    counts = {"env_steps": last.env_steps - first.env_steps, "rows": last.rows - first.rows}
    return answer(counts, last.seconds - first.seconds, means)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="HalfCheetah-v5")
    parser.add_argument("--options", default=TUNED, help="of the run, as on its command line")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = claim_stdout()
    words = ["--algo", "sac", "--env", args.env, "--seed", str(args.seed), *shlex.split(args.options)]
    serve(out, lambda seconds: measured(words, seconds))


if __name__ == "__main__":
    main()
