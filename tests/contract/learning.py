"""What the toy plug-ins have in common: linear maps, a policy, and parts that descend on a loss."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from spreeze.algorithms._training import load_optimizer_tensors, optimizer_tensors, pack, unpack
from spreeze.contract import Draw, Recurrent, Step


def linear(inputs: int, outputs: int = 1, value: float = 0.0) -> nn.Linear:
    """A linear map without bias, all of whose weights are `value`."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


class LinearPolicy:
    """a = gain(x), with noise in mode `explore`; uniform in mode `random`."""

    def __init__(self, gain: nn.Module, generator: torch.Generator) -> None:
        self.gain, self.generator = gain, generator

    def initial_state(self, batch: int) -> Recurrent:
        return ()

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        if mode == "random":
            return 2 * torch.rand(step.previous_action.shape, generator=self.generator) - 1, state, {}
        mean: Tensor = self.gain(step.observation)
        noise = torch.randn(mean.shape, generator=self.generator) if mode == "explore" else torch.zeros_like(mean)
        return (mean + 0.3 * noise).clamp(-1, 1), state, {}


class ForgetfulSource:
    """The part of a source that begins anew after a resume."""

    def state(self) -> Mapping[str, np.ndarray]:
        return {}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Nothing to restore."""


class ToyPart:
    """Owns modules, publishes each as the bundle of its name, and descends on a loss."""

    def __init__(
        self,
        owns: Mapping[str, nn.Module],
        draws: Mapping[str, Draw],
        rate: float,
        reads: Mapping[str, nn.Module] | None = None,
    ) -> None:
        self.owns, self.draws, self.reads = owns, draws, reads or {}
        self.optimizer = torch.optim.Adam([p for module in owns.values() for p in module.parameters()], rate)
        self.record: dict[str, Tensor] = {}
        self.finished = False

    def note_largest(self, name: str, value: Tensor | float) -> None:
        """Keep the largest value of `name` seen so far, for the test to read in the checkpoint."""
        now = torch.as_tensor(value, dtype=torch.float32).detach()
        self.record[name] = torch.maximum(self.record.get(name, now), now)

    def descend(self, loss: Tensor) -> dict[str, Tensor]:
        """One step of the optimiser."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {f"loss/{'-'.join(self.owns)}": loss.detach()}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        return {name: module.state_dict() for name, module in self.owns.items()}

    def state(self) -> Mapping[str, Tensor]:
        modules = {f"{name}/{key}": t for name, bundle in self.publish().items() for key, t in bundle.items()}
        return modules | pack("optimizer", optimizer_tensors(self.optimizer)) | pack("record", self.record)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, module in self.owns.items():
            module.load_state_dict(unpack(name, state))
        load_optimizer_tensors(self.optimizer, unpack("optimizer", state))
        self.record = unpack("record", state)
