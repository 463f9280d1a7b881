"""Our side of meta_speed.py: PEARL's sampler and learner on the point robot, each timed alone, in one process.

It speaks the protocol of peers/oyster.py. Stores, source, parts and environments are those of a run; networks, batch
and episodes those of the peer.
"""

import argparse

import torch
from peers import oyster

from spreeze import registry
from spreeze.algorithms._passes import Precision
from spreeze.algorithms.pearl import ALGORITHM, PEARLConfig
from spreeze.contract import EnvironmentSpec, LearnerSetup, SourceSetup
from spreeze.learning import Batches, JointUpdates, MetricMeans
from spreeze.stages import build_modules, build_policy
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader

STREAMS = 16
"""Environments side by side."""


class Ours:
    """The stage of PEARL with its store, learner and source, and some meta-episodes of every task."""

    def __init__(self, context_episodes: int, precision: Precision = "float32") -> None:
        env = registry.environment("point-robot-sparse")
        options = env.options()
        config = PEARLConfig(
            explore_episodes=context_episodes,
            latent=oyster.LATENT,
            hidden=(oyster.WIDTH,) * 3,
            encoder_width=oyster.ENCODER_WIDTH,
            tasks_per_update=oyster.META_BATCH,
            learning_rate=3e-4,
            polyak_rate=0.005,
            precision=precision,
        )
        spaces, tasks = env.make_vector(options, 1, 0), env.tasks(options) if env.tasks else None
        spec = EnvironmentSpec(spaces.observation_space, spaces.action_space, tasks=tasks)
        [stage] = ALGORITHM.stages(spec, config, oyster.META_BATCH * oyster.BATCH)
        memories = {name: StoreMemory.create(name, StoreLayout.of(s, 1, STREAMS)) for name, s in stage.stores.items()}
        readers, self.modules = {name: StoreReader(memory) for name, memory in memories.items()}, build_modules(stage)
        self.parts = stage.make_learner(LearnerSetup({"*": torch.device("cpu")}, 0, {}))
        batches = Batches(readers, stage.stores, 0)
        self.updates = JointUpdates(self.parts, batches, dict.fromkeys(self.parts, torch.device("cpu")))
        self.writer, self.means = LaneWriter(memories["episodes"], 0), MetricMeans()
        policy, _ = build_policy(stage, self.modules, 0)
        assert stage.make_source is not None, "PEARL plays"
        make = SourceSetup(
            policy, self.modules, lambda n, seed: env.make_vector(options, n, seed), stage.stores, readers, {},
            STREAMS, stage.block_rows or 1, 0,
        )  # fmt: skip
        self.source, self.block = stage.make_source(make), STREAMS * (context_episodes + 1) * oyster.STEPS
        for _ in range(8):
            self.collect(self.block)

    def collect(self, count: int) -> None:
        """`count` steps with the newest policy, written to the store as a sampler does."""
        if count % self.block:
            raise ValueError(f"{count} steps are no whole number of blocks of {self.block}")
        for part in self.parts.values():
            for name, tensors in part.publish().items():
                self.modules[name].load_state_dict(dict(tensors))
        for _ in range(count // self.block):
            for block in self.source.collect("explore"):
                self.writer.write(block)

    def update(self, count: int) -> None:
        """`count` updates, as the learner makes them."""
        for _ in range(count):
            self.means.add(self.updates.step())
        self.means.report()

    def check(self) -> None:
        """Raise FloatingPointError unless all weights are finite."""
        tensors = [t for part in self.parts.values() for module in part.owns.values() for t in module.parameters()]
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
            raise FloatingPointError("a weight is not finite")


def main() -> None:
    """Build the stage, say `ready`, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context-episodes", type=int, default=3)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    oyster.serve(Ours(args.context_episodes, args.precision))


if __name__ == "__main__":
    main()
