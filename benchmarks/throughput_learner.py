"""Our side of the learning benchmark, and its limit: a worker of throughput.py.

`--what update` draws from a ring of a million rows and updates all parts of SAC, as a joint learner of a run does.
`--what products` multiplies only the matrices of such updates, in one data type: nothing can be faster with these.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import yaml
from gymnasium.spaces import Box
from peers.rows import ACTIONS, OBSERVATIONS, transitions
from peers.serving import answer, claim_stdout, serve, timed
from throughput_work import Product, sac_products

from spreeze.algorithms.sac import ALGORITHM, SACConfig
from spreeze.config import from_plain
from spreeze.contract import Block, EnvironmentSpec, LearnerSetup
from spreeze.device_updates import DeviceBatches, DeviceUpdates, recorder_for
from spreeze.learning import Batches, JointUpdates, draws_of, rows_of
from spreeze.means import MetricMeans
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader

STREAMS = 64
"""Parallel streams of the ring, as many as a sampler of the sampling benchmark has environments."""
BLOCK = 512
"""Steps written at once while the ring is filled."""
HIDDEN = (256, 256)


@dataclass(frozen=True)
class Place:
    """Where updates are computed, and how many in one call."""

    name: str = "cpu"
    """Of a torch device."""
    updates_per_call: int = 1
    stores_on_device: bool = False
    eager: bool = False
    """Without CUDA graphs."""

    @property
    def device(self) -> torch.device:
        """The device."""
        return torch.device(self.name)


HOST = Place()


def note(text: str) -> None:
    """Say something where no answers go."""
    print(text, file=sys.stderr)


class Learner:
    """The parts of SAC, a full ring, and what draws from it."""

    def __init__(self, batch: int, rows: int, options: Mapping[str, Any], seed: int, place: Place = HOST) -> None:
        config = from_plain(SACConfig, {"capacity": rows} | dict(options))
        spec = EnvironmentSpec(box(OBSERVATIONS, np.inf), box(ACTIONS, 1.0))
        [self.stage] = ALGORITHM.stages(spec, config, batch)
        self.memory = StoreMemory.create("replay", StoreLayout.of(self.stage.stores["replay"], 1, STREAMS))
        fill(self.memory, rows, seed)
        self.parts = self.stage.make_learner(LearnerSetup({"*": place.device}, seed, {}))
        self.updates, self.place = self.joint_updates(seed, place), place
        self.rows = rows_of(self.updates.draws, self.stage.stores, 1, STREAMS)
        self.means = MetricMeans()

    def joint_updates(self, seed: int, place: Place) -> JointUpdates:
        """What a learner process updates with: batches from the host, or from a copy of the ring on the device."""
        batches = Batches({"replay": StoreReader(self.memory)}, self.stage.stores, seed)
        if not place.stores_on_device:
            return JointUpdates(self.parts, batches, dict.fromkeys(self.parts, place.device))
        drawn = DeviceBatches(draws_of(self.parts), {"replay": self.memory}, place.device, seed, 0)
        recorder = None if place.eager else recorder_for(place.device)
        return DeviceUpdates(self.parts, batches, drawn, place.updates_per_call, 0, recorder, note)

    def update(self) -> int:
        """Make the updates of one call; return the rows consumed, each counted once."""
        before = self.updates.update
        self.updates.advance(self.place.updates_per_call, self.means)
        return (self.updates.update - before) * self.rows

    def measure(self, seconds: float) -> Any:
        """Update for `seconds`, then read the metrics and look at the weights."""
        begin = time.perf_counter()
        rows, _ = timed(self.update, seconds)
        metrics = self.means.report()  # Waits for the device.
        elapsed = time.perf_counter() - begin
        self.check()
        return answer({"rows": rows}, elapsed, {"entropy": metrics.get("policy/entropy", 0.0)})

    def check(self) -> None:
        """Raise FloatingPointError unless all weights are finite."""
        modules = [module for part in self.parts.values() for module in part.owns.values()]
        if not all(bool(torch.isfinite(p).all()) for module in modules for p in module.parameters()):
            raise FloatingPointError("a weight is not finite")


def box(size: int, bound: float) -> Box:
    """A space of `size` numbers between -bound and bound."""
    return Box(-bound, bound, (size,), np.float32)


def fill(memory: StoreMemory, rows: int, seed: int) -> None:
    """Write `rows` plausible rows through a lane, block by block."""
    writer, steps = LaneWriter(memory, 0), rows // STREAMS
    block = min(BLOCK, memory.layout.steps - 1)
    for number, begin in enumerate(range(0, steps, block)):
        count = min(block, steps - begin)
        given = transitions(count * STREAMS + STREAMS - 1, seed + number)
        fields = {name: values[: count * STREAMS].reshape(count, STREAMS, -1) for name, values in given.items()}
        fields["reward"] = fields["reward"][..., 0]
        fields["terminated"] = np.zeros((count, STREAMS), np.float32)
        last = given["observation"][-STREAMS:]
        writer.write(Block("replay", fields, np.ones((count, STREAMS), np.uint8), last))


class Products:
    """The matrix products of SAC updates with operands and results in place."""

    def __init__(self, batch: int, dtype: torch.dtype, device: torch.device = HOST.device) -> None:
        self.batch = batch
        products = sac_products(batch, OBSERVATIONS, ACTIONS, HIDDEN)
        generator = torch.Generator().manual_seed(0)
        made = [operands(product, dtype, generator) for product in products for _ in range(product.count)]
        self.operands = [tuple(tensor.to(device) for tensor in one) for one in made]

    def update(self) -> int:
        """Multiply everything that one update multiplies; return its rows."""
        for left, right, out in self.operands:
            torch.mm(left, right, out=out)
        return self.batch

    def measure(self, seconds: float) -> Any:
        """Multiply for `seconds`."""
        begin = time.perf_counter()
        rows, _ = timed(self.update, seconds)
        self.operands[-1][-1].sum().item()  # Waits for the device.
        return answer({"rows": rows}, time.perf_counter() - begin)


def operands(product: Product, dtype: torch.dtype, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Left, right and result of a product. What is long in the inner size is a transposed view, as in a gradient."""
    shapes: Sequence[tuple[int, int]] = ((product.rows, product.inner), (product.inner, product.columns))
    left, right = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    if product.inner > max(product.rows, product.columns):
        left = torch.randn(product.inner, product.rows, generator=generator).to(dtype).t()
    return left, right, torch.empty(product.rows, product.columns, dtype=dtype)


def main() -> None:
    """Build one of the two, warm it up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=("update", "products"), default="update")
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in the ring")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of products")
    parser.add_argument("--sac", action="append", default=[], metavar="NAME=VALUE", help="an option of SAC")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="a torch device; on another than the CPU, its own stores")
    parser.add_argument("--updates-per-call", type=int, default=1)
    parser.add_argument("--eager", action="store_true", help="no CUDA graphs")
    args = parser.parse_args()
    out = claim_stdout()
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    options = {name: yaml.safe_load(value) for name, _, value in (word.partition("=") for word in args.sac)}
    worker: Learner | Products
    if args.what == "update":
        device = torch.device(args.device)
        place = Place(args.device, args.updates_per_call, device.type != "cpu", args.eager)
        worker = Learner(args.batch, args.rows, options, args.seed, place)
    else:
        worker = Products(args.batch, getattr(torch, args.dtype), torch.device(args.device))
    worker.measure(1.0)
    serve(out, worker.measure, torch=torch.__version__)


if __name__ == "__main__":
    main()
