"""The tuner against an exhaustive grid: how far what it chooses is from the best of all settings.

python benchmarks/tuning.py [WORKLOAD ...] [--quick] [--json FILE]

For each workload the tuner searches as `spreeze run` does. Then every setting of a grid is tried once; the grid's best
few, what the tuner chose and the rules of thumb are measured again, in turn, with longer trials. Regret is the share of
the grid's best progress that the tuner's choice lacks, by the medians of these.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import campaign_ledger
from rich.console import Console
from rich.table import Table

from spreeze import registry
from spreeze.config import Settings
from spreeze.forkserver import ForkServer
from spreeze.preflight import prepare
from spreeze.tuning.search import Choice, Space, progress
from spreeze.tuning.session import Tuner
from spreeze.tuning.space import space_of
from spreeze.tuning.trial import TrialError, Trials

FINALISTS = 3
"""Of the grid, measured again: the luckiest of many single trials looks better than it is."""


@dataclass(frozen=True)
class Workload:
    """What is tuned."""

    request: dict[str, Any]
    cores: int = 0
    """That may be used; 0: all."""
    batches: tuple[int, ...] = (64, 128, 256, 512, 1024, 4096)
    environments: tuple[int, ...] = (4, 16, 64, 256)


WORKLOADS = {
    "default": Workload({"algo": "sac", "env": "hopper"}),
    "one core": Workload({"algo": "sac", "env": "hopper"}, cores=1),
    "slow environment": Workload(
        {"algo": "sac", "env": "tuning_slow:SlowPendulum-v0"}, batches=(16, 32, 64, 128, 256), environments=(1, 4, 16)
    ),
    "wide networks": Workload(
        {"algo": "sac", "env": "hopper", "algorithm": {"hidden": [1024, 1024]}}, batches=(32, 64, 128, 256, 512, 1024)
    ),
}


@dataclass
class Measured:
    """The progress of one setting, trial by trial."""

    choice: Choice
    trials: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Of all trials; 0 of none."""
        return statistics.median(self.trials) if self.trials else 0.0


def grid(workload: Workload, space: Space, first: Choice) -> Iterator[Choice]:
    """Every setting that is tried: sizes, and all divisions of the cores, the parts of the learner apart as well."""
    layouts = [(s, c, "auto") for s in (1, space.cores) for c in range(1, space.cores + 1)]
    layouts += [(1, 1, space.split)] if space.split else []
    for (samplers, cores, devices), envs, batch in itertools.product(
        dict.fromkeys(layouts), workload.environments, workload.batches
    ):
        yield Choice(samplers, envs, cores, batch, first.updates_per_call, devices)


class Bench:
    """Trials of one workload."""

    def __init__(self, settings: Settings, spec: Any, space: Space, forkserver: ForkServer, seconds: float) -> None:
        self._trials, self._space = Trials(settings, spec, 0, None, forkserver, seconds), space
        self._critical = registry.algorithm(settings.algo).critical_batch

    def progress(self, choice: Choice) -> float:
        """The progress of one trial; 0 if it cannot be run."""
        try:
            rates = self._trials.measure(choice.options(self._space.free))
        except TrialError as error:
            print(f"  {choice}: {error}", file=sys.stderr, flush=True)
            return 0.0
        return progress(rates.updates, choice.batch_size, self._critical)


