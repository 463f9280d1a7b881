"""What a gradient step of offline model-based learning costs, ours beside OfflineRL-Kit's, measured in turn.

python benchmarks/offline_cost.py --kit PATH [--threads 1,2] [--quick] [--json FILE]

PATH is a checkout of https://github.com/yihaosun1124/OfflineRL-Kit at commit e3ce697. Each side is a process with the
same number of threads on the same cores: peers/offlinerl_kit.py and offline_cost_ours.py. One works while the other
waits, in turn, several times. A gradient step is one update with the drawing of its batch, its share of imagination
(50,000 rollouts of 5 steps every 1,000 updates, RAMBO's every 250) and, for RAMBO, of 1,000 updates of the model.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from offline_cost_work import ROLLOUTS, Shape, work
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PAIRS = (("mopo", "mopo"), ("mobile", "mobile"), ("rambo", "micro"))
"""The peer's algorithm, and ours that is set beside it."""
PRODUCT = 2 * 1024**3
"""Floating-point operations of one product that offline_cost_ours.py times."""


@dataclass(frozen=True)
class Counts:
    """How often each thing is done in one measurement."""

    repetitions: int
    learn: int
    rollouts: int
    model: int
    products: int


FULL, QUICK = Counts(5, 40, 50_000, 60, 30), Counts(5, 10, 5000, 10, 10)
"""The kit imagines from 50,000 states at once, which takes it longer by the row than few at a time."""
WARM = Counts(1, 5, 1000, 2, 1)


class Side:
    """A process that answers each request with the seconds that it took."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        self.name, environment = Path(command[0]).name, os.environ | dict.fromkeys(POOLS, str(threads))
        self.process = subprocess.Popen(
            [sys.executable, *command, "--threads", str(threads)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        self.answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()

    def answer(self) -> str:
        """The next line.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self.process.stdout is not None, "a pipe was asked for"
        line = self.process.stdout.readline()
        if not line:
            self.process.communicate()
            raise RuntimeError(f"{self.name} ended with code {self.process.returncode}")
        return line.strip()

    def ms(self, name: str, what: str, count: int) -> float:
        """Milliseconds per unit of `count` units of work."""
        assert self.process.stdin is not None, "a pipe was asked for"
        self.process.stdin.write(f"{name} {what} {count}\n")
        return 1000 * float(self.answer()) / count


@dataclass(frozen=True)
class Cost:
    """Milliseconds per gradient step on both sides, one entry per repetition."""

    peer: str
    ours: str
    piece: str
    peer_ms: list[float]
    ours_ms: list[float]

    def ratios(self) -> list[float]:
        """The peer's time over ours, by repetition; none where only the peer does such work."""
        return [peer / ours for peer, ours in zip(self.peer_ms, self.ours_ms, strict=True) if ours]


def compare(kit: Side, own: Side, counts: Counts, pairs: Iterable[tuple[str, str]] = PAIRS) -> list[Cost]:
    """Time every pair, sides in turn, after some work that does not count."""
    measured: dict[tuple[str, str, str], tuple[list[float], list[float]]] = {}
    for peer, ours in pairs:
        step_costs(kit, own, peer, ours, WARM)
    for repetition in range(1, counts.repetitions + 1):
        print(f"round {repetition} of {counts.repetitions}", file=sys.stderr, flush=True)
        for peer, ours in pairs:
            for piece, both in step_costs(kit, own, peer, ours, counts).items():
                columns = measured.setdefault((peer, ours, piece), ([], []))
                columns[0].append(both[0])
                columns[1].append(both[1])
    return [Cost(*key, *columns) for key, columns in measured.items()]


def step_costs(kit: Side, own: Side, peer: str, ours: str, counts: Counts) -> dict[str, tuple[float, float]]:
    """Milliseconds per gradient step of (peer, ours), by piece and in sum."""
    share = ROLLOUTS * (4 if peer == "rambo" else 1)
    found = {
        "update": (kit.ms(peer, "learn", counts.learn), own.ms(ours, "learn", counts.learn)),
        "rollouts": (
            share * kit.ms(peer, "rollouts", counts.rollouts),
            ROLLOUTS * own.ms(ours, "rollouts", counts.rollouts),
        ),
    }
    if peer == "rambo":
        found["model"] = kit.ms(peer, "model", counts.model), 0.0
    columns = tuple(zip(*found.values(), strict=True))
    return found | {"sum": (sum(columns[0]), sum(columns[1]))}


def pieces(own: Side, name: str, counts: Counts) -> dict[str, float]:
    """Milliseconds of each piece of our gradient step; the penalty is what the critic takes beyond MOPO's."""
    plain = own.ms("mopo", "critic", counts.learn)
    found = {
        "drawing": own.ms(name, "drawing", counts.learn),
        "target and critic": plain,
        "actor": own.ms(name, "actor", counts.learn),
        "rollouts": ROLLOUTS * own.ms(name, "rollouts", counts.rollouts),
    }
    return found if name == "mopo" else found | {"penalty": own.ms(name, "critic", counts.learn) - plain}


