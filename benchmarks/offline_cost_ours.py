"""Our side of offline_cost.py: times MOPO, MOBILE and MICRO piece by piece, on arrays of random numbers.

It speaks the protocol of peers/offlinerl_kit.py: a request is a line `ALGORITHM WHAT COUNT`, its answer the seconds
taken. `learn` is COUNT updates of the learner, `rollouts` imagines from COUNT logged states; stores, readers, parts
and source are those of a run. Further words time pieces of an update, COUNT times each: `drawing`, `critic`, `actor`;
and `float32` and `bfloat16`, products of two square matrices of PRODUCT rows.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from spreeze.algorithms import micro, mobile, mopo
from spreeze.contract import (
    Algorithm,
    Dataset,
    EnvironmentSpec,
    Episode,
    LearnerSetup,
    SourceSetup,
    Stage,
    Store,
)
from spreeze.learning import Batches, JointUpdates, MetricMeans, to_tensors
from spreeze.stage_memory import dataset_layout
from spreeze.stages import build_modules, build_policy
from spreeze.transport.lane import LaneWriter, fill
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader

ALGORITHMS: Mapping[str, Algorithm] = {m.__name__.rpartition(".")[2]: m.ALGORITHM for m in (mopo, mobile, micro)}
PENALTY = {"mopo": 2.5, "mobile": 1.5, "micro": 0.5}
HORIZON, BATCH, EPISODE, PRODUCT = 5, 256, 1000, 1024
OPTIONS: Mapping[str, Any] = {
    "horizon": HORIZON,
    "logged_share": 0.05,
    "samples": 10,
    "members": 7,
    "elites": 5,
    "hidden": (256, 256),
    "dynamics_hidden": (200, 200, 200, 200),
    "imagined_per_update": 50 * HORIZON,
    "retained_updates": 5000,
    "automatic_temperature": True,
    "initial_temperature": 1.0,
    "deterministic_backup": False,
    "cache": False,
}
"""The peer's settings, so that both sides do the same work."""
CPU = torch.device("cpu")