def measured(name: str, workload: Workload, args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Tune, try the grid, measure the finalists again."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[: workload.cores or len(cores)])
    try:
        settings = Settings.from_data(workload.request).replace(tune="again", tune_seconds=args.tune_seconds)
        spec, [stage] = prepare(settings)
        begun = time.monotonic()
        found, climb = Tuner(settings, spec, 0, console.print).search()
        took_s = time.monotonic() - begun
        space, first = space_of(settings, stage, {}), climb.trials[0].choice
        chosen = Choice(**(vars(first) | found.options))
        with ForkServer() as forkserver:
            tried = tried_grid(
                workload, Bench(settings, spec, space, forkserver, args.grid_seconds), space, first, console
            )
            finalists = finalists_of(tried, chosen, first)
            again(finalists, Bench(settings, spec, space, forkserver, args.seconds), args.rounds, console)
    finally:
        os.sched_setaffinity(0, cores)
    return outcome(name, took_s, len(climb.trials), len(tried), finalists)


def tried_grid(workload: Workload, bench: Bench, space: Space, first: Choice, console: Console) -> list[Measured]:
    """Each setting of the grid, once."""
    settings = list(grid(workload, space, first))
    console.print(f"  grid of {len(settings)} settings")
    tried = []
    for number, choice in enumerate(settings, 1):
        tried.append(Measured(choice, [bench.progress(choice)]))
        if number % 20 == 0:
            console.print(f"  {number} of {len(settings)}")
    return tried


def finalists_of(tried: Sequence[Measured], chosen: Choice, first: Choice) -> dict[str, list[Measured]]:
    """What is measured again, without the trials that chose it."""
    best = sorted(tried, key=lambda one: one.median, reverse=True)[:FINALISTS]
    return {"grid": [Measured(one.choice) for one in best], "tuned": [Measured(chosen)], "rules": [Measured(first)]}


def again(finalists: dict[str, list[Measured]], bench: Bench, rounds: int, console: Console) -> None:
    """Measure the finalists in turn."""
    everyone = [one for group in finalists.values() for one in group]
    for number in range(1, rounds + 1):
        for one in everyone:
            one.trials.append(bench.progress(one.choice))
        console.print(f"  finalists, round {number} of {rounds}")


def outcome(
    name: str, took_s: float, trials: int, settings: int, finalists: dict[str, list[Measured]]
) -> dict[str, Any]:
    """The numbers of a workload."""
    best = max(finalists["grid"], key=lambda one: one.median)
    [chosen], [first] = finalists["tuned"], finalists["rules"]
    if not best.median:
        raise SystemExit(f"tuning.py: {name}: no setting could be run; the messages above say why")
    pairs = [1 - tuned / grid for tuned, grid in zip(chosen.trials, best.trials, strict=True) if grid]
    return {
        "workload": name,
        "tuning_s": took_s,
        "trials": trials,
        "grid": settings,
        "best": vars(best.choice),
        "chosen": vars(chosen.choice),
        "regret": 1 - chosen.median / best.median,
        "spread": [min(pairs), max(pairs)],
        "rules_regret": 1 - first.median / best.median,
    }


def table(results: Sequence[dict[str, Any]]) -> Table:
    """All workloads."""
    heads = (
        "workload",
        "tuning [s]",
        "trials",
        "grid",
        "chosen",
        "best of the grid",
        "regret",
        "spread",
        "rules of thumb",
    )
    shown = Table(*heads, title="tuned against an exhaustive grid")
    for one in results:
        spread = " to ".join(f"{value:.0%}" for value in one["spread"])
        shown.add_row(
            one["workload"],
            f"{one['tuning_s']:.0f}",
            str(one["trials"]),
            str(one["grid"]),
            short(one["chosen"]),
            short(one["best"]),
            f"{one['regret']:.0%}",
            spread,
            f"{one['rules_regret']:.0%}",
        )
    return shown


def short(choice: dict[str, Any]) -> str:
    """A setting in few letters."""
    layout = "split" if "=" in choice["devices"] else f"{choice['learner_cores']} core(s)"
    return f"{choice['samplers']} x {choice['envs_per_sampler']}, {choice['batch_size']}, {layout}"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"default: all of {', '.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="single rounds, short trials")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--tune-seconds", type=float, default=30.0)
    args = parser.parse_args(words)
    unknown = set(args.workloads) - WORKLOADS.keys()
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    args.workloads = args.workloads or list(WORKLOADS)
    args.grid_seconds, args.seconds, args.rounds = (0.4, 0.8, 2) if args.quick else (0.8, 2.0, 7)
    return args


def main(words: Sequence[str]) -> int:
    """Measure, print the table, write the file."""
    args = parse(words)
    console = Console(width=None if sys.stdout.isatty() else 170, highlight=False)
    results: list[dict[str, Any]] = []
    about = {"machine": campaign_ledger.machine(), "commit": campaign_ledger.commit_of(Path(__file__).parents[1])}
    for name in args.workloads:
        console.print(name)
        results.append(measured(name, WORKLOADS[name], args, console))
        console.print(table(results))
        if args.json:
            args.json.write_text(json.dumps(about | {"workloads": results}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
