"""Times the loop of oyster, PEARL's published code, from a checkout, on its sparse point robot.

A request is a line `pearl WHAT COUNT` on standard input, its answer a line with seconds on standard output, so that the
caller can interleave these measurements with others. WHAT is `collect` (COUNT steps of the environment, stored) or
`update` (COUNT gradient steps, each with the sampling of its batches). Both are one iteration of the checkout's own
`train`, asked for one thing alone; environment, buffers, networks and updates are its own, settings those of its
`configs/sparse-point-robot.json` but for the sizes given. For versions of today, empty names stand in for gym,
mujoco_py, gtimer, dateutil and joblib, which it imports for base classes, other environments, timing and logs, and its
logs, snapshots and evaluations are left out.
"""

import argparse
import contextlib
import importlib
import os
import sys
import time
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

LATENT, WIDTH, ENCODER_WIDTH = 5, 300, 200
TRAIN, TEST = 40, 20
META_BATCH, BATCH, STEPS = 16, 256, 32
"""Tasks of an update, transitions of each, steps of an episode."""


class Box:
    """As much of a space as the checkout reads."""

    def __init__(self, low: Any, high: Any, shape: tuple[int, ...] | None = None) -> None:
        self.shape = np.shape(low) if shape is None else shape
        self.low, self.high = np.broadcast_to(low, self.shape), np.broadcast_to(high, self.shape)


def module(name: str, **names: Any) -> None:
    """Let `import name` give a module of these names."""
    found = types.ModuleType(name)
    found.__dict__.update(names)
    sys.modules[name] = found


def stand_in(checkout: Path) -> None:
    """Let the checkout's import statements succeed, of its environments those of the point robot alone."""
    spaces = types.SimpleNamespace(Box=Box, Discrete=type("Discrete", (), {}), Tuple=type("Tuple", (), {}))
    module("gym", Env=object, spaces=spaces)
    module("gym.spaces", **vars(spaces))
    module("mujoco_py")
    module("gtimer", reset=ignored, stamp=ignored, set_def_unique=ignored, timed_for=lambda over, **options: over)
    module("rlkit.core.logger", push_prefix=ignored, pop_prefix=ignored, log=ignored, save_itr_params=ignored)
    sys.path.insert(0, str(checkout))
    import rlkit.core  # type: ignore[import-not-found]

    rlkit.core.logger = sys.modules["rlkit.core.logger"]
    module("rlkit.envs", register_env=lambda name: lambda kind: kind, __path__=[str(checkout / "rlkit" / "envs")])


def ignored(*args: Any, **options: Any) -> None:
    """Nothing happens."""


class Oyster:
    """The checkout's algorithm with its buffers, filled with one episode of context and more for every task."""

    def __init__(self, context_episodes: int) -> None:
        self.context_episodes = context_episodes
        part = importlib.import_module
        point, wrappers = part("rlkit.envs.point_robot"), part("rlkit.envs.wrappers")
        env = wrappers.NormalizedBoxEnv(point.SparsePointEnv(n_tasks=TRAIN + TEST, randomize_tasks=True))
        tasks = list(env.get_all_task_idx())
        options = self.options()
        agent, values = self.networks(options)
        self.algorithm = part("rlkit.torch.sac.sac").PEARLSoftActorCritic(
            env=env, train_tasks=tasks[:TRAIN], eval_tasks=tasks[TRAIN:], nets=[agent, *values], latent_dim=LATENT,
            **options,
        )  # fmt: skip
        self.algorithm._try_to_eval = ignored
        self.algorithm.get_epoch_snapshot = ignored
        self.train(num_initial_steps=(context_episodes + 1) * STEPS)

    def options(self) -> dict[str, Any]:
        """`algo_params` of its sparse point robot, for the sizes given."""
        tokens = self.context_episodes * STEPS
        return {
            "meta_batch": META_BATCH, "batch_size": BATCH, "embedding_batch_size": tokens,
            "embedding_mini_batch_size": tokens, "max_path_length": STEPS, "num_iterations": 1,
            "num_steps_prior": STEPS, "num_steps_posterior": tokens, "num_extra_rl_steps_posterior": 0,
            "discount": 0.9, "reward_scale": 100.0, "sparse_rewards": True, "kl_lambda": 1.0, "soft_target_tau": 0.005,
            "policy_lr": 3e-4, "qf_lr": 3e-4, "vf_lr": 3e-4, "context_lr": 3e-4, "update_post_train": 1,
            "use_information_bottleneck": True, "use_next_obs_in_context": True, "recurrent": False,
        }  # fmt: skip

    def networks(self, options: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """The agent, and both critics with the state value, as its launcher makes them."""
        nets, hidden, seen, actions = importlib.import_module("rlkit.torch.networks"), [WIDTH] * 3, 2, 2
        sac = "rlkit.torch.sac"
        encoder = nets.MlpEncoder([ENCODER_WIDTH] * 3, input_size=2 * seen + actions + 1, output_size=2 * LATENT)
        policy = importlib.import_module(f"{sac}.policies").TanhGaussianPolicy(
            hidden, obs_dim=seen + LATENT, latent_dim=LATENT, action_dim=actions
        )
        agent = importlib.import_module(f"{sac}.agent").PEARLAgent(LATENT, encoder, policy, **options)
        inputs = (seen + actions + LATENT, seen + actions + LATENT, seen + LATENT)
        return agent, [nets.FlattenMlp(hidden, input_size=size, output_size=1) for size in inputs]

    def train(self, **amounts: int) -> None:
        """One iteration of the checkout's loop, of the `amounts` named alone."""
        names = ("num_initial_steps", "num_tasks_sample", "num_train_steps_per_itr")
        for name in names:
            setattr(self.algorithm, name, amounts.get(name, 0))
        with contextlib.redirect_stdout(sys.stderr):
            self.algorithm.train()

    def collect(self, count: int) -> None:
        """`count` steps: of each of some tasks, an episode with z from the prior, the others from the posterior."""
        tasks, rest = divmod(count, (self.context_episodes + 1) * STEPS)
        if rest:
            raise ValueError(f"{count} steps are no whole number of tasks")
        self.train(num_tasks_sample=tasks)

    def update(self, count: int) -> None:
        """`count` gradient steps."""
        self.train(num_train_steps_per_itr=count)

    def check(self) -> None:
        """Raise FloatingPointError unless all weights are finite."""
        if not all(bool(torch.isfinite(t).all()) for net in self.algorithm.networks for t in net.parameters()):
            raise FloatingPointError("a weight is not finite")


def serve(side: Any, lines: Iterable[str] = sys.stdin) -> None:
    """Answer requests until standard input ends."""
    print("ready", flush=True)
    for line in lines:
        _, what, count = line.split()
        begin = time.perf_counter()
        {"collect": side.collect, "update": side.update}[what](int(count))
        seconds = time.perf_counter() - begin
        side.check()
        print(seconds, flush=True)


def main() -> None:
    """Build the algorithm, say `ready`, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oyster", type=Path, required=True, help="source checkout of oyster")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context-episodes", type=int, default=3)
    args = parser.parse_args()
    os.environ["DEBUG"] = "0"
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    np.random.seed(0)
    stand_in(args.oyster)
    serve(Oyster(args.context_episodes))


if __name__ == "__main__":
    main()
