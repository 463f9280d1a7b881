"""How fast this machine samples, learns and does both, ours beside peers and the physical limit, measured in turn.

python benchmarks/throughput.py [sampling] [learning] [both] [--quick] [--json FILE] [--peers none]

Every contestant is one or more processes on cores of their own; one works while the others wait, in turn, several
rounds. A ratio is taken round by round. All states and weights are asserted to be finite, and in `sampling` all sides
are driven by the same policy. Peers are installed on demand, each into `.venv-NAME`. Method: docs/throughput.md.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import campaign_ledger
import gymnasium
import numpy as np
import throughput_sides as sides
from peers.reference import make_weights
from rich.console import Console
from throughput_crew import BenchmarkError, Results, in_turn
from throughput_physics import record
from throughput_run import TUNED
from throughput_sides import PEERS, Plan
from throughput_tables import BARS, FOUR, Section, bar_table, check_alike

from spreeze.journal import versions
from spreeze.sizing import usable_cores

PARTS = ("sampling", "learning", "both")
BUSY = 0.5
"""Load average from which a warning is given."""
WIDTH = 120
"""Columns of a table that goes to a file."""
BATCHES = (256, 1024, 8192)
FULL = {"rounds": 5, "seconds": 2.0, "both_seconds": 30.0}
QUICK = {"rounds": 3, "seconds": 0.4, "both_seconds": 6.0}
"""Of a quick look: HalfCheetah and a batch of 8192 alone, fewer settings; of `both` one round with one peer."""


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what is not given depends on `--quick`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help="less than a minute for each part once the peers are installed"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--env", help="Gymnasium ids, parted by commas (default: four of MuJoCo)")
    parser.add_argument("--batch", help="batch sizes, parted by commas (default: 256,1024,8192)")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"some of {', '.join(PEERS)}, or none")
    parser.add_argument("--rounds", type=int, help="of every contestant (default: 5)")
    parser.add_argument("--seconds", type=float, help="of one measurement of sampling or learning (default: 2)")
    parser.add_argument("--both-seconds", type=float, help="of one measurement of both (default: 30)")
    parser.add_argument("--cores", type=int, help="cores to use (default: all that there are)")
    parser.add_argument("--threads", type=int, help="of learners (default: one a core)")
    parser.add_argument("--device", default="cpu", help="of learners in `learning` (ours, SB3's and the limit)")
    parser.add_argument("--updates-per-call", type=int, default=32, help="of our learner on a GPU")
    parser.add_argument("--streams", type=int, default=64, help="environments of one of our samplers")
    parser.add_argument("--engine", default="auto", help="our environments: auto, native or gymnasium")
    parser.add_argument("--sac", action="append", default=[], metavar="NAME=VALUE", help="option of our learner")
    parser.add_argument("--run", default=TUNED, metavar="OPTIONS", help=f"of our runs (default: {TUNED})")
    parser.add_argument("--ring-rows", type=int, default=1_000_000, help="rows in the replay of learners")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(words)
    unknown = [part for part in args.parts if part not in PARTS]
    unknown += [peer for peer in listed(args.peers) if peer not in PEERS]
    if unknown:
        parser.error(f"'{unknown[0]}' is none of {', '.join(PARTS + PEERS)}")
    for name, value in (QUICK if args.quick else FULL).items():
        setattr(args, name, value if getattr(args, name) is None else getattr(args, name))
    return args


def listed(text: str | None) -> list[str]:
    """Return words parted by commas; none for `none`."""
    return [word.strip() for word in (text or "").split(",") if word.strip() not in ("", "none")]


def plan_of(args: argparse.Namespace) -> Plan:
    """Return what is measured, with the peers installed."""
    cores = usable_cores()
    if args.cores is not None and not 1 <= args.cores <= len(cores):
        raise BenchmarkError(f"--cores {args.cores}: {len(cores)} may be used")
    cores = cores[: args.cores]
    pythons, left_out = sides.interpreters(listed(args.peers), say)
    args.left_out = left_out
    return Plan(
        cores=cores,
        environments=listed(args.env) or (FOUR[:1] if args.quick else FOUR),
        batches=[int(word) for word in listed(args.batch)] or (BATCHES[-1:] if args.quick else BATCHES),
        streams=args.streams,
        engine=args.engine,
        sac=args.sac,
        run=args.run,
        threads=args.threads or len(cores),
        device=args.device,
        updates_per_call=args.updates_per_call,
        ring_rows=args.ring_rows,
        seed=args.seed,
        quick=args.quick,
        pythons=pythons,
    )


def sampling(plan: Plan, args: argparse.Namespace, folder: Path) -> Iterator[Section]:
    """Measure sampling in each environment."""
    for environment in plan.environments:
        say(f"sampling, {environment}: recording what the physics alone will replay")
        weights, segments = folder / f"{environment}-weights.npz", folder / f"{environment}-segments.npz"
        made = make_weights(*sizes_of(environment), plan.seed)
        np.savez(weights, **made)  # type: ignore[arg-type]
        np.savez(segments, **record(environment, made, plan.seed))  # type: ignore[arg-type]
        contestants = sides.sampling(plan, environment, weights, segments)
        results = in_turn(contestants, args.rounds, args.seconds, folder, say, f"sampling, {environment}")
        require_ours(results)
        check_alike(results)
        yield Section("sampling", environment, "env_steps", results)


def sizes_of(environment: str) -> tuple[int, int]:
    """Return the sizes of observations and actions."""
    env: Any = gymnasium.make(environment)
    sizes = env.observation_space.shape[0], env.action_space.shape[0]
    env.close()
    return sizes


def learning(plan: Plan, args: argparse.Namespace, folder: Path) -> Iterator[Section]:
    """Measure updates at each batch size."""
    for batch in plan.batches:
        title = f"learning, batch {batch}"
        results = in_turn(sides.learning(plan, batch), args.rounds, args.seconds, folder, say, title)
        require_ours(results)
        yield Section("learning", str(batch), "rows", results)


def both(plan: Plan, args: argparse.Namespace, folder: Path) -> Iterator[Section]:
    """Measure sampling and learning at once, in the first of the environments."""
    environment, rounds = plan.environments[0], 1 if args.quick else args.rounds
    contestants = sides.both(plan, environment)
    results = in_turn(contestants, rounds, args.both_seconds, folder, say, f"both, {environment}")
    require_ours(results)
    yield Section("both", environment, "env_steps", results)
    yield Section("both", environment, "rows", results)


def load_average() -> float:
    """Return how many processes have been busy in the last minute, and say so if that disturbs what comes."""
    load = os.getloadavg()[0]
    if load > BUSY:
        say(f"the machine is not idle (load average {load:.1f}): rates will be too low, and ratios uncertain")
    return load


def require_ours(results: Results) -> None:
    """Raise BenchmarkError if our own side was left out: without it there is nothing to compare."""
    ours = {name for name, one in results.contestants.items() if one.group == sides.OURS}
    if not ours & set(results.samples):
        raise BenchmarkError("; ".join(results.left_out[name] for name in ours))


def report(args: argparse.Namespace, plan: Plan, sections: Sequence[Section]) -> Mapping[str, Any]:
    """Return everything measured, and what it was measured with."""
    options = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    return {
        "format": 1,
        "machine": campaign_ledger.machine(),
        "commit": campaign_ledger.commit_of(sides.HERE.parent),
        "versions": versions(),
        "options": options,
        "cores": list(plan.cores),
        "sections": [section.data() for section in sections],
        "bars": [row for bar in BARS for row in bar.rows(sections)],
    }


def main(words: Sequence[str]) -> int:
    """Measure, print the tables, write the file."""
    args, sections, console = parse(words), list[Section](), Console(width=None if sys.stdout.isatty() else WIDTH)
    measures = {"sampling": sampling, "learning": learning, "both": both}
    try:
        plan = plan_of(args)
        args.load = load_average()
        with tempfile.TemporaryDirectory(prefix="spreeze-throughput-") as folder:
            for part in args.parts or PARTS:
                for section in measures[part](plan, args, Path(folder)):
                    sections.append(section)
                    console.print(section.table())
    except BenchmarkError as error:
        print(f"throughput.py: {error}", file=sys.stderr)
        return 1
    found = report(args, plan, sections)
    console.print(bar_table(found["bars"]))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
