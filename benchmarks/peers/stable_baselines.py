"""SAC of Stable-Baselines3, or of SBX, with its defaults: a worker of throughput.py.

Run it in the library's own virtual environment (`requirements.txt`, `requirements-sbx.txt`). `--part sampling` collects
with the reference policy and never learns, `learning` updates from a full replay and never collects, `both` learns as a
user would, anew for each request; its first seconds do not count.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from reference import Watch, load_weights
from rows import transitions
from serving import answer, claim_stdout, serve, timed
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

CHUNK_ROWS = 16_384
"""Rows of one call of `train`, which makes several updates where the batch is smaller."""
WARM_S, WARM_UPDATES = 3.0, 50
"""Of `both`: neither is counted."""
LIBRARIES = {"sb3": "stable_baselines3", "sbx": "sbx"}


def main() -> None:
    """Build what the part needs, warm it up, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=LIBRARIES, default="sb3")
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--env", default="HalfCheetah-v5", help="Gymnasium id")
    parser.add_argument("--weights", type=Path, help="reference policy (sampling)")
    parser.add_argument("--count", type=int, default=1, help="environments")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in the replay (learning)")
    parser.add_argument("--device", default="cpu", help="of torch (learning)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = claim_stdout()
    library = importlib.import_module(LIBRARIES[args.library])
    if args.library == "sb3":
        importlib.import_module("torch").set_num_threads(args.threads)
    serve(out, PARTS[args.part](library.SAC, args), version=library.__version__)


def sampling(kind: Any, args: argparse.Namespace) -> Callable[[float], Any]:
    """Collect with the reference policy."""
    envs = make_vec_env(args.env, args.count, seed=args.seed)
    model = kind(
        "MlpPolicy", envs, learning_starts=0, gradient_steps=0, buffer_size=100_000, seed=args.seed, device="cpu"
    )
    set_weights(model.actor, load_weights(args.weights))
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def measure(seconds: float) -> Any:
        seen.clear()
        timer = Timer(seconds, lambda local: seen.append((local["new_obs"], local["buffer_actions"], local["rewards"])))
        model.learn(10**9, callback=timer)
        watch = Watch()
        for values in seen[-512:]:
            watch.see(*values)
        return answer({"env_steps": timer.steps}, timer.seconds, watch.means())

    measure(1.0)
    return measure


def set_weights(actor: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Give the actor the reference policy."""
    import torch

    bias = np.repeat(weights["log_std"], weights["w2"].shape[1])
    layers = [
        (actor.latent_pi[0], weights["w0"], weights["b0"]),
        (actor.latent_pi[2], weights["w1"], weights["b1"]),
        (actor.mu, weights["w2"], weights["b2"]),
        (actor.log_std, np.zeros_like(weights["w2"]), bias),
    ]
    with torch.no_grad():
        for layer, weight, shift in layers:
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(shift.copy()))


class Timer(BaseCallback):
    """Stops after `limit_s`, of which `WARM_S` and `WARM_UPDATES` come before the count if `warm`."""

    def __init__(
        self, limit_s: float, look: Callable[[Mapping[str, Any]], None] | None = None, warm: bool = False
    ) -> None:
        super().__init__()
        self.limit_s, self.look, self.warm = limit_s, look, warm
        self.begun: tuple[float, int, int] | None = None

    def _on_training_start(self) -> None:
        self.launched = time.perf_counter()

    def _on_step(self) -> bool:
        now = time.perf_counter()
        if self.look is not None:
            self.look(self.locals)
        ready = not self.warm or (self.model._n_updates >= WARM_UPDATES and now - self.launched >= WARM_S)
        if self.begun is None:
            if ready:
                self.begun = now, self.num_timesteps, self.model._n_updates
            return True
        begin, steps, updates = self.begun
        self.seconds = now - begin
        self.steps, self.updates = self.num_timesteps - steps, self.model._n_updates - updates
        return self.seconds < self.limit_s


def learning(kind: Any, args: argparse.Namespace) -> Callable[[float], Any]:
    """Update from a full replay."""
    options = {"buffer_size": args.rows, "batch_size": args.batch, "seed": args.seed, "device": args.device}
    model = kind("MlpPolicy", args.env, **options)
    fill(model.replay_buffer, transitions(args.rows, args.seed))
    model._setup_learn(10**9)
    chunk = max(CHUNK_ROWS // args.batch, 1)

    def update() -> int:
        model.train(gradient_steps=chunk, batch_size=args.batch)
        return chunk * args.batch

    def measure(seconds: float) -> Any:
        rows, elapsed = timed(update, seconds)
        check(model)
        return answer({"rows": rows}, elapsed)

    measure(1.0)
    return measure


def fill(buffer: Any, rows: Mapping[str, np.ndarray]) -> None:
    """Write rows into a replay buffer of one environment, which is full then."""
    buffer.observations[:, 0], buffer.next_observations[:, 0] = rows["observation"][:-1], rows["observation"][1:]
    buffer.actions[:, 0], buffer.rewards[:, 0] = rows["action"], rows["reward"]
    buffer.full, buffer.pos = True, 0


def check(model: Any) -> None:
    """Raise FloatingPointError unless all weights are finite."""
    if hasattr(model.policy, "parameters") and not hasattr(model.policy, "qf_state"):
        arrays = [parameter.detach().cpu().numpy() for parameter in model.policy.parameters()]
    else:
        tree = importlib.import_module("jax").tree_util.tree_leaves
        states = (model.policy.actor_state, model.policy.qf_state)
        arrays = [np.asarray(leaf) for state in states for leaf in tree(state.params)]
    if not arrays or not all(np.isfinite(array).all() for array in arrays):
        raise FloatingPointError("a weight is not finite")


def both(kind: Any, args: argparse.Namespace) -> Callable[[float], Any]:
    """Learn with the library's defaults but for batch size and number of environments."""

    def measure(seconds: float) -> Any:
        envs = make_vec_env(args.env, args.count, seed=args.seed) if args.count > 1 else gymnasium.make(args.env)
        options = {"gradient_steps": args.count} if args.count > 1 else {}
        model = kind("MlpPolicy", envs, batch_size=args.batch, seed=args.seed, device="cpu", **options)
        timer = Timer(seconds, warm=True)
        model.learn(10**9, callback=timer)
        check(model)
        return answer({"env_steps": timer.steps, "rows": timer.updates * args.batch}, timer.seconds)

    return measure


PARTS = {"sampling": sampling, "learning": learning, "both": both}

if __name__ == "__main__":
    main()
