"""Stable-Baselines3 SAC with its defaults for a fixed wall clock, in the format of our `summary.json`.

Run it in its own virtual environment (`benchmarks/peers/requirements.txt`). The clock counts training only:
evaluation (10 deterministic episodes on a second environment) stops it, which favours this peer, since our own
evaluator runs on the same cores inside the clock.
"""

import argparse
from pathlib import Path

from sb3_evaluation import TimedEvaluation
from stable_baselines3 import SAC


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
    timed.write(args.out, "sac", "defaults", args.env, args.seed)


if __name__ == "__main__":
    main()