class Ours:
    """One algorithm with its stores, learner and source, in one process."""

    def __init__(self, name: str, spec: EnvironmentSpec) -> None:
        config = ALGORITHMS[name].config(**OPTIONS, beta=PENALTY[name])
        self.stage = ALGORITHMS[name].stages(spec, config, BATCH)[-1]
        memories = {key: memory(key, store) for key, store in self.stage.stores.items()}
        readers = {key: StoreReader(m) for key, m in memories.items()}
        self.parts = self.stage.make_learner(LearnerSetup({"*": CPU}, 0, {}))
        self.batches = Batches(readers, self.stage.stores, 0)
        self.updates = JointUpdates(self.parts, self.batches, dict.fromkeys(self.parts, CPU))
        self.means, self.modules = MetricMeans(), build_modules(self.stage)
        self.writer = LaneWriter(memories["imagined"], 0)
        self.source = make_source(self.stage, self.modules, readers)
        self.streams = memories["imagined"].layout.streams
        self.rollouts(self.streams)

    def learn(self, count: int) -> None:
        """`count` updates, as the learner makes them; their metrics are read at the end."""
        for _ in range(count):
            self.means.add(self.updates.step())
        self.means.report()

    def rollouts(self, count: int) -> None:
        """Imagine from `count` logged states with the newest policy and write the rows, as a sampler does."""
        if count % self.streams:
            raise ValueError(f"{count} rollouts are no whole number of blocks of {self.streams}")
        for part in self.parts.values():
            for name, tensors in part.publish().items():
                self.modules[name].load_state_dict(dict(tensors))
        for _ in range(count // self.streams):
            for block in self.source.collect("explore"):
                self.writer.write(block)

    def drawn(self) -> dict[str, dict[str, Tensor]]:
        """One batch of each kind."""
        arrays = self.batches.draw(self.updates.draws, 1, self.batches.windows())
        return {name: to_tensors(value, CPU) for name, value in arrays.items()}

    def drawing(self, count: int) -> None:
        """Draw the batches of `count` updates."""
        for _ in range(count):
            self.drawn()

    def part(self, name: str, count: int) -> None:
        """`count` updates of one part alone, on one batch."""
        batches = self.drawn()
        for _ in range(count):
            self.parts[name].update(batches)

    def work(self) -> dict[str, Callable[[int], None]]:
        """What can be asked for."""
        parts: dict[str, Callable[[int], None]] = {name: partial(self.part, name) for name in self.parts}
        return {"learn": self.learn, "rollouts": self.rollouts, "drawing": self.drawing} | parts

    def check(self) -> None:
        """Raise FloatingPointError unless all weights are finite."""
        tensors = [t for part in self.parts.values() for module in part.owns.values() for t in module.parameters()]
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
            raise FloatingPointError("a weight is not finite")


def specification(observations: int, actions: int, rows: int) -> EnvironmentSpec:
    """An environment of that shape that never ends an episode, with a dataset of random numbers."""
    dataset = Dataset("random", "Random-v0", "", "0" * 64, rows, None, lambda: episodes(observations, actions, rows))
    spaces = [Box(-high, high, (size,), np.float32) for size, high in ((observations, np.inf), (actions, 1.0))]
    return EnvironmentSpec(spaces[0], spaces[1], never, dataset)


def never(observation: Any) -> Any:
    """No imagined episode ends."""
    return torch.zeros(observation.shape[:-1], dtype=torch.bool)


def episodes(observations: int, actions: int, rows: int) -> Iterator[Episode]:
    """Normal observations and rewards, uniform actions."""
    random = np.random.default_rng(0)
    for begin in range(0, rows, EPISODE):
        steps = min(EPISODE, rows - begin)
        observation = random.standard_normal((steps + 1, observations), np.float32)
        action = random.uniform(-1, 1, (steps, actions)).astype(np.float32)
        yield Episode(observation, action, random.standard_normal(steps, np.float32), np.zeros(steps, bool))


def memory(name: str, store: Store) -> StoreMemory:
    """The memory of `store` for one sampler, filled if it holds a dataset."""
    layout = StoreLayout.of(store, 1, 1)
    if store.load is None:
        return StoreMemory.create(name, layout)
    loaded = [dict(episode) for episode in store.load()]
    found = StoreMemory.create(name, dataset_layout(layout, sum(len(e["observation"]) for e in loaded)))
    fill(found, loaded)
    return found


def make_source(stage: Stage, modules: Mapping[str, torch.nn.Module], readers: Mapping[str, StoreReader]) -> Any:
    """The stage's source, acting with `modules`."""
    assert stage.make_source is not None, "all three algorithms imagine"
    policy, _ = build_policy(stage, modules, 0)
    return stage.make_source(SourceSetup(policy, modules, no_environments, stage.stores, readers, {}, 1, HORIZON, 0))


def no_environments(count: int, seed: int) -> Any:
    """Imagination steps no environment."""
    raise AssertionError("an environment was asked for")


def products(dtype: torch.dtype) -> Callable[[int], None]:
    """A function that multiplies two matrices so many times."""
    left, right = (torch.randn(PRODUCT, PRODUCT, generator=torch.Generator().manual_seed(0)).to(dtype) for _ in "ab")

    def multiply(count: int) -> None:
        for _ in range(count):
            left @ right

    return multiply


def serve(sides: Mapping[str, Ours]) -> None:
    """Answer requests until standard input ends."""
    work = {(name, what): function for name, side in sides.items() for what, function in side.work().items()}
    work |= {
        ("product", str(dtype).removeprefix("torch.")): products(dtype) for dtype in (torch.float32, torch.bfloat16)
    }
    for line in sys.stdin:
        name, what, count = line.split()
        begin = time.perf_counter()
        work[name, what](int(count))
        seconds = time.perf_counter() - begin
        if name in sides:
            sides[name].check()
        print(seconds, flush=True)


def main() -> None:
    """Build the three algorithms, say `ready`, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--observations", type=int, default=11)
    parser.add_argument("--actions", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    spec = specification(args.observations, args.actions, args.rows)
    sides = {name: Ours(name, spec) for name in ALGORITHMS}
    print("ready", flush=True)
    serve(sides)


if __name__ == "__main__":
    main()
