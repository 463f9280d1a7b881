"""Running normalisation of observations and of value targets, kept in buffers that travel with the weights."""

import torch
from torch import Tensor, nn

CLIP = 10.0
"""Largest normalised observation, in standard deviations."""
FLOOR = 1e-4
"""Smallest standard deviation by which anything is divided."""


class Normaliser(nn.Module):
    """(o - mean) / std of everything seen so far, clipped; the identity before it has seen anything."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, observation: Tensor) -> Tensor:
        """Normalised observations (..., O)."""
        return ((observation - self.mean) / self.variance.sqrt().clamp_min(FLOOR)).clamp(-CLIP, CLIP)

    @torch.no_grad()
    def see(self, rows: Tensor) -> None:
        """Merge the moments of rows (R, O), R > 0, with those so far (Chan, Golub and LeVeque 1979)."""
        exact = rows.double()
        total, shift = self.count + len(rows), exact.mean(0) - self.mean
        share = len(rows) / total
        spread = exact.var(0, unbiased=False)
        variance = (1 - share) * self.variance + share * spread + share * (1 - share) * shift.square()
        self.mean.add_((share * shift).float())
        self.variance.copy_(variance)
        self.count.copy_(total)


class NormalisedValue(nn.Module):
    """A linear value of features whose target is normalised, and whose outputs survive new moments (PopArt).

    Source: van Hasselt et al., Learning values across many orders of magnitude, arXiv 1602.07714, equations 5 to 8.
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, features: int, slowest: float = 0.01) -> None:
        super().__init__()
        self.linear, self.slowest = nn.Linear(features, 1), slowest
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("seen", torch.zeros(()))

    @property
    def std(self) -> Tensor:
        """Of the targets; at least what float32 can tell apart of numbers as large as their mean, and then some."""
        return torch.maximum(self.variance.sqrt(), FLOOR * (1 + self.mean.abs()))

    def forward(self, features: Tensor) -> Tensor:
        """Normalised values (...) of features (..., F)."""
        normalised: Tensor = self.linear(features)[..., 0]
        return normalised

    def value(self, normalised: Tensor) -> Tensor:
        """Values in the units of the return."""
        return normalised * self.std + self.mean

    def normalised(self, target: Tensor) -> Tensor:
        """Targets as the network is to predict them."""
        return (target - self.mean) / self.std

    @torch.no_grad()
    def see(self, targets: Tensor) -> None:
        """Follow the moments of targets (R,) at the rate max(1 / n, slowest) of the n-th call; keep all values."""
        old_mean, old_std = self.mean.clone(), self.std
        self.seen += 1
        rate = max(1 / float(self.seen), self.slowest)
        shift = targets.mean() - self.mean
        self.mean.add_(rate * shift)
        self.variance.mul_(1 - rate).add_(rate * (targets.var(correction=0) + (1 - rate) * shift.square()))
        self.linear.weight.mul_(old_std / self.std)
        self.linear.bias.mul_(old_std).add_(old_mean - self.mean).div_(self.std)
