"""Stable-Baselines3 SAC with its defaults for a fixed wall clock, in the format of our `summary.json`.

Run it in its own virtual environment (`benchmarks/peers/requirements.txt`). The clock counts training only:
evaluation (10 deterministic episodes on a second environment) stops it, which favours this peer, since our own
evaluator runs on the same cores inside the clock.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback


class TimedEvaluation(BaseCallback):
    """Evaluates every `interval_s` seconds of training and stops after `limit_s`."""

    def __init__(self, env_id: str, seed: int, limit_s: float, interval_s: float, episodes: int) -> None:
        super().__init__()
        self.env = gymnasium.make(env_id)
        self.env.reset(seed=seed + 1_000_000)
        self.limit_s, self.interval_s, self.episodes = limit_s, interval_s, episodes
        self.evaluations: list[dict[str, Any]] = []
        self.paused_s = 0.0

    def _on_training_start(self) -> None:
        self.start = time.monotonic()
        self.next_s = self.interval_s

    def elapsed(self) -> float:
        """Seconds of training so far, evaluation excluded."""
        return time.monotonic() - self.start - self.paused_s

    def _on_step(self) -> bool:
        seconds = self.elapsed()
        if seconds >= self.next_s:
            self.evaluate(seconds)
            self.next_s += self.interval_s
        return seconds < self.limit_s

    def evaluate(self, seconds: float) -> None:
        """Append one evaluation and print it."""
        begin = time.monotonic()
        returns = [self.episode() for _ in range(self.episodes)]
        self.paused_s += time.monotonic() - begin
        self.evaluations.append({"seconds": seconds, "env_steps": self.num_timesteps, "returns": returns})
        print(f"{seconds:6.0f} s  {self.num_timesteps:8d} steps  return {np.mean(returns):8.1f}", flush=True)

    def episode(self) -> float:
        """The undiscounted return of one deterministic episode."""
        observation, _ = self.env.reset()
        total, done = 0.0, False
        while not done:
            action, _ = self.model.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, _ = self.env.step(action)
            total, done = total + float(reward), terminated or truncated
        return total


def main() -> None:
    """Train, then write the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="Hopper-v5", help="Gymnasium id")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=900, help="training wall clock")
    parser.add_argument("--interval", type=float, default=30, help="training seconds between evaluations")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, help="folder for summary.json")
    args = parser.parse_args()
    model = SAC("MlpPolicy", args.env, seed=args.seed, device="cpu")
    timed = TimedEvaluation(args.env, args.seed, args.seconds, args.interval, args.episodes)
    model.learn(total_timesteps=10**9, callback=timed)
    summary = {
        "format": 1,
        "label": f"Stable-Baselines3 {stable_baselines3.__version__} SAC, defaults",
        "algorithm": "sb3-sac",
        "environment": args.env,
        "seed": args.seed,
        "wall_seconds": timed.elapsed(),
        "env_steps": model.num_timesteps,
        "updates": model._n_updates,
        "batch_size": model.batch_size,
        "torch_threads": torch.get_num_threads(),
        "versions": {m.__name__: m.__version__ for m in (gymnasium, np, stable_baselines3, torch)},
        "exit_reason": "finished",
        "evaluations": timed.evaluations,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
