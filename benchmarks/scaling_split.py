"""What parts of a learner in places of their own cost and would bring: measured here, and a model of two GPUs.

python benchmarks/scaling_split.py [--batches 256,8192] [--units FILE] [--gpu-rows ROWS_PER_S] [--json FILE]

    joint        Y = B / (c + a)
    split, d = 0 Y = B / (c + a + 2 e)        the parts take turns, and wait for each other's weights
    split, d > 0 Y = B / (max(c, a) + e)      both at once

c, a seconds of one update of the critic's and the actor's part with batch B, e those of one exchange: own weights
published, the other's loaded. c, a and e are measured on one core; a split run on two cores checks them
(`split.py`). For GPUs, e grows by the copies over PCIe, and c and a are shares of what `--gpu-rows` assumes of one
GPU: nobody has measured that here.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import campaign_ledger
import torch
from rich.console import Console
from rich.table import Table
from scaling_model import Affine, Units, sampling_rate

from spreeze import registry
from spreeze.config import Settings
from spreeze.contract import LearnerSetup, Part
from spreeze.learning import Exchange, exchange_layout, exchanged
from spreeze.preflight import prepare
from spreeze.transport.weights import WeightChannel

GPU_BATCH, GPU_ROWS, PCIE_BYTES_S = 32_768, 540_000.0, 12e9
"""Rows/s of SAC with that batch on one RTX 6000 Ada, published for UniLab (docs/throughput.md has the source); bytes/s
of a copy, as PCIe 3.0 x16 gives them."""
DESKTOP_CORES, STREAMS = 16, 64
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Costs:
    """Seconds on one core."""

    batch: int
    critic_s: float
    actor_s: float
    exchange_s: float
    exchanged_bytes: int
    """By both parts, of one update."""


def joint(costs: Costs) -> float:
    """Rows/s of both parts in one place."""
    return costs.batch / (costs.critic_s + costs.actor_s)


def split(costs: Costs, delay: int) -> float:
    """Rows/s of the parts in places of their own."""
    if delay == 0:
        return costs.batch / (costs.critic_s + costs.actor_s + 2 * costs.exchange_s)
    return costs.batch / (max(costs.critic_s, costs.actor_s) + costs.exchange_s)


def on_gpus(costs: Costs, rows: float, batch: int, bandwidth: float = PCIE_BYTES_S) -> Costs:
    """The same shares of the work on GPUs that make `rows`/s jointly; weights go to the host and back."""
    update_s, share = batch / rows, costs.critic_s / (costs.critic_s + costs.actor_s)
    copies_s = costs.exchanged_bytes / bandwidth
    return Costs(batch, share * update_s, (1 - share) * update_s, costs.exchange_s + copies_s, costs.exchanged_bytes)


def measured(env: str, batch: int, rounds: int) -> Costs:
    """Time both parts of SAC, and their exchange, on random rows."""
    settings = Settings.from_data({"algo": "sac", "env": env, "run": {"batch_size": batch}})
    spec, [stage] = prepare(settings)
    parts = stage.make_learner(LearnerSetup({"*": CPU}, 0, {}))
    rows = random_rows(spec.observation.shape or (1,), spec.action.shape or (1,), batch)
    seconds = {name: median_s(lambda part=part: part.update({"replay": rows}), rounds) for name, part in parts.items()}  # type: ignore[misc]
    exchange_s, volume = exchange(parts, 10 * rounds)
    return Costs(batch, seconds["critic"], seconds["actor"], exchange_s, volume)


def random_rows(observation: Sequence[int], action: Sequence[int], batch: int) -> dict[str, torch.Tensor]:
    """A batch of normal observations and uniform actions."""
    random = torch.Generator().manual_seed(0)
    return {
        "observation": torch.randn(batch, *observation, generator=random),
        "next_observation": torch.randn(batch, *observation, generator=random),
        "action": 2 * torch.rand(batch, *action, generator=random) - 1,
        "reward": torch.randn(batch, generator=random),
        "terminated": torch.zeros(batch),
    }


def exchange(parts: Mapping[str, Part], rounds: int) -> tuple[float, int]:
    """Seconds of the dearer part's exchange, and the bytes of both."""
    channels = {name: WeightChannel.create(name, exchange_layout(part, {}), 3) for name, part in parts.items()}
    ends = {name: Exchange(parts, name, channels, 1, 0) for name in parts}
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for end in ends.values():
        end.send(0, 1, {})
    for update in range(1, rounds + 1):
        for name, end in ends.items():
            begun = time.perf_counter()
            end.receive(update)
            end.send(update, 1, {})
            seconds[name].append(time.perf_counter() - begun)
    volume = sum(t.numel() * t.element_size() for part in parts.values() for t in exchanged(part).values())
    return max(map(statistics.median, seconds.values())), volume


def median_s(work: Callable[[], Any], rounds: int) -> float:
    """Of `rounds` calls after two that are not counted."""
    taken = []
    for _ in range(rounds + 2):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[2:])


def table(found: Sequence[Costs], title: str) -> Table:
    """Costs, and what follows from them."""
    heads = ("batch", "critic [ms]", "actor [ms]", "exchange [ms]", "joint rows/s", "split, d = 0", "split, d > 0")
    shown = Table(*heads, title=title)
    for one in found:
        times = (f"{1e3 * value:.2f}" for value in (one.critic_s, one.actor_s, one.exchange_s))
        rates = (f"{split(one, delay):,.0f} ({split(one, delay) / joint(one):.2f})" for delay in (0, 1))
        shown.add_row(f"{one.batch:,}", *times, f"{joint(one):,.0f}", *rates)
    return shown


def desktop(units: Units, costs: Costs) -> Table:
    """A desktop of 16 cores with one GPU and with two: samplers on what the learners' hosts leave."""
    shown = Table("GPUs", "samplers", "env steps/s they could make", "rows/s", "rows per step", title="on paper")
    for gpus, rows in ((1, joint(costs)), (2, split(costs, 1))):
        samplers = DESKTOP_CORES - gpus
        steps = sampling_rate(units, STREAMS, samplers)
        shown.add_row(str(gpus), str(samplers), f"{steps:,.0f}", f"{rows:,.0f}", f"{rows / steps:.1f}")
    return shown


def units_in(path: Path) -> Units:
    """The unit times that `scaling.py --json` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))["units"]
    return Units(**{name: Affine(**value) if isinstance(value, dict) else value for name, value in data.items()})


def main(words: Sequence[str]) -> int:
    """Measure, print the tables, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="halfcheetah")
    parser.add_argument("--batches", default="256,8192", help="rows of an update")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--units", type=Path, metavar="FILE", help="of scaling.py --json, for the desktop's samplers")
    parser.add_argument("--gpu-rows", type=float, default=GPU_ROWS, help="rows/s of joint updates on one GPU, assumed")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(words)
    torch.set_num_threads(1)
    registry.algorithm("sac")
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    found = [measured(args.env, int(batch), args.rounds) for batch in args.batches.split(",")]
    console.print(table(found, "measured, one core for each part"))
    gpus = on_gpus(found[-1], args.gpu_rows, GPU_BATCH)
    console.print(table([gpus], f"on paper: two GPUs of {args.gpu_rows:,.0f} rows/s"))
    if args.units:
        console.print(desktop(units_in(args.units), gpus))
    if args.json:
        about = {"machine": campaign_ledger.machine(), "commit": campaign_ledger.commit_of(Path(__file__).parents[1])}
        args.json.write_text(json.dumps(about | {"costs": [asdict(one) for one in [*found, gpus]]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
