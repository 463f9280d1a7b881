"""Our policy's inference alone: a worker of scaling.py that acts for N environments again and again on one core."""

import argparse

import numpy as np
import torch
from peers.reference import make_weights
from peers.serving import answer, claim_stdout, serve, timed
from throughput_sampler import actor_tensors

from spreeze.algorithms.sac import ALGORITHM, SACConfig
from spreeze.contract import EnvironmentSpec, Step
from spreeze.envs import environment
from spreeze.stages import build_modules, build_policy


def main() -> None:
    """Build the policy of one environment's sizes, warm it up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="HalfCheetah-v5")
    parser.add_argument("--count", type=int, default=64, help="environments it acts for")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = claim_stdout()
    torch.set_num_threads(1)
    plugin = environment(args.env)
    envs = plugin.make_vector(plugin.options(), args.count, args.seed)
    spec = EnvironmentSpec(envs.observation_space, envs.action_space)
    [stage] = ALGORITHM.stages(spec, SACConfig(), 256)
    modules = build_modules(stage)
    actions = int(np.prod(envs.action_space.shape or ()))
    observation = torch.from_numpy(envs.reset().copy())
    modules["policy"].load_state_dict(actor_tensors(make_weights(observation.shape[1], actions, args.seed)))
    policy, _ = build_policy(stage, modules, args.seed)
    zeros = torch.zeros(args.count, actions), torch.zeros(args.count), torch.zeros(args.count, dtype=torch.bool)

    @torch.inference_mode()
    def act() -> int:
        policy.act(Step(observation, *zeros), (), "explore")
        return int(args.count)

    def measure(seconds: float) -> object:
        rows, elapsed = timed(act, seconds)
        return answer({"actions": rows}, elapsed)

    timed(act, 0.3)
    serve(out, measure)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
