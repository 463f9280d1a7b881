"""Updates of Stable-Baselines3's PPO from one full buffer: a worker of ppo_update.py."""

import argparse

import numpy as np
import torch
from serving import answer, claim_stdout, serve, timed
from stable_baselines3 import PPO
from stable_baselines3 import __version__ as version
from stable_baselines3.common.logger import configure
from torch import nn

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
EPOCHS = 10


def main() -> None:
    """Fill the buffer, warm up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=64, help="of both hidden layers")
    parser.add_argument("--batch", type=int, default=64, help="rows of a minibatch")
    parser.add_argument("--rows", type=int, default=2048, help="of the buffer")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh")
    args = parser.parse_args()
    out = claim_stdout()
    torch.set_num_threads(1)
    layers = {"pi": [args.width] * 2, "vf": [args.width] * 2}
    network = {"net_arch": layers, "activation_fn": ACTIVATIONS[args.activation]}
    sizes = {"n_steps": args.rows, "batch_size": args.batch, "n_epochs": EPOCHS}
    model = PPO("MlpPolicy", "HalfCheetah-v5", policy_kwargs=network, device="cpu", seed=0, learning_rate=1e-5, **sizes)
    model.set_logger(configure(format_strings=[]))
    fill(model)

    def update() -> int:
        model.train()
        return args.rows * EPOCHS

    def measure(seconds: float) -> object:
        rows, elapsed = timed(update, seconds)
        if not all(bool(torch.isfinite(p).all()) for p in model.policy.parameters()):
            raise FloatingPointError("a weight is not finite")
        return answer({"rows": rows}, elapsed)

    measure(1.0)
    serve(out, measure, version=version)


def fill(model: PPO) -> None:
    """Give the buffer rows that the policy might have collected."""
    random, buffer = np.random.default_rng(0), model.rollout_buffer
    for array in (buffer.observations, buffer.actions, buffer.advantages, buffer.returns, buffer.values):
        array[:] = random.standard_normal(array.shape)
    with torch.no_grad():
        seen, acted = (torch.from_numpy(array[:, 0]) for array in (buffer.observations, buffer.actions))
        buffer.log_probs[:, 0] = model.policy.evaluate_actions(seen, acted)[1].numpy()
    buffer.full, buffer.pos = True, buffer.buffer_size


if __name__ == "__main__":
    main()
