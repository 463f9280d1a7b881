"""d3rlpy's TD3+BC on a Minari dataset folder, with the settings of the paper, in the format of our `summary.json`.

Run it in its own virtual environment (`benchmarks/peers/requirements-d3rlpy.txt`: d3rlpy pins Gymnasium 1.0.0, other
peers need a later one). The data are read with plain h5py. A truncated episode is given its final observation as a row
of its own, so that d3rlpy draws exactly our transitions: of such an episode it never draws the last row.

The clock counts training only, d3rlpy's own preparation of the data included; evaluation stops it.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import d3rlpy
import gymnasium
import h5py
import numpy as np
import torch
from d3rlpy.algos import TD3PlusBC, TD3PlusBCConfig
from d3rlpy.dataset import Episode, InfiniteBuffer, ReplayBuffer
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.preprocessing import StandardObservationScaler


def episodes(folder: Path) -> Iterator[Episode]:
    """Read the episodes of `folder`/data/main_data.hdf5 in the order in which they were recorded."""
    with h5py.File(folder / "data" / "main_data.hdf5", "r") as file:
        names = sorted((name for name in file if name.startswith("episode_")), key=lambda n: int(n.split("_")[1]))
        for name in names:
            yield episode(file[name])


def episode(group: Any) -> Episode:
    """One episode of d3rlpy; a truncated one ends with its final observation and zeros."""
    seen, action, reward = (group[key][()].astype(np.float32) for key in ("observations", "actions", "rewards"))
    if np.abs(action).max() > 1 + 1e-6:
        raise SystemExit("actions outside [-1, 1]: this comparison serves environments whose actions need no scaling")
    terminated = bool(group["terminations"][-1])
    if terminated:
        return Episode(seen[:-1], action, reward[:, None], True)
    action = np.concatenate((action, np.zeros_like(action[:1])))
    return Episode(seen, action, np.append(reward, np.float32(0))[:, None], False)


def recorded_in(folder: Path) -> str:
    """The Gymnasium id in the dataset's metadata."""
    metadata = json.loads((folder / "data" / "metadata.json").read_text(encoding="utf-8"))
    return str(json.loads(metadata["env_spec"])["id"])


def described(folder: Path) -> dict[str, Any]:
    """What identifies the dataset, as far as its card says it; the digest is that of the data."""
    card = folder / "card.json"
    known = json.loads(card.read_text(encoding="utf-8")) if card.exists() else {}
    with (folder / "data" / "main_data.hdf5").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {"name": known.get("name", folder.name), "environment": recorded_in(folder), "digest": digest}
    return about | {"reference": known.get("reference")}


class Evaluation:
    """Deterministic episodes in the real environment, by the training clock."""

    def __init__(self, env_id: str, seed: int, count: int) -> None:
        self.env, self.count = gymnasium.make(env_id), count
        self.env.reset(seed=seed + 1_000_000)
        self.results: list[dict[str, Any]] = []

    def measure(self, algorithm: TD3PlusBC, seconds: float, updates: int) -> None:
        """Append one evaluation and print it."""
        returns = [self.episode(algorithm) for _ in range(self.count)]
        self.results.append({"seconds": seconds, "env_steps": 0, "updates": updates, "returns": returns})
        print(f"{seconds:6.0f} s  {updates:8d} updates  return {np.mean(returns):8.1f}", flush=True)

    def episode(self, algorithm: TD3PlusBC) -> float:
        """The undiscounted return of one episode."""
        observation, _ = self.env.reset()
        total, done = 0.0, False
        while not done:
            action = algorithm.predict(observation[None].astype(np.float32))[0]
            observation, reward, terminated, truncated, _ = self.env.step(action)
            total, done = total + float(reward), terminated or truncated
        return total


def train(algorithm: TD3PlusBC, data: ReplayBuffer, evaluation: Evaluation, updates: int, interval: int) -> float:
    """Make `updates` updates with an evaluation after every `interval` of them; return the seconds they took."""
    rounds = algorithm.fitter(
        data,
        n_steps=updates,
        n_steps_per_epoch=interval,
        logger_adapter=NoopAdapterFactory(),
        show_progress=False,
        save_interval=updates,
    )
    seconds, begin = 0.0, time.monotonic()
    for number, _ in rounds:
        seconds += time.monotonic() - begin
        evaluation.measure(algorithm, seconds, number * interval)
        begin = time.monotonic()
    return seconds


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="Minari folder, which holds data/main_data.hdf5")
    parser.add_argument("--env", help="Gymnasium id (default: the one that the dataset was recorded in)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--updates", type=int, default=1_000_000, help="a multiple of --interval")
    parser.add_argument("--interval", type=int, default=10_000, help="updates between evaluations")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, help="folder for summary.json")
    args = parser.parse_args()
    if args.updates < 1 or args.updates % args.interval:
        parser.error(f"--updates {args.updates} is no multiple of --interval {args.interval}")
    return args


def main() -> None:
    """Train, then write the summary."""
    args = parse()
    environment = args.env or recorded_in(args.dataset)
    d3rlpy.seed(args.seed)
    evaluation = Evaluation(environment, args.seed, args.episodes)
    data = ReplayBuffer(InfiniteBuffer(), episodes=list(episodes(args.dataset)))
    config = TD3PlusBCConfig(
        actor_learning_rate=3e-4,
        critic_learning_rate=3e-4,
        batch_size=256,
        gamma=0.99,
        tau=0.005,
        target_smoothing_sigma=0.2,
        target_smoothing_clip=0.5,
        alpha=2.5,
        update_actor_interval=2,
        observation_scaler=StandardObservationScaler(eps=1e-3),
    )
    algorithm = config.create(device="cpu:0")
    seconds = train(algorithm, data, evaluation, args.updates, args.interval)
    summary = {
        "format": 1,
        "label": f"d3rlpy {d3rlpy.__version__} TD3+BC",
        "algorithm": "d3rlpy-td3-bc",
        "environment": environment,
        "dataset": described(args.dataset),
        "seed": args.seed,
        "wall_seconds": seconds,
        "env_steps": 0,
        "updates": args.updates,
        "batch_size": config.batch_size,
        "torch_threads": torch.get_num_threads(),
        "versions": {m.__name__: m.__version__ for m in (d3rlpy, gymnasium, h5py, np, torch)},
        "exit_reason": "finished",
        "evaluations": evaluation.results,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
