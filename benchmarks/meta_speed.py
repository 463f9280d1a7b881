"""How long PEARL takes for one iteration's worth of work on the point robot, ours beside its published code.

python benchmarks/meta_speed.py --oyster PATH [--context-episodes 3,32] [--precision bfloat16] [--quick] [--json FILE]

PATH is a checkout of https://github.com/katerakelly/oyster at commit 44e20fd. Each side is a process with one thread
on one core: peers/oyster.py and meta_speed_ours.py; one works while the other waits, in turn, several times. Networks,
episodes, tasks and batches are the same: policy and critics of three layers of 300, encoder of three layers of 200, z
of 5, 16 tasks an update, of each 256 transitions and a context of so many episodes of 32 steps. An iteration is 10,000
steps of the environment and 1,000 updates, as the peer's configuration of the sparse point robot has it; what is timed
is a share of either.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from offline_cost import HERE, Side, on_cores
from rich.console import Console
from rich.table import Table

STEPS, UPDATES = 10_000, 1000
"""Of one iteration."""
STREAMS, EPISODE = 16, 32


@dataclass(frozen=True)
class Counts:
    """How often each thing is done in one measurement."""

    repetitions: int
    updates: int
    blocks: int
    """Meta-episodes of 16 environments."""


FULL, QUICK = Counts(7, 10, 2), Counts(3, 3, 1)
WARM = Counts(1, 1, 1)


@dataclass(frozen=True)
class Pace:
    """Milliseconds on both sides, one entry per repetition: of a step, of an update, and seconds of an iteration."""

    context_episodes: int
    peer: Mapping[str, list[float]]
    ours: Mapping[str, list[float]]

    def ratios(self, piece: str) -> list[float]:
        """The peer's time over ours, by repetition."""
        return [peer / ours for peer, ours in zip(self.peer[piece], self.ours[piece], strict=True)]


def timed(side: Side, counts: Counts, context_episodes: int) -> dict[str, float]:
    """One measurement of a side."""
    steps = counts.blocks * STREAMS * (context_episodes + 1) * EPISODE
    found = {
        "step [ms]": side.ms("pearl", "collect", steps),
        "update [ms]": side.ms("pearl", "update", counts.updates),
    }
    return found | {"iteration [s]": (STEPS * found["step [ms]"] + UPDATES * found["update [ms]"]) / 1000}


def compare(peer: Side, own: Side, counts: Counts, context_episodes: int) -> Pace:
    """Time both sides in turn, after some work that does not count."""
    sides = (peer, own)
    columns: tuple[dict[str, list[float]], dict[str, list[float]]] = {}, {}
    for side in sides:
        timed(side, WARM, context_episodes)
    for repetition in range(1, counts.repetitions + 1):
        print(f"round {repetition} of {counts.repetitions}", file=sys.stderr, flush=True)
        for side, column in zip(sides, columns, strict=True):
            for piece, value in timed(side, counts, context_episodes).items():
                column.setdefault(piece, []).append(value)
    return Pace(context_episodes, *columns)


def table(paces: Sequence[Pace]) -> Table:
    """Medians of both sides, and of the ratio with its spread over repetitions."""
    heads = ("context", "of", "oyster", "ours", "ratio", "spread")
    found = Table(*heads, title="PEARL on the point robot, one thread, medians")
    for pace in paces:
        for piece in pace.peer:
            ratios = pace.ratios(piece)
            both = (f"{statistics.median(side[piece]):.3g}" for side in (pace.peer, pace.ours))
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            tokens = f"{EPISODE * pace.context_episodes}"
            found.add_row(tokens, piece, *both, f"{statistics.median(ratios):.2f}", spread)
    return found


def measured(peer: Sequence[str], context_episodes: int, counts: Counts, precision: str = "float32") -> Pace:
    """Start both sides and time them; `peer` is the command of the other."""
    size = ["--context-episodes", str(context_episodes)]
    with ExitStack() as stack:
        other = stack.enter_context(Side([*peer, *size], 1))
        own = stack.enter_context(Side([str(HERE / "meta_speed_ours.py"), *size, "--precision", precision], 1))
        return compare(other, own, counts, context_episodes)


def main() -> int:
    """Measure at each length of context, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oyster", type=Path, required=True, help="checkout of oyster")
    parser.add_argument("--context-episodes", default="3,32", help="episodes of a context, one after the other")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of ours")
    parser.add_argument("--quick", action="store_true", help="a few minutes")
    parser.add_argument("--json", type=Path, help="file for all measurements")
    args = parser.parse_args()
    if not (args.oyster / "rlkit" / "torch" / "sac").is_dir():
        parser.error(f"--oyster {args.oyster}: no checkout of https://github.com/katerakelly/oyster lies there")
    peer = [str(HERE / "peers" / "oyster.py"), "--oyster", str(args.oyster)]
    counts, paces = QUICK if args.quick else FULL, list[Pace]()
    try:
        for episodes in map(int, args.context_episodes.split(",")):
            paces.append(on_cores(1, lambda n=episodes: measured(peer, n, counts, args.precision)))  # type: ignore[arg-type,misc]
    except (ValueError, RuntimeError) as error:
        parser.exit(1, f"{error}\n")
    Console().print(table(paces))
    if args.json:
        args.json.write_text(json.dumps([asdict(pace) for pace in paces], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
