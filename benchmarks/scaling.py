"""What a step and a row cost, by samplers, environments, batch, width and store size, and what more cores would do.

python benchmarks/scaling.py [--quick] [--json FILE] [--env NAME] [--ratio ROWS_PER_STEP] [--no-runs]

Settings are measured in turn, as in throughput.py. From some of them come the unit times of a queueing model
(scaling_model.py has its equations); the others, and whole runs, check it before it speaks of other machines.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import campaign_ledger
import numpy as np
import scaling_model as model
from peers.reference import make_weights
from rich.console import Console
from rich.table import Table
from scaling_model import Affine, Check, Prediction, Units
from throughput import WIDTH, say, sizes_of
from throughput_crew import BenchmarkError, Contestant, in_turn
from throughput_physics import record
from throughput_sides import script

from spreeze.sizing import usable_cores

STREAMS, BATCH = 64, 8192
"""What everything else is varied around."""
PREDICTED = (1, 2, 4, 8, 16, 32)
"""Cores of machines to predict."""
Rates = Mapping[str, float]


class Sweeps:
    """Settings to measure on this machine."""

    def __init__(self, args: argparse.Namespace, cores: tuple[int, ...], folder: Path) -> None:
        self.args, self.cores, self.quick = args, cores, args.quick
        self.weights, self.segments = folder / "weights.npz", folder / "segments.npz"
        made = make_weights(*sizes_of(args.env), args.seed)
        np.savez(self.weights, **made)  # type: ignore[arg-type]
        np.savez(self.segments, **record(args.env, made, args.seed))  # type: ignore[arg-type]
        self.environments, self.batches = numbers(args.environments), numbers(args.batches)
        self.widths = () if self.quick else (64, 128, 256, 512)
        self.stores = () if self.quick else (10_000, 100_000, 1_000_000, 4_000_000)

    def sampling(self) -> list[Contestant]:
        """Samplers, the policy alone, and physics alone, each on one core."""
        common = ("--env", self.args.env, "--seed", self.args.seed)
        physics = script("throughput_physics.py", "--env", self.args.env, "--segments", self.segments)
        found = [self.single("physics", physics)]
        for count in self.environments:
            found.append(self.single(f"policy {count}", script("scaling_policy.py", *common, "--count", count)))
            found.append(self.single(f"sampler {count}", self.sampler(count)))
        if len(self.cores) > 1:
            commands, cores = [self.sampler(STREAMS)] * len(self.cores), [(core,) for core in self.cores]
            found.append(Contestant("samplers on all cores", "all", commands, cores))
        return found

    def sampler(self, count: int) -> tuple[str, ...]:
        """The command of a sampler with `count` environments."""
        words = ("--env", self.args.env, "--weights", self.weights, "--streams", count, "--seed", self.args.seed)
        return script("throughput_sampler.py", *words)

    def learning(self) -> list[Contestant]:
        """Learners by batch and threads, then by width and by rows in the store."""
        found = []
        for batch in self.batches:
            found.append(self.learner(f"batch {batch}", batch, 1))
            if len(self.cores) > 1:
                found.append(self.learner(f"batch {batch} on all cores", batch, len(self.cores)))
        found += [self.learner(f"width {width}", BATCH, 1, width=width) for width in self.widths]
        return found + [self.learner(f"store {rows}", BATCH, 1, rows=rows) for rows in self.stores]

    def learner(self, name: str, batch: int, threads: int, width: int = 256, rows: int = 0) -> Contestant:
        """A learner of one process."""
        words = ("--batch", batch, "--threads", threads, "--rows", rows or self.args.rows, "--seed", self.args.seed)
        options = ("--sac", f"hidden=[{width}, {width}]")
        command = script("throughput_learner.py", *words, *options)
        return Contestant(name, "learner", [command], [self.cores[:threads]], threads)

    def single(self, name: str, command: Sequence[str]) -> Contestant:
        """One process on the first core."""
        return Contestant(name, name, [command], [self.cores[:1]])

    def run(self) -> Contestant:
        """A whole run with one sampler and one core for the learner, paced."""
        options = f"--samplers 1 --envs-per-sampler {STREAMS} --learner-cores 1 --batch-size {BATCH}"
        words = ("--env", self.args.env, "--options", f"{options} --replay-ratio {self.args.ratio:g}")
        return Contestant("run", "run", [script("throughput_run.py", *words)], [self.cores])


def medians(contestants: Sequence[Contestant], key: str, args: argparse.Namespace, folder: Path, title: str) -> Rates:
    """Measure in turn; return the median rate of each.

    Raises:
        BenchmarkError: one of them failed.
    """
    results = in_turn(contestants, args.rounds, args.seconds, folder, say, title)
    if results.left_out:
        raise BenchmarkError("; ".join(results.left_out.values()))
    keys = {name: next(iter(samples[0].rates)) for name, samples in results.samples.items()}
    return {
        name: statistics.median(sample.rates[key if key in sample.rates else keys[name]] for sample in samples)
        for name, samples in results.samples.items()
    }


def units_of(sampling: Rates, learning: Rates, sweeps: Sweeps) -> Units:
    """Return the unit times; the rest of a step comes from the smallest and the largest sampler, without contention."""
    policy = Affine.fit({count: count / sampling[f"policy {count}"] for count in sweeps.environments})
    sampler = Affine.fit({count: count / sampling[f"sampler {count}"] for count in ends(sweeps.environments)})
    physics_s = 1 / sampling["physics"]
    update = Affine.fit({batch: batch / learning[f"batch {batch}"] for batch in ends(sweeps.batches)})
    cores, large = len(sweeps.cores), max(sweeps.batches)
    share = (
        model.serial_share(learning[f"batch {large}"], learning[f"batch {large} on all cores"], cores)
        if cores > 1
        else 0
    )
    return Units(
        policy=policy,
        physics_s=physics_s,
        rest=model.rest(sampler, policy, physics_s),
        contention=0.0,
        update=update,
        serial_share=share,
    )


def ends(sizes: Sequence[int]) -> tuple[int, int]:
    """Return the smallest and the largest."""
    return min(sizes), max(sizes)


def crowded(units: Units, sampling: Rates, sweeps: Sweeps) -> Units:
    """Return the unit times with the contention between samplers on all cores."""
    cores = len(sweeps.cores)
    if cores == 1:
        return units
    found = model.contention(sampling[f"sampler {STREAMS}"], sampling["samplers on all cores"], cores)
    return replace(units, contention=found)


def checks_of(units: Units, sampling: Rates, learning: Rates, sweeps: Sweeps) -> list[Check]:
    """Return predictions of what did not enter the unit times."""
    found = [
        Check(f"sampler of {count}", model.sampling_rate(units, count), sampling[f"sampler {count}"])
        for count in sweeps.environments
        if count not in ends(sweeps.environments)
    ]
    cores = len(sweeps.cores)
    if cores > 1:
        predicted = model.sampling_rate(units, STREAMS, cores)
        found.append(Check(f"samplers on {cores} cores", predicted, sampling["samplers on all cores"]))
    for batch in sweeps.batches:
        if batch not in ends(sweeps.batches):
            found.append(Check(f"batch {batch}", model.learning_rate(units, batch), learning[f"batch {batch}"]))
        if cores > 1 and batch != max(sweeps.batches):
            predicted, measured = model.learning_rate(units, batch, cores), learning[f"batch {batch} on all cores"]
            found.append(Check(f"batch {batch} on {cores} cores", predicted, measured))
    return found


def run_check(units: Units, sweeps: Sweeps, args: argparse.Namespace, folder: Path) -> list[Check]:
    """Make whole runs with one core each for sampler and learner, and compare them with the model."""
    results = in_turn([sweeps.run()], args.run_rounds, args.run_seconds, folder, say, "run")
    if results.left_out:
        raise BenchmarkError("; ".join(results.left_out.values()))
    predicted = model.divided(units, 2, 1, STREAMS, BATCH, args.ratio)
    rates = {key: statistics.median(values) for key in ("env_steps", "rows") for values in results.rates(key).values()}
    return [
        Check("run: env steps", predicted.env_steps, rates["env_steps"]),
        Check("run: rows", predicted.rows, rates["rows"]),
    ]


def cost_table(title: str, rates: Rates) -> Table:
    """Rates, and microseconds of a step or row."""
    table = Table("setting", "rate [1/s]", "cost [us]", title=title)
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}", f"{1e6 / rate:.2f}")
    return table


def check_table(checks: Sequence[Check]) -> Table:
    """Predictions beside measurements."""
    table = Table("what", "predicted", "measured", "error", title=f"model, worst error {model.worst(checks):.0%}")
    for check in checks:
        table.add_row(check.what, f"{check.predicted:,.0f}", f"{check.measured:,.0f}", f"{check.error:+.0%}")
    return table


def prediction_table(found: Sequence[Prediction], ratio: float) -> Table:
    """What other machines would do."""
    title = f"predicted, {STREAMS} environments a sampler, batch {BATCH}, {ratio:g} rows per step"
    table = Table("cores", "samplers + learner", "env steps/s", "at least", "rows/s", title=title)
    for one in found:
        numbers = (f"{value:,.0f}" for value in (one.env_steps, one.least_env_steps, one.rows))
        table.add_row(str(one.cores), one.split, *numbers)
    return table


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer settings, shorter; no runs")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--env", default="HalfCheetah-v5", help="Gymnasium id")
    parser.add_argument("--environments", metavar="N,N", help="environments of one sampler")
    parser.add_argument("--batches", metavar="B,B")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one measurement")
    parser.add_argument("--rows", type=int, help="rows in the store, where they are not varied")
    parser.add_argument("--ratio", type=float, default=4.5, help="rows consumed per environment step")
    parser.add_argument("--run-rounds", type=int, default=3, help="whole runs that check the model")
    parser.add_argument("--run-seconds", type=float, default=30.0)
    parser.add_argument("--no-runs", action="store_true", help="check the model without whole runs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(words)
    args.environments = args.environments or ("1,16,64,256" if args.quick else "1,4,16,64,256,1024")
    args.batches = args.batches or ("256,8192" if args.quick else "64,256,1024,4096,8192,32768")
    if STREAMS not in numbers(args.environments):
        parser.error(f"--environments must hold {STREAMS}, around which everything else is varied")
    defaults = (
        {"rounds": 2, "seconds": 0.3, "rows": 100_000} if args.quick else {"rounds": 5, "seconds": 1.0, "rows": 10**6}
    )
    for name, value in defaults.items():
        setattr(args, name, value if getattr(args, name) is None else getattr(args, name))
    return args


def numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers parted by commas, in order."""
    return tuple(sorted(map(int, text.split(","))))


