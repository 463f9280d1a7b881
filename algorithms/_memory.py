"""What a policy remembers: nothing, or the state of a recurrent network that every episode begins anew."""

from typing import Protocol

import torch
from torch import Tensor, nn

from spreeze.contract import Recurrent


class Memory(Protocol):
    """Turns what is seen into features; also an `nn.Module`."""

    features: int
    """F', size of the features."""

    def initial_state(self, batch: int) -> Recurrent:
        """The memory of `batch` streams before their first step."""

    def forward(self, seen: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """Features (L, B, F') and the memory after them, for inputs (L, B, F), in order, and flags (L, B) bool."""

    def __call__(self, seen: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """`forward`."""


class NoMemory(nn.Module):
    """Features are what is seen now."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.features = inputs

    def initial_state(self, batch: int) -> Recurrent:
        """Nothing."""
        return ()

    def forward(self, seen: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """What is seen."""
        return seen, ()


class GRUMemory(nn.Module):
    """A gated recurrent unit (Cho et al., arXiv 1406.1078) beside what is seen now; zeros before a first step."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.unit = nn.GRU(inputs, units)
        self.units, self.features = units, inputs + units

    def initial_state(self, batch: int) -> Recurrent:
        """Zeros (B, units)."""
        return (torch.zeros(batch, self.units),)

    def forward(self, seen: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """What is seen and the unit's outputs side by side.

        Streams are cut where episodes begin, and the pieces go through the unit side by side: one call instead of L.
        """
        length, streams = is_first.shape
        if length == 1:  # Acting, which has to be a graph without decisions by values to be exported.
            outputs, _ = self.unit(seen, torch.where(is_first[..., None], 0.0, state[0]))
            return torch.cat((seen, outputs), -1), (outputs[0],)
        begins = is_first.t().reshape(-1).clone()
        begins[::length] = True
        piece = begins.cumsum(0) - 1
        begin = begins.nonzero()[:, 0]
        place = torch.arange(len(begins), device=begins.device) - begin[piece]
        pieces = seen.new_zeros(int(place.max()) + 1, len(begin), seen.shape[-1])
        pieces[place, piece] = seen.transpose(0, 1).reshape(-1, seen.shape[-1])
        memory = torch.where(is_first[0, :, None], 0.0, state[0])
        before = memory.new_zeros(len(begin), self.units).index_copy(0, piece[::length], memory)
        found, _ = self.unit(pieces, before[None])
        outputs = found[place, piece].view(streams, length, self.units).transpose(0, 1)
        return torch.cat((seen, outputs), -1), (outputs[-1],)


def memory_of(inputs: int, units: int) -> NoMemory | GRUMemory:
    """A recurrent memory of so many units; with 0, none."""
    return GRUMemory(inputs, units) if units else NoMemory(inputs)
