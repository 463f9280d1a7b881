"""Our side of the sampling benchmark: one sampler on one core, made of the parts of a run.

The stage's source steps the environments with the stage's policy, whose weights are those of peers/reference.py, and a
`LaneWriter` writes its blocks into a ring in shared memory.
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.reference import Watch, load_weights
from peers.serving import answer, claim_stdout, serve, timed

from spreeze import registry
from spreeze.algorithms._networks import LOG_STD_MAX, LOG_STD_MIN
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec, SourceSetup, Stage
from spreeze.sizing import Sizes, sizes
from spreeze.stages import build_modules, build_policy, build_stages, make_envs
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import COMMIT, StoreLayout, StoreMemory

LOOKED_AT = 4096
"""Rows of the ring that are examined after each measurement."""
WARM_S = 1.0


class Sampler:
    """One source, and its lane in a ring."""

    def __init__(self, settings: Settings, weights: Mapping[str, np.ndarray], capacity: int, seed: int) -> None:
        environment = make_envs(settings, 1, seed)
        spec = EnvironmentSpec(environment.observation_space, environment.action_space)
        environment.close()
        [self.stage] = build_stages(settings, spec)
        chosen = sizes(settings, registry.algorithm(settings.algo), self.stage)
        self.memory = ring(self.stage, chosen, capacity)
        self.writer = LaneWriter(self.memory, 0)
        self.source = make_source(settings, self.stage, chosen, weights, seed)

    def collect(self) -> int:
        """Store the next blocks; return how many environment steps they hold."""
        steps = 0
        for block in self.source.collect("explore"):
            self.writer.write(block)
            steps += int(block.valid.sum())
        return steps

    def measure(self, seconds: float) -> Mapping[str, Any]:
        """Sample for `seconds`, then look at what was stored last."""
        steps, elapsed = timed(self.collect, seconds)
        return answer({"env_steps": steps}, elapsed, self.seen())

    def seen(self) -> dict[str, float]:
        """Return what the newest rows of the ring tell; raises FloatingPointError if one is not finite."""
        layout = self.memory.layout
        committed = int(self.memory.words[0, COMMIT])
        steps = np.arange(max(committed - math.ceil(LOOKED_AT / layout.streams), 0), committed) % layout.steps
        rows = self.memory.rows[0, steps].reshape(-1)
        rows, watch = rows[rows["valid"] == 1], Watch()
        watch.see(rows["observation"], rows["action"], rows["reward"])
        return watch.means()


def ring(stage: Stage, chosen: Sizes, capacity: int) -> StoreMemory:
    """The memory of the stage's replay store for one sampler."""
    layout = StoreLayout.of(stage.stores["replay"], 1, chosen.envs_per_sampler)
    steps = max(capacity // chosen.envs_per_sampler, 2 * chosen.block_steps + 2)
    return StoreMemory.create("replay", StoreLayout(**(vars(layout) | {"steps": steps})))


def make_source(settings: Settings, stage: Stage, chosen: Sizes, weights: Mapping[str, np.ndarray], seed: int) -> Any:
    """The stage's source with the reference policy."""
    assert stage.make_source is not None, "SAC samples"
    modules = build_modules(stage)
    modules["policy"].load_state_dict(actor_tensors(weights))
    policy, _ = build_policy(stage, modules, seed)
    return stage.make_source(
        SourceSetup(
            policy=policy,
            modules=modules,
            make_envs=lambda count, seed: make_envs(settings, count, seed),
            stores=stage.stores,
            readers={},
            inherited={},
            streams=chosen.envs_per_sampler,
            block_steps=chosen.block_steps,
            seed=seed,
        )
    )


def actor_tensors(weights: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The reference policy as the state of a `SquashedGaussianActor`, whose std then depends on no observation."""
    level = 2 * (float(weights["log_std"][0]) - LOG_STD_MIN) / (LOG_STD_MAX - LOG_STD_MIN) - 1
    last, bias = weights["w2"], weights["b2"]
    layers = [
        (weights["w0"], weights["b0"]),
        (weights["w1"], weights["b1"]),
        (np.hstack([last, np.zeros_like(last)]), np.hstack([bias, np.full_like(bias, math.atanh(level))])),
    ]
    named = {}
    for index, (weight, shift) in enumerate(layers):
        named[f"net.{2 * index}.weight"] = torch.from_numpy(np.ascontiguousarray(weight.T))
        named[f"net.{2 * index}.bias"] = torch.from_numpy(shift.copy())
    return named


def request(environment: str, streams: int, engine: str) -> Settings:
    """What a user would ask for."""
    run = {"envs_per_sampler": streams, "samplers": 1}
    return Settings.from_data(
        {"algo": "sac", "env": environment, "run": run, "environment": {"sampler_engine": engine}}
    )


def main() -> None:
    """Build the sampler, warm it up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--capacity", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = claim_stdout()
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    settings = request(args.env, args.streams, args.engine)
    sampler = Sampler(settings, load_weights(args.weights), args.capacity, args.seed)
    timed(sampler.collect, WARM_S)
    serve(out, sampler.measure)


if __name__ == "__main__":
    main()
