"""Memory as attention to a window of the past."""

import torch
from torch import Tensor, nn

from spreeze.contract import Recurrent

HEADS = 4


class WindowMemory(nn.Module):
    """One layer of a transformer (Vaswani et al., arXiv 1706.03762) that looks at the last W steps of an episode.

    A learned number for every distance says how much it matters. The memory is the W - 1 inputs before, and how many of
    them belong to the episode. A single layer looks back W steps exactly, which more of them would exceed.
    """

    def __init__(self, inputs: int, width: int, window: int) -> None:
        super().__init__()
        self.inputs, self.window, self.features = inputs, window, width
        self.into = nn.Linear(inputs, width)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asks, self.holds, self.joins = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.distance = nn.Parameter(torch.zeros(HEADS, window))
        self.last = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def initial_state(self, batch: int) -> Recurrent:
        """Inputs (B, W - 1, F), the oldest first, and how many of them count (B,)."""
        return torch.zeros(batch, self.window - 1, self.inputs), torch.zeros(batch)

    def forward(self, seen: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """Features (L, B, width) and the memory after; of inputs (L, B, F), flags (L, B) bool."""
        past, known = state
        everything = torch.cat((past, seen.transpose(0, 1)), 1)  # (B, W - 1 + L, F)
        ages, after = self._ages(is_first, known)
        embedded = self.into(everything)
        found = embedded[:, self.window - 1 :] + self._attended(self.before(embedded), ages)
        found = found + self.last(self.between(found))
        return found.transpose(0, 1), (everything[:, -(self.window - 1) :], after)

    def _ages(self, is_first: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """How many inputs before each step belong to its episode (B, L), and before the step after these (B,)."""
        ages = []
        for first in is_first:
            age = torch.where(first, 0.0, known)
            known = (age + 1).clamp_max(self.window - 1)
            ages.append(age)
        return torch.stack(ages, 1), known

    def _attended(self, embedded: Tensor, ages: Tensor) -> Tensor:
        """What the steps (B, L) take from those before them, of which (B, W - 1 + L, width) are given."""
        batch, length = ages.shape
        ask = self._heads(self.asks(embedded[:, self.window - 1 :]))
        key, value = (self._heads(part) for part in self.holds(embedded).chunk(2, -1))
        device = embedded.device
        steps = torch.arange(length, device=device)[:, None] + self.window - 1
        back = steps - torch.arange(length + self.window - 1, device=device)  # (L, W - 1 + L): how long ago
        near = back.clamp(0, self.window - 1)
        allowed = (back >= 0) & (back <= ages[..., None])  # (B, L, W - 1 + L)
        bias = torch.where(allowed[:, None], self.distance[:, near], float("-inf"))
        weight = (ask @ key.transpose(-1, -2) / ask.shape[-1] ** 0.5 + bias).softmax(-1)
        joined: Tensor = self.joins((weight @ value).transpose(1, 2).reshape(batch, length, -1))
        return joined

    @staticmethod
    def _heads(values: Tensor) -> Tensor:
        """(B, heads, T, width / heads) of (B, T, width)."""
        return values.reshape(*values.shape[:-1], HEADS, values.shape[-1] // HEADS).transpose(1, 2)
