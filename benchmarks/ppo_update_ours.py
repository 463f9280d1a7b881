"""Updates of our PPO from the segments of one policy: a worker of ppo_update.py."""

import argparse

import numpy as np
import torch
from gymnasium.spaces import Box
from peers.rows import ACTIONS, OBSERVATIONS
from peers.serving import answer, claim_stdout, serve, timed
from torch import Tensor

from spreeze.algorithms.ppo import PPOConfig, PPOPart, learner
from spreeze.contract import EnvironmentSpec, LearnerSetup

STREAMS, EPOCHS = 16, 10
CPU = torch.device("cpu")


def segments(part: PPOPart, length: int) -> dict[str, Tensor]:
    """One segment of every stream, with choices that the part's policy might have made."""
    random = torch.Generator().manual_seed(0)
    seen = torch.randn(length + 1, STREAMS, OBSERVATIONS, generator=random)
    flags = dict.fromkeys(("terminated", "truncated", "is_first"), torch.zeros(length, STREAMS, dtype=torch.bool))
    with torch.no_grad():
        parameters = part.actor.raw(part.actor.given(seen[:-1]))
        choice = part.actor.head.sample(parameters, random)
        log_probability = part.actor.head.log_probability(parameters, choice)
    chosen = {"choice": choice, "log_probability": log_probability, "version": torch.zeros(length, STREAMS)}
    reward = torch.randn(length, STREAMS, generator=random)
    valid = torch.ones(length, STREAMS, dtype=torch.uint8)
    return {"observation": seen[:-1], "next_observation": seen[1:], "reward": reward, "valid": valid} | flags | chosen


def main() -> None:
    """Make the segments, warm up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=64, help="of both hidden layers")
    parser.add_argument("--batch", type=int, default=64, help="rows of a minibatch")
    parser.add_argument("--rows", type=int, default=2048, help="of the segments")
    parser.add_argument("--activation", choices=("tanh", "relu"), default="tanh")
    args = parser.parse_args()
    out = claim_stdout()
    torch.set_num_threads(1)
    spec = EnvironmentSpec(Box(-np.inf, np.inf, (OBSERVATIONS,), np.float32), Box(-1.0, 1.0, (ACTIONS,), np.float32))
    config = PPOConfig(
        hidden=(args.width,) * 2,
        activation=args.activation,
        epochs=EPOCHS,
        learning_rate=1e-5,
    )
    part = learner(spec, config, LearnerSetup({"*": CPU}, 0, {}), args.batch)["ppo"]
    assert isinstance(part, PPOPart)
    batch = segments(part, args.rows // STREAMS)

    def update() -> int:
        part.update({"segments": batch})
        return args.rows * EPOCHS

    def measure(seconds: float) -> object:
        rows, elapsed = timed(update, seconds)
        if not all(bool(torch.isfinite(weight).all()) for weight in part.weights):
            raise FloatingPointError("a weight is not finite")
        return answer({"rows": rows}, elapsed)

    measure(1.0)
    serve(out, measure, torch=torch.__version__)


if __name__ == "__main__":
    main()
