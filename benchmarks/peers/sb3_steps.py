"""Stable-Baselines3's PPO or TD3 for a number of steps, in the format of our `summary.json`.

Run it in its own virtual environment (`benchmarks/peers/requirements.txt`). PPO has the settings that RL Baselines3 Zoo
tuned for HalfCheetah and Hopper (hyperparams/ppo.yml at 00128b5, there for v3 of the environments), TD3 its defaults.
The clock counts training only: evaluation (10 deterministic episodes on a second environment) stops it.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
from sb3_evaluation import TimedEvaluation
from stable_baselines3 import PPO, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

NETWORK: dict[str, Any] = {
    "log_std_init": -2,
    "ortho_init": False,
    "activation_fn": nn.ReLU,
    "net_arch": {"pi": [256, 256], "vf": [256, 256]},
}
ZOO: dict[str, dict[str, Any]] = {
    "HalfCheetah-v5": {
        "batch_size": 64,
        "n_steps": 512,
        "gamma": 0.98,
        "learning_rate": 2.0633e-05,
        "ent_coef": 0.000401762,
        "clip_range": 0.1,
        "n_epochs": 20,
        "gae_lambda": 0.92,
        "max_grad_norm": 0.8,
        "vf_coef": 0.58096,
    },
    "Hopper-v5": {
        "batch_size": 32,
        "n_steps": 512,
        "gamma": 0.999,
        "learning_rate": 9.80828e-05,
        "ent_coef": 0.00229519,
        "clip_range": 0.2,
        "n_epochs": 5,
        "gae_lambda": 0.99,
        "max_grad_norm": 0.7,
        "vf_coef": 0.835671,
    },
}


def model_of(algorithm: str, env_id: str, seed: int) -> PPO | TD3:
    """The model, on one environment."""
    envs = make_vec_env(env_id, n_envs=1, seed=seed)
    if algorithm == "ppo":
        options = ZOO[env_id]
        normalised = VecNormalize(envs, gamma=options["gamma"])
        return PPO("MlpPolicy", normalised, seed=seed, device="cpu", policy_kwargs=NETWORK, **options)
    actions = envs.action_space.shape[0]  # type: ignore[index]
    noise = NormalActionNoise(np.zeros(actions), 0.1 * np.ones(actions))
    return TD3("MlpPolicy", envs, seed=seed, device="cpu", action_noise=noise, learning_starts=10_000)


def main() -> None:
    """Train, then write the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("algorithm", choices=("ppo", "td3"))
    parser.add_argument("--env", choices=tuple(ZOO), default="HalfCheetah-v5")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--interval", type=float, default=60, help="training seconds between evaluations")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, help="folder for summary.json")
    args = parser.parse_args()
    model = model_of(args.algorithm, args.env, args.seed)
    timed = TimedEvaluation(args.env, args.seed, math.inf, args.interval, args.episodes)
    model.learn(total_timesteps=args.steps, callback=timed)
    settings = "settings of RL Baselines3 Zoo" if args.algorithm == "ppo" else "defaults, noise 0.1"
    timed.write(args.out, args.algorithm, settings, args.env, args.seed)


if __name__ == "__main__":
    main()
