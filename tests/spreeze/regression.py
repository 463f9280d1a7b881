"""A part that may be captured: a linear map fitted to noisy targets, with a slow copy; and stores that feed it."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from spreeze.algorithms._training import load_optimizer_tensors, optimizer_tensors, pack, unpack
from spreeze.contract import Block, Draw, Field, Metrics, Store
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import StoreLayout, StoreMemory

CPU = torch.device("cpu")
STREAMS, BATCH = 2, 8
STORES = {"replay": Store("replay", {"observation": Field((3,)), "reward": Field()}, capacity=60)}


class Regression:
    """reward ~ w observation, by Adam on the batch `rows`, with noise of its own on the targets."""

    def __init__(self, device: torch.device = CPU, seed: int = 0) -> None:
        self.net, self.slow = nn.Linear(3, 1, device=device), nn.Linear(3, 1, device=device)
        with torch.no_grad():
            for parameter in (*self.net.parameters(), *self.slow.parameters()):
                parameter.fill_(0.5)
        self.owns: Mapping[str, nn.Module] = {"net": self.net, "slow": self.slow}
        self.reads: Mapping[str, nn.Module] = {}
        self.draws = {"rows": Draw("replay", rows=BATCH)}
        cuda = device.type == "cuda"
        self.optimizer = torch.optim.Adam(self.net.parameters(), 0.01, fused=True, capturable=cuda)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.graph_generators = [self.generator]
        self.finished = False

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error."""
        reward = batch["reward"]
        noise = torch.randn(reward.shape, generator=self.generator, device=reward.device)
        predicted: Tensor = self.net(batch["observation"])[:, 0]
        return (predicted - reward - 0.1 * noise).square().mean()

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        loss = self.loss(batches["rows"])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.slow.parameters()), list(self.net.parameters()), 0.1)
        return {"loss": loss.detach(), "largest": batches["rows"]["next_observation"].amax(), "one": 1.0}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        return {"net": self.net.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        modules = {key: t for name, module in self.owns.items() for key, t in pack(name, module.state_dict()).items()}
        own = pack("optimizer", optimizer_tensors(self.optimizer))
        return modules | own | {"generator": self.generator.get_state()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, module in self.owns.items():
            module.load_state_dict(unpack(name, state))
        load_optimizer_tensors(self.optimizer, unpack("optimizer", state))
        self.generator.set_state(state["generator"])


class Experience:
    """A store that is filled block by block, with the same blocks every time."""

    def __init__(self) -> None:
        self.memory = StoreMemory.create("replay", StoreLayout.of(STORES["replay"], 1, STREAMS))
        self.memories, self._writer, self._blocks = {"replay": self.memory}, LaneWriter(self.memory, 0), 0

    def write(self, steps: int = 4) -> None:
        """Append a block; every third begins an episode, and some rows hold no transition."""
        random = np.random.default_rng([7, self._blocks])
        observation = random.normal(size=(steps + 1, STREAMS, 3)).astype(np.float32)
        fields = {"observation": observation[:-1], "reward": observation[:-1].sum(-1)}
        valid = (random.uniform(size=(steps, STREAMS)) < 0.8).astype(np.uint8)
        valid[0] = 1
        self._writer.write(Block("replay", fields, valid, observation[-1], self._blocks % 3 > 0))
        self._blocks += 1


def weights(part: Regression) -> list[Tensor]:
    """What a part owns, and where its generator and optimiser stand."""
    return [tensor.detach().cpu().clone() for _, tensor in sorted(part.state().items())]


def assert_equal(one: Regression, other: Regression) -> None:
    """To the bit."""
    left, right = weights(one), weights(other)
    assert len(left) == len(right) > 6
    assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))
