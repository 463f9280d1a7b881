"""Whether a run grows: `tools/endurance long` watches one for hours, `tools/endurance short` makes many in a row.

Memory is what a process has for itself: pages that forks share are counted once, the memory of stores not at all.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from rich.console import Console
from rich.table import Table

from spreeze.journal import machine, versions
from spreeze.panel.usage import anonymous_bytes
from tests.faults.scene import LIMIT_S, Scene, staged, wait_for

MB = 1 << 20
WARM_SHARE = 0.25
"""Of the time, in which memory may still grow: stores fill, allocators settle."""
SLOPE_MB_PER_HOUR = 1.0
RUN = ("--algo", "sac", "--env", "hopper", "--visualize", "none", "--tune", "off")
SHORT = ("--steps", "400", "--evaluate")


@dataclass(frozen=True)
class Sample:
    """A process at one moment."""

    hours: float
    memory_mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Growth:
    """A process after it was warm."""

    memory_mb: tuple[float, float]
    """First and last, each the median of a tenth of the samples."""
    slope_mb_per_hour: float
    descriptors: tuple[int, int]
    """Least and greatest."""
    threads: tuple[int, int]

    @property
    def failure(self) -> str:
        """What is wrong; empty if nothing is."""
        grown = [name for name in ("descriptors", "threads") if len(set(getattr(self, name))) > 1]
        slow = self.slope_mb_per_hour < SLOPE_MB_PER_HOUR
        return ", ".join([*([] if slow else [f"{self.slope_mb_per_hour:.2f} MB/h"]), *(f"{x} changed" for x in grown)])


def look(process: psutil.Process, hours: float) -> Sample:
    """One look at a process."""
    return Sample(hours, anonymous_bytes(process.pid) / MB, process.num_fds(), process.num_threads())


def growth(samples: Sequence[Sample]) -> Growth:
    """What became of a process after the warm part of its samples: the slope is that of least squares."""
    warm = [sample for sample in samples if sample.hours >= WARM_SHARE * samples[-1].hours]
    memory, tenth = np.array([sample.memory_mb for sample in warm]), max(len(warm) // 10, 1)
    slope = float(np.polyfit([sample.hours for sample in warm], memory, 1)[0])
    ends = float(np.median(memory[:tenth])), float(np.median(memory[-tenth:]))
    counts = [[getattr(sample, name) for sample in warm] for name in ("descriptors", "threads")]
    (fewest, most), (least, greatest) = ((min(values), max(values)) for values in counts)
    return Growth(ends, slope, (fewest, most), (least, greatest))


def watch(scene: Scene, options: Sequence[str], seconds: float, every: float) -> Mapping[str, Growth]:
    """Watch all processes of a run of so many seconds."""
    run = scene.start(["run", *options, "--seconds", "1000000", "--out", str(scene.folder)])
    wait_for(lambda: {"sampler-0", "learner", "evaluator"} <= scene.roles().keys(), LIMIT_S)
    processes = {"orchestrator": psutil.Process(run.pid), **scene.roles()}
    samples: dict[str, list[Sample]] = {name: [] for name in processes}
    begin, said = time.monotonic(), 0.0
    while (passed := time.monotonic() - begin) < seconds:
        for name, process in processes.items():
            samples[name].append(look(process, passed / 3600))
        if passed - said > 60:
            said = passed
            sys.stderr.write(f"{passed / 60:.0f} of {seconds / 60:.0f} minutes\n")
        time.sleep(every)
    scene.interrupt(signal.SIGTERM)
    run.communicate(timeout=LIMIT_S)
    scene.assert_clean()
    return {name: growth(found) for name, found in samples.items()}


def play_many(root: Path, folder: Path, runs: int) -> list[str]:
    """Make short runs one after the other, each of which must end well and leave nothing; return what went wrong."""
    wrong, temporary = list[str](), folder / "temporary"
    temporary.mkdir()
    for number in range(runs):
        with staged(root, folder) as scene, pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(temporary))
            process = scene.start(scene.words(*SHORT))
            output, _ = process.communicate(timeout=LIMIT_S)
            try:
                assert process.returncode == 0, f"exit code {process.returncode}: {output[-300:]}"
                scene.assert_clean()
            except AssertionError as error:
                wrong.append(f"run {number}: {error}")
        sys.stderr.write(f"{number + 1} of {runs} runs, {len(wrong)} wrong\n")
    left = sorted(path.name for path in temporary.iterdir())
    return wrong + ([f"left in the temporary folder: {', '.join(left)}"] if left else [])


def table(found: Mapping[str, Growth]) -> Table:
    """A line for each process."""
    drawn = Table("process", "memory, first to last [MB]", "slope [MB/h]", "descriptors", "threads", "")
    for name, grown in found.items():
        memory = "{:.1f} to {:.1f}".format(*grown.memory_mb)
        counts = (f"{a}" if a == b else f"{a} to {b}" for a, b in (grown.descriptors, grown.threads))
        drawn.add_row(name, memory, f"{grown.slope_mb_per_hour:+.2f}", *counts, grown.failure or "passed")
    return drawn


def main(argv: Sequence[str] | None = None) -> int:
    """Watch, print, write; return 1 if something grows or is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    long = commands.add_parser("long", epilog="Other options are those of the run, in place of SAC on Hopper.")
    long.add_argument("--hours", type=float, default=2.0)
    long.add_argument("--every", type=float, default=15.0, help="seconds between two looks")
    commands.add_parser("short").add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/endurance.json"))
    options, more = parser.parse_known_args(argv)
    if more and options.what == "short":
        parser.error(f"short takes no {' '.join(more)}: its runs are the same small ones")
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="endurance-") as folder:
        if options.what == "short":
            wrong = play_many(root, Path(folder), options.runs)
            sys.stdout.write(("\n".join(wrong) or f"{options.runs} runs, nothing left") + "\n")
            return int(bool(wrong))
        with staged(root, Path(folder)) as scene:
            found = watch(scene, [*(more or RUN)], 3600 * options.hours, options.every)
    Console(width=110).print(table(found))
    write(found, options.hours, options.out)
    return int(any(grown.failure for grown in found.values()))


def write(found: Mapping[str, Growth], hours: float, path: Path) -> None:
    """The numbers of the table."""
    processes = {name: asdict(grown) for name, grown in found.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "versions": versions(), "hours": hours, "processes": processes}))


if __name__ == "__main__":
    sys.exit(main())