@dataclass(frozen=True)
class Anatomy:
    """Where our time goes, in milliseconds per gradient step and repetition, beside what the products alone take."""

    ours: str
    ms: dict[str, list[float]]
    gflop: dict[str, float]
    gflops: dict[str, float]
    """Rates of matrix products by data type, the best of all repetitions."""

    def limit_ms(self, piece: str, dtype: str) -> float:
        """Least milliseconds of a piece whose products run at the rate of `dtype`."""
        return 1000 * self.gflop.get(piece, 0.0) / self.gflops[dtype]


def anatomies(own: Side, counts: Counts, shape: Shape) -> list[Anatomy]:
    """Take our three algorithms apart."""
    rates = {d: max(rate(own, d, counts) for _ in range(counts.repetitions)) for d in ("float32", "bfloat16")}
    found = []
    for _, name in PAIRS:
        rounds = [pieces(own, name, counts) for _ in range(counts.repetitions)]
        flops = work(name, shape)
        flops["target and critic"] = flops.pop("target") + flops.pop("critic")
        columns = {piece: [r[piece] for r in rounds] for piece in rounds[0]}
        found.append(Anatomy(name, columns, {piece: flop / 1e9 for piece, flop in flops.items()}, rates))
    return found


def rate(own: Side, dtype: str, counts: Counts) -> float:
    """Billions of operations per second of large products."""
    return PRODUCT / 1e6 / own.ms("product", dtype, counts.products)


def title(threads: int) -> str:
    """Of a table."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def cost_table(costs: Iterable[Cost], threads: int) -> Table:
    """Both sides beside each other; the spread is that of the ratio over repetitions."""
    heads = ("peer", "ours", "per gradient step", "peer [ms]", "ours [ms]", "ratio", "spread")
    table = Table(*heads, title=title(threads))
    for cost in costs:
        ratios = cost.ratios()
        spread = (f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}") if ratios else ("", "")
        table.add_row(cost.peer, cost.ours, cost.piece, median(cost.peer_ms), median(cost.ours_ms), *spread)
    return table


def anatomy_table(found: Iterable[Anatomy], threads: int) -> Table:
    """Where our time goes, and what the matrix products alone would take."""
    table = Table("ours", "piece", "ms", "GFLOP", "float32 limit [ms]", "bfloat16 limit [ms]", title=title(threads))
    for one in found:
        for piece, ms in one.ms.items():
            limits = [f"{one.limit_ms(piece, dtype):.2f}" for dtype in one.gflops]
            table.add_row(one.ours, piece, median(ms), f"{one.gflop.get(piece, 0.0):.2f}", *limits)
    return table


def median(ms: Sequence[float]) -> str:
    """The median as it stands in a table."""
    return f"{statistics.median(ms):.2f}" if any(ms) else "-"


def on_cores(threads: int, measure: Callable[[], tuple[list[Cost], list[Anatomy]]]) -> tuple[list[Cost], list[Anatomy]]:
    """Call `measure` while this process, and what it starts, keep to the first `threads` cores.

    Raises:
        ValueError: there are not so many.
    """
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise ValueError(f"--threads {threads}: {len(cores)} cores may be used")
    os.sched_setaffinity(0, cores[:threads])
    try:
        return measure()
    finally:
        os.sched_setaffinity(0, cores)


def measured(kit: Path, threads: int, counts: Counts, shape: Shape) -> tuple[list[Cost], list[Anatomy]]:
    """Start both sides and time them."""
    sizes = [word for name, size in asdict(shape).items() for word in (f"--{name}", str(size))]
    peer = [str(HERE / "peers" / "offlinerl_kit.py"), "--kit", str(kit), *sizes]
    with ExitStack() as stack:
        own = stack.enter_context(Side([str(HERE / "offline_cost_ours.py"), *sizes], threads))
        other = stack.enter_context(Side(peer, threads))
        return compare(other, own, counts), anatomies(own, counts, shape)


def main() -> int:
    """Measure at each number of threads, print the tables, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kit", type=Path, required=True, help="checkout of OfflineRL-Kit")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, one after the other")
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--json", type=Path, help="file for all measurements")
    args = parser.parse_args()
    counts, shape, results = QUICK if args.quick else FULL, Shape(), {}
    try:
        for threads in map(int, args.threads.split(",")):
            costs, found = on_cores(threads, lambda n=threads: measured(args.kit, n, counts, shape))  # type: ignore[misc]
            Console().print(cost_table(costs, threads), anatomy_table(found, threads))
            results[threads] = {"costs": [asdict(c) for c in costs], "anatomy": [asdict(a) for a in found]}
    except (ValueError, RuntimeError) as error:
        parser.exit(1, f"{error}\n")
    if args.json:
        write(args.json, counts, results)
    return 0


def write(path: Path, counts: Counts, results: Mapping[int, object]) -> None:
    """Write every measurement, and what it was made with."""
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    content = {"machine": machine, "counts": asdict(counts), "threads": results}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
