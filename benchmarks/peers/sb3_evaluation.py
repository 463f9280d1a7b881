"""Evaluations of a Stable-Baselines3 model while it trains, with its clock stopped."""

import json
import math
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
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

    def _on_training_end(self) -> None:
        if math.isinf(self.limit_s):
            self.evaluate(self.elapsed())

    def evaluate(self, seconds: float) -> None:
        """Append one evaluation and print it."""
        begin = time.monotonic()
        returns = [self.episode() for _ in range(self.episodes)]
        self.paused_s += time.monotonic() - begin
        self.evaluations.append({"seconds": seconds, "env_steps": self.num_timesteps, "returns": returns})
        print(f"{seconds:6.0f} s  {self.num_timesteps:8d} steps  return {np.mean(returns):8.1f}", flush=True)

    def episode(self) -> float:
        """The undiscounted return of one deterministic episode."""
        normaliser = self.model.get_vec_normalize_env()
        observation, _ = self.env.reset()
        total, done = 0.0, False
        while not done:
            seen = observation if normaliser is None else normaliser.normalize_obs(observation)
            action, _ = self.model.predict(seen, deterministic=True)
            observation, reward, terminated, truncated, _ = self.env.step(action)
            total, done = total + float(reward), terminated or truncated
        return total

    def write(self, folder: Path, algorithm: str, settings: str, env_id: str, seed: int) -> None:
        """Write the run as a `summary.json` of ours."""
        summary = {
            "format": 1,
            "label": f"Stable-Baselines3 {stable_baselines3.__version__} {algorithm.upper()}, {settings}",
            "algorithm": f"sb3-{algorithm}",
            "environment": env_id,
            "seed": seed,
            "wall_seconds": self.elapsed(),
            "env_steps": self.model.num_timesteps,
            "updates": self.model._n_updates,
            "batch_size": self.model.batch_size,
            "torch_threads": torch.get_num_threads(),
            "versions": {m.__name__: m.__version__ for m in (gymnasium, np, stable_baselines3, torch)},
            "exit_reason": "finished",
            "evaluations": self.evaluations,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").write_text(json.dumps(summary, indent=1))
