"""What a policy remembers: nothing, or the state of a recurrent network that every episode begins anew."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

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


class Pieces:
    """Streams (L, B, ...) cut where episodes begin: K pieces side by side, so that one call of a unit is enough."""

    def __init__(self, is_first: Tensor) -> None:
        self.length, self.streams = is_first.shape
        self._begins_anew = is_first[0, :, None]
        begins = is_first.t().reshape(-1).clone()
        begins[:: self.length] = True
        self.piece = begins.cumsum(0) - 1
        begin = begins.nonzero()[:, 0]
        self.place = torch.arange(len(begins), device=begins.device) - begin[self.piece]
        self.count = len(begin)
        self._first, self._last = self.piece[:: self.length], self.piece[self.length - 1 :: self.length]

    @property
    def lengths(self) -> Tensor:
        """(K,)."""
        return torch.bincount(self.piece, minlength=self.count)

    def cut(self, seen: Tensor) -> Tensor:
        """(longest piece, K, F) of (L, B, F), zeros after the end of a piece."""
        pieces = seen.new_zeros(int(self.place.max()) + 1, self.count, seen.shape[-1])
        pieces[self.place, self.piece] = seen.transpose(0, 1).reshape(-1, seen.shape[-1])
        return pieces

    def before(self, state: Tensor) -> Tensor:
        """(K, U) of the memory (B, U) before the first row: zeros where a piece begins an episode."""
        memory = torch.where(self._begins_anew, 0.0, state)
        return memory.new_zeros(self.count, state.shape[-1]).index_copy(0, self._first, memory)

    def joined(self, found: Tensor) -> Tensor:
        """(L, B, U) of the pieces (longest, K, U)."""
        return found[self.place, self.piece].view(self.streams, self.length, -1).transpose(0, 1)

    def after(self, ends: Tensor) -> Tensor:
        """(B, U) of the memories (K, U) at the ends of all pieces."""
        return ends[self._last]


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
        """What is seen and the unit's outputs side by side."""
        if len(is_first) == 1:  # Acting, which has to be a graph without decisions by values to be exported.
            outputs, _ = self.unit(seen, torch.where(is_first[..., None], 0.0, state[0]))
            return torch.cat((seen, outputs), -1), (outputs[0],)
        pieces = Pieces(is_first)
        found, _ = self.unit(pieces.cut(seen), pieces.before(state[0])[None])
        outputs = pieces.joined(found)
        return torch.cat((seen, outputs), -1), (outputs[-1],)


class LSTMMemory(nn.Module):
    """A long short-term memory (Hochreiter and Schmidhuber 1997) beside what is seen now; zeros before a first step."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.unit = nn.LSTM(inputs, units)
        self.units, self.features = units, inputs + units

    def initial_state(self, batch: int) -> Recurrent:
        """Zeros, output and cell (B, units) each."""
        return torch.zeros(batch, self.units), torch.zeros(batch, self.units)

    def forward(self, seen: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """What is seen and the unit's outputs side by side."""
        if len(is_first) == 1:
            begin = [torch.where(is_first[..., None], 0.0, memory) for memory in state]
            outputs, (_, cell) = self.unit(seen, (begin[0], begin[1]))
            return torch.cat((seen, outputs), -1), (outputs[0], cell[0])
        pieces = Pieces(is_first)
        packed = pack_padded_sequence(pieces.cut(seen), pieces.lengths.cpu(), enforce_sorted=False)
        found, (_, cells) = self.unit(packed, (pieces.before(state[0])[None], pieces.before(state[1])[None]))
        outputs = pieces.joined(pad_packed_sequence(found)[0])
        return torch.cat((seen, outputs), -1), (outputs[-1], pieces.after(cells[0]))


def memory_of(inputs: int, units: int) -> NoMemory | GRUMemory:
    """A recurrent memory of so many units; with 0, none."""
    return GRUMemory(inputs, units) if units else NoMemory(inputs)