def measured(args: argparse.Namespace, folder: Path, show: Callable[[Table], None]) -> dict[str, Any]:
    """Measure, fit, check, predict; return it all."""
    sweeps = Sweeps(args, usable_cores(), folder)
    sampling = medians(sweeps.sampling(), "env_steps", args, folder, "sampling")
    show(cost_table(f"sampling, {args.env}", sampling))
    learning = medians(sweeps.learning(), "rows", args, folder, "learning")
    show(cost_table("learning", learning))
    units = units_of(sampling, learning, sweeps)
    checks = checks_of(units, sampling, learning, sweeps)
    if len(sweeps.cores) > 1 and not (args.no_runs or args.quick):
        checks += run_check(units, sweeps, args, folder)
    show(check_table(checks))
    units = crowded(units, sampling, sweeps)
    found = [model.predict(units, cores, STREAMS, BATCH, args.ratio) for cores in PREDICTED]
    show(prediction_table(found, args.ratio))
    return {
        "machine": campaign_ledger.machine(),
        "commit": campaign_ledger.commit_of(Path(__file__).resolve().parents[1]),
        "sampling": dict(sampling),
        "learning": dict(learning),
        "units": asdict(units),
        "checks": [asdict(check) | {"error": check.error} for check in checks],
        "predictions": [asdict(one) for one in found],
    }


def main(words: Sequence[str]) -> int:
    """Measure, print the tables, write the file."""
    args, console = parse(words), Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        with tempfile.TemporaryDirectory(prefix="spreeze-scaling-") as folder:
            found = measured(args, Path(folder), console.print)
    except BenchmarkError as error:
        print(f"scaling.py: {error}", file=sys.stderr)
        return 1
    if args.json:
        args.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
