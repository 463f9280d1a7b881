"""EnvPool driven by the reference policy: a worker of throughput.py.

Run it in its own virtual environment (`requirements-envpool.txt`). With fewer rows in a batch than environments,
EnvPool's threads step some environments while this thread chooses actions for the others.
"""

import argparse
from pathlib import Path
from typing import Any

import envpool
import numpy as np
from reference import Policy, Watch, load_weights, scaled
from serving import answer, claim_stdout, serve, timed


class Driven:
    """A pool stepped with the reference policy."""

    def __init__(self, env: str, count: int, batch: int, threads: int, weights: Path, seed: int) -> None:
        self.pool = envpool.make(
            env, env_type="gymnasium", num_envs=count, batch_size=batch, num_threads=threads, seed=seed
        )
        self.policy = Policy(load_weights(weights), batch, seed)
        self.low, self.high = self.pool.action_space.low, self.pool.action_space.high
        self.ended = np.zeros(count, bool)
        self.batch = batch
        self.pool.async_reset()

    def step(self) -> int:
        """Act in the environments that are ready; return how many of them had not been reset."""
        self.observation, self.reward, terminated, truncated, info = self.pool.recv()
        ready = info["env_id"]
        steps = len(ready) - int(self.ended[ready].sum())
        self.ended[ready] = terminated | truncated
        self.action = self.policy.act(self.observation)
        self.pool.send(scaled(self.action, self.low, self.high), ready)
        return steps

    def measure(self, seconds: float) -> Any:
        """Step for `seconds`, then look at some more steps."""
        steps, elapsed = timed(self.step, seconds)
        watch = Watch()
        for _ in range(-(-512 // self.batch)):
            self.step()
            watch.see(self.observation, self.action, self.reward)
        return answer({"env_steps": steps}, elapsed, watch.means())


def main() -> None:
    """Make the pool, warm it up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pool-threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = claim_stdout()
    driven = Driven(args.env, args.count, args.batch, args.pool_threads, args.weights, args.seed)
    timed(driven.step, 1.0)
    serve(out, driven.measure, envpool=envpool.__version__)


if __name__ == "__main__":
    main()
