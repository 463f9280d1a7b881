"""Weights between torch modules and their shared-memory channels."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from spreeze.errors import LearnerFault
from spreeze.transport.weights import Version, WeightChannel, WeightLayout

MAX_FETCHES = 100
"""Attempts at a publication that the learner overtakes again and again; the bound on the lag needs the newest."""


def module_layout(module: nn.Module) -> WeightLayout:
    """The layout of a module's parameters and buffers."""
    return WeightLayout.of(module.state_dict())


def to_arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Tensors as arrays on the CPU, sharing memory where they can."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


@torch.no_grad()
def load_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Copy `arrays` into the parameters and buffers of `module`, in place."""
    for name, tensor in module.state_dict().items():
        source = torch.from_numpy(arrays[name]) if arrays[name].flags.writeable else torch.tensor(arrays[name])
        tensor.copy_(source)


def publish(channel: WeightChannel, tensors: Mapping[str, Tensor], version: Version, what: str) -> None:
    """Publish tensors that are finite.

    Raises:
        LearnerFault: one is not; nothing was published.
    """
    arrays = to_arrays(tensors)
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise LearnerFault(f"NaN or infinity in {what} '{name}' after update {version.update}; not published")
    channel.publish(arrays, version)


class FreshModules:
    """Modules whose tensors follow the newest publications of their channels."""

    def __init__(self, modules: Mapping[str, nn.Module], channels: Mapping[str, WeightChannel]) -> None:
        self.modules, self._channels = modules, channels
        self._seen = dict.fromkeys(channels, 0)
        self.version = Version(0, 0, 0)

    def refresh(self) -> bool:
        """Load what has been published since the last call; return whether anything was."""
        return any([self._refresh(name, channel) for name, channel in self._channels.items()])

    def _refresh(self, name: str, channel: WeightChannel) -> bool:
        for _ in range(MAX_FETCHES):
            sequence = channel.sequence
            if sequence == self._seen[name]:
                return False
            fetched = channel.fetch(sequence)
            if fetched is not None:
                load_arrays(self.modules[name], fetched[0])
                self._seen[name], self.version = sequence, fetched[1]
                return True
        return False

    @property
    def ready(self) -> bool:
        """Whether every bundle has been published at least once."""
        return all(self._seen.values()) or not self._channels
