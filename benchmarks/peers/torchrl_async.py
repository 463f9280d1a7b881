"""SAC of TorchRL with a collector in a process of its own, as its asynchronous example does: a worker of throughput.py.

Run it in its own virtual environment (`requirements-torchrl.txt`). The collector fills a shared replay of a million
rows while this process updates; neither waits for the other. Each request learns anew; its first seconds do not count.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchrl
from serving import answer, claim_stdout, serve
from tensordict.nn import InteractionType, TensorDictModule
from tensordict.nn.distributions import NormalParamExtractor
from torch import nn
from torchrl.collectors import AsyncCollector
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
from torchrl.envs import DoubleToFloat, GymEnv, SerialEnv, TransformedEnv
from torchrl.modules import MLP, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import SoftUpdate
from torchrl.objectives.sac import SACLoss

HIDDEN, DISCOUNT, POLYAK, LEARNING_RATE = (256, 256), 0.99, 0.995, 3e-4
CAPACITY, WARMUP, SYNC_UPDATES = 1_000_000, 2_000, 100
"""Rows of the replay, rows before the first update, updates between two copies of the weights."""
WARM_S, WARM_UPDATES = 3.0, 50
"""Neither is counted."""


def make_env(env: str, count: int) -> Any:
    """Environments stepped one after the other in the collector's process."""
    return TransformedEnv(SerialEnv(count, partial(GymEnv, env)), DoubleToFloat())


def make_model(envs: Any) -> nn.ModuleList:
    """Actor and critic of SAC."""
    spec = envs.action_spec_unbatched
    body = nn.Sequential(
        MLP(num_cells=HIDDEN, out_features=2 * spec.shape[-1], activation_class=nn.ReLU),
        NormalParamExtractor(scale_mapping="biased_softplus_1.0", scale_lb=0.1),
    )
    actor = ProbabilisticActor(
        spec=spec,
        in_keys=["loc", "scale"],
        module=TensorDictModule(body, in_keys=["observation"], out_keys=["loc", "scale"]),
        distribution_class=TanhNormal,
        distribution_kwargs={"low": spec.space.low, "high": spec.space.high, "tanh_loc": False},
        default_interaction_type=InteractionType.RANDOM,
    )
    critic = MLP(num_cells=HIDDEN, out_features=1, activation_class=nn.ReLU)
    model = nn.ModuleList([actor, ValueOperator(critic, in_keys=["action", "observation"])])
    with torch.no_grad():
        example = envs.fake_tensordict()
        for module in model:
            module(example)
    return model


class Learning:
    """A collector that runs, and the updates beside it."""

    def __init__(self, env: str, count: int, batch: int, frames: int, seed: int) -> None:
        torch.manual_seed(seed)
        envs = make_env(env, count)
        self.model, self.batch = make_model(envs), batch
        self.loss = SACLoss(self.model[0], self.model[1], num_qvalue_nets=2, delay_qvalue=True, loss_function="l2")
        self.loss.make_value_estimator(gamma=DISCOUNT)
        self.target = SoftUpdate(self.loss, eps=POLYAK)
        self.optimizer = torch.optim.Adam([p for p in self.loss.parameters() if p.requires_grad], lr=LEARNING_RATE)
        self.replay = TensorDictReplayBuffer(storage=LazyTensorStorage(CAPACITY), batch_size=batch, shared=True)
        self.replay.extend(envs.rollout(2, auto_cast_to_device=True).reshape(-1))
        self.replay.empty()
        self.collector = AsyncCollector(
            partial(make_env, env, count),
            self.model[0],
            frames_per_batch=frames,
            total_frames=-1,
            init_random_frames=WARMUP,
            replay_buffer=self.replay,
            extend_buffer=True,
            postproc=flat,
        )
        self.updates = 0

    def update(self) -> None:
        """Draw a batch and update everything once."""
        found = self.loss(self.replay.sample())
        (found["loss_actor"] + found["loss_qvalue"] + found["loss_alpha"]).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.target.step()
        self.updates += 1
        if self.updates % SYNC_UPDATES == 0:
            self.collector.update_policy_weights_()

    def until(self, over: Callable[[], bool]) -> None:
        """Update until something is over."""
        while not over():
            self.update()

    def measure(self, seconds: float) -> Any:
        """Collect and update; count after the warm-up."""
        self.collector.start()
        while self.replay.write_count < WARMUP:
            time.sleep(0.01)
        launched = time.perf_counter()
        self.until(lambda: self.updates >= WARM_UPDATES and time.perf_counter() - launched >= WARM_S)
        begin, steps, updates = time.perf_counter(), int(self.replay.write_count), self.updates
        self.until(lambda: time.perf_counter() - begin >= seconds)
        elapsed, rows = time.perf_counter() - begin, (self.updates - updates) * self.batch
        counts = {"env_steps": int(self.replay.write_count) - steps, "rows": rows}
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.loss.parameters()):
            raise FloatingPointError("a weight is not finite")
        return answer(counts, elapsed)


def flat(found: Any) -> Any:
    """Rows without the axes of environments and time."""
    return found.reshape(-1)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="HalfCheetah-v5", help="Gymnasium id")
    parser.add_argument("--count", type=int, default=8, help="environments")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--frames", type=int, default=800, help="rows that the collector writes at once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = claim_stdout()
    torch.set_num_threads(args.threads)

    def measure(seconds: float) -> Any:
        learning = Learning(args.env, args.count, args.batch, args.frames, args.seed)
        try:
            return learning.measure(seconds)
        finally:
            learning.collector.async_shutdown()

    serve(out, measure, torchrl=torchrl.__version__)


if __name__ == "__main__":
    main()
