"""Gymnasium's vector environments driven by the reference policy: a worker of throughput.py.

`--kind sync` steps its environments in this process, `--kind async` each in a process of its own. A step after the end
of an episode resets that environment; it does not count.
"""

import argparse
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from reference import Policy, Watch, load_weights, scaled
from serving import answer, claim_stdout, serve, timed


class Driven:
    """Environments stepped with the reference policy."""

    def __init__(self, kind: str, env: str, count: int, weights: Path, seed: int) -> None:
        make = [lambda: gymnasium.make(env, disable_env_checker=True)] * count
        self.envs: Any = SyncVectorEnv(make) if kind == "sync" else AsyncVectorEnv(make, shared_memory=True)
        self.policy = Policy(load_weights(weights), count, seed)
        space: Any = self.envs.single_action_space
        self.low, self.high = space.low, space.high
        self.observation, _ = self.envs.reset(seed=seed)
        self.ended = np.zeros(count, bool)

    def step(self) -> int:
        """Step all environments once; return how many of them were not reset."""
        action = self.policy.act(self.observation)
        self.observation, self.reward, terminated, truncated, _ = self.envs.step(scaled(action, self.low, self.high))
        self.action = action
        steps = len(self.ended) - int(self.ended.sum())
        self.ended = terminated | truncated
        return steps

    def measure(self, seconds: float) -> Any:
        """Step for `seconds`, then look at some more steps."""
        steps, elapsed = timed(self.step, seconds)
        watch = Watch()
        for _ in range(-(-512 // len(self.ended))):
            self.step()
            watch.see(self.observation, self.action, self.reward)
        return answer({"env_steps": steps}, elapsed, watch.means())


def main() -> None:
    """Make the environments, warm them up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--kind", choices=("sync", "async"), default="sync")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = claim_stdout()
    driven = Driven(args.kind, args.env, args.count, args.weights, args.seed)
    timed(driven.step, 1.0)
    serve(out, driven.measure, gymnasium=gymnasium.__version__)


if __name__ == "__main__":
    main()
