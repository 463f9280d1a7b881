"""Contestants of a benchmark: processes on cores of their own, which work in turn while all others wait."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from throughput_statistics import averaged, summed

POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
READY_LIMIT_S, ANSWER_LIMIT_S = 600.0, 600.0
"""For a process to get ready (it may compile), and for an answer beyond the seconds asked for."""
TAIL = 6
"""Lines of standard error that are told of a process that failed."""


class BenchmarkError(Exception):
    """A contestant cannot be measured; the message says why."""


@dataclass(frozen=True)
class Contestant:
    """One setting of one side."""

    name: str
    group: str
    """The side; the best of its settings stands for it."""
    commands: Sequence[Sequence[str]]
    """One for each process."""
    cores: Sequence[tuple[int, ...]]
    """Of each process."""
    threads: int = 1
    """Of the numerical libraries of each process."""


@dataclass(frozen=True)
class Sample:
    """What all processes of a contestant did per second in one round, and what they saw on average."""

    rates: Mapping[str, float]
    means: Mapping[str, float]


class Crew:
    """The processes of one contestant, warm and waiting."""

    def __init__(self, contestant: Contestant, folder: Path) -> None:
        self.contestant, self._folder = contestant, folder
        self._processes: list[subprocess.Popen[str]] = []
        self.about: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            for index, (command, cores) in enumerate(zip(self.contestant.commands, self.contestant.cores, strict=True)):
                self._processes.append(self._start(index, command, cores))
        except OSError as error:
            self.close()
            raise BenchmarkError(f"{self.contestant.name}: {error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _start(self, index: int, command: Sequence[str], cores: tuple[int, ...]) -> "subprocess.Popen[str]":
        limits = dict.fromkeys(POOLS, str(self.contestant.threads))
        with self._log(index).open("w") as log, pinned(cores):
            return subprocess.Popen(
                command,
                env=os.environ | limits,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                start_new_session=True,
            )

    def _log(self, index: int) -> Path:
        return self._folder / f"{''.join(c if c.isalnum() else '-' for c in self.contestant.name)}-{index}.txt"

    def wait_ready(self) -> None:
        """Wait until every process is warm.

        Raises:
            BenchmarkError: one has ended, or takes too long.
        """
        for index in range(len(self._processes)):
            self.about = self._answer(index, READY_LIMIT_S)["ready"]

    def measure(self, seconds: float) -> Sample:
        """Have all processes work for `seconds` at the same time.

        Raises:
            BenchmarkError: one has ended, or takes too long.
        """
        for process in self._processes:
            assert process.stdin is not None, "a pipe was asked for"
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(f"{seconds}\n")
        answers = [self._answer(index, seconds + ANSWER_LIMIT_S) for index in range(len(self._processes))]
        rates = {key: summed(answers, key) for key in answers[0]["counts"]}
        return Sample(rates, {key: averaged(answers, key) for key in answers[0]["means"]})

    def _answer(self, index: int, limit_s: float) -> dict[str, Any]:
        process = self._processes[index]
        assert process.stdout is not None, "a pipe was asked for"
        watchdog = threading.Timer(limit_s, kill, [process])
        watchdog.start()
        line = process.stdout.readline()
        watchdog.cancel()
        if not line:
            process.wait()
            lines = self._log(index).read_text(errors="replace").splitlines()[-TAIL:]
            raise BenchmarkError(f"{self.contestant.name} ended with code {process.returncode}: {' | '.join(lines)}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End all processes and what they have started."""
        for process in self._processes:
            kill(process)
            process.communicate()
        self._processes = []


def kill(process: "subprocess.Popen[str]") -> None:
    """End a process and what it has started, which may hold its pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """Keep this process, and what it starts meanwhile, to `cores`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


Say = Callable[[str], None]


@dataclass
class Results:
    """What came of some contestants: samples by name, and why others were left out."""

    contestants: dict[str, Contestant]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)

    def rates(self, key: str) -> dict[str, list[float]]:
        """Return the rates of `key` by contestant that has them, round by round."""
        return {
            name: [sample.rates[key] for sample in samples]
            for name, samples in self.samples.items()
            if samples and key in samples[0].rates
        }

    def groups(self) -> dict[str, str]:
        """Return the group of each contestant."""
        return {name: one.group for name, one in self.contestants.items()}

    def drop(self, name: str, reason: str) -> None:
        """Leave out a contestant that failed."""
        self.samples.pop(name, None)
        self.left_out[name] = reason


def in_turn(
    contestants: Sequence[Contestant], rounds: int, seconds: float, folder: Path, say: Say, title: str
) -> Results:
    """Measure every contestant once in each round, in the same order; one that fails is left out with its reason."""
    results = Results({one.name: one for one in contestants}, {one.name: [] for one in contestants})
    with ExitStack() as stack:
        crews = started(contestants, folder, stack, results, say, title)
        for number in range(1, rounds + 1):
            for name in list(crews):
                try:
                    sample = crews[name].measure(seconds)
                except BenchmarkError as error:
                    del crews[name]
                    leave_out(results, name, str(error), say)
                    continue
                results.samples[name].append(sample)
                say(f"{title}: round {number} of {rounds}: {name}: {in_words(sample)}")
    return results


def started(
    contestants: Sequence[Contestant], folder: Path, stack: ExitStack, results: Results, say: Say, title: str
) -> dict[str, Crew]:
    """Start all processes at once, since nothing is measured yet, and return the crews that are ready."""
    begin, entered, crews = time.monotonic(), dict[str, Crew](), dict[str, Crew]()
    for contestant in contestants:
        try:
            entered[contestant.name] = stack.enter_context(Crew(contestant, folder))
        except BenchmarkError as error:
            leave_out(results, contestant.name, str(error), say)
    for name, crew in entered.items():
        try:
            crew.wait_ready()
        except BenchmarkError as error:
            leave_out(results, name, str(error), say)
            continue
        crews[name], results.about[name] = crew, crew.about
        say(f"{title}: {name} is ready after {time.monotonic() - begin:.1f} s")
    return crews


def leave_out(results: Results, name: str, reason: str, say: Say) -> None:
    """Drop a contestant and say so."""
    results.drop(name, reason)
    say(f"{name} is left out: {reason}")


def in_words(sample: Sample) -> str:
    """Return the rates of one sample for the screen."""
    return ", ".join(f"{rate:,.0f} {key.replace('_', ' ')}/s" for key, rate in sample.rates.items())
