"""Heads of policies: from features to a distribution over actions, as tensors that can be stored and compared.

A head gives `parameters` (..., P) of its distribution; its other methods take these, so that one pass through a network
serves log-probability and entropy. Choices are what is stored and learnt from, actions what the environment is told.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from torch import Tensor, nn

from spreeze.contract import Field
from spreeze.errors import UnsupportedSpace

IMPOSSIBLE = torch.finfo(torch.float32).min
"""The logit of a choice that is not allowed: its probability is 0, and 0 times its logarithm is 0, not NaN."""


class Head(Protocol):
    """A distribution over choices; also an `nn.Module`."""

    choice: Field
    """Shape and dtype of one choice."""

    linear: nn.Linear
    """From features (..., F) to what the parameters are made of (..., P)."""

    def distribution(self, raw: Tensor, allowed: Tensor | None) -> Tensor:
        """Parameters (..., P) of what `linear` gives; `allowed` (..., C) bool, where the environment says."""

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """A choice (..., *choice.shape) from the distribution."""

    def mode(self, parameters: Tensor) -> Tensor:
        """The most probable choice."""

    def log_probability(self, parameters: Tensor, choice: Tensor) -> Tensor:
        """log p(choice) (...), a density where choices are continuous."""

    def entropy(self, parameters: Tensor) -> Tensor:
        """Entropy (...) [nat]."""

    def action(self, choice: Tensor) -> Tensor:
        """What the environment is told: choices within the bounds of the action space."""

    def shown(self, parameters: Tensor) -> Mapping[str, Tensor]:
        """What is told beside the most probable choice, by name."""


class GaussianHead(nn.Module):
    """Independent Gaussians; means are linear in the features, log standard deviations parameters of their own."""

    def __init__(self, features: int, actions: int, initial_log_std: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, actions)
        self.log_std = nn.Parameter(torch.full((actions,), initial_log_std))
        self.choice = Field((actions,))

    def distribution(self, raw: Tensor, allowed: Tensor | None) -> Tensor:
        """The means (..., A)."""
        return raw

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """mean + std noise, unbounded."""
        noise = torch.randn(parameters.shape, generator=generator, device=parameters.device)
        return parameters + self.log_std.exp() * noise

    def mode(self, parameters: Tensor) -> Tensor:
        """The means."""
        return parameters

    def log_probability(self, parameters: Tensor, choice: Tensor) -> Tensor:
        """Sum over dimensions of log N(choice; mean, std)."""
        scaled = (choice - parameters) * (-self.log_std).exp()
        return -0.5 * scaled.square().sum(-1) - self._log_scale()

    def entropy(self, parameters: Tensor) -> Tensor:
        """The same for all features: A / 2 (1 + log 2 pi) + sum log std."""
        return (self._log_scale() + 0.5 * len(self.log_std)).expand(parameters.shape[:-1])

    def action(self, choice: Tensor) -> Tensor:
        """Choices clipped to [-1, 1]."""
        return choice.clamp(-1, 1)

    def shown(self, parameters: Tensor) -> Mapping[str, Tensor]:
        """Nothing: the choice is the mean."""
        return {}

    def _log_scale(self) -> Tensor:
        return self.log_std.sum() + 0.5 * math.log(2 * math.pi) * len(self.log_std)


class CategoricalHead(nn.Module):
    """One categorical distribution, or several independent ones side by side, of `sizes` choices each."""

    def __init__(self, features: int, sizes: Sequence[int], shape: tuple[int, ...], dtype: str) -> None:
        super().__init__()
        self.linear = nn.Linear(features, sum(sizes))
        self.sizes, self.choice = list(sizes), Field(shape, dtype)

    def distribution(self, raw: Tensor, allowed: Tensor | None) -> Tensor:
        """Logarithms of the probabilities (..., C), the distributions' one after the other."""
        if allowed is not None:
            raw = raw.masked_fill(~allowed, IMPOSSIBLE)
        return torch.cat([part.log_softmax(-1) for part in raw.split(self.sizes, -1)], -1)

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """One draw from each distribution."""
        flat = [part.exp().reshape(-1, part.shape[-1]) for part in parameters.split(self.sizes, -1)]
        drawn = [torch.multinomial(part, 1, generator=generator)[:, 0] for part in flat]
        return self._shaped(torch.stack(drawn, -1), parameters)

    def mode(self, parameters: Tensor) -> Tensor:
        """The most probable of each distribution, the first of equals."""
        best = [part.argmax(-1) for part in parameters.split(self.sizes, -1)]
        return self._shaped(torch.stack(best, -1), parameters)

    def log_probability(self, parameters: Tensor, choice: Tensor) -> Tensor:
        """Sum of the log-probabilities of the choices."""
        chosen = choice.long().reshape(*parameters.shape[:-1], len(self.sizes)).split(1, -1)
        parts = zip(parameters.split(self.sizes, -1), chosen, strict=True)
        return torch.cat([part.gather(-1, index) for part, index in parts], -1).sum(-1)

    def entropy(self, parameters: Tensor) -> Tensor:
        """Sum of the entropies."""
        return -(parameters.exp() * parameters).sum(-1)

    def action(self, choice: Tensor) -> Tensor:
        """The choice itself."""
        return choice

    def shown(self, parameters: Tensor) -> Mapping[str, Tensor]:
        """The normalised `logits` (..., C)."""
        return {"logits": parameters}

    def _shaped(self, choice: Tensor, parameters: Tensor) -> Tensor:
        dtype = getattr(torch, self.choice.dtype)
        return choice.reshape(*parameters.shape[:-1], *self.choice.shape).to(dtype)


def head_of(space: Space[Any], features: int, initial_log_std: float, name: str) -> GaussianHead | CategoricalHead:
    """The head for an action space, for the algorithm `name`.

    Raises:
        UnsupportedSpace: it is no Box of one dimension with bounds, Discrete, MultiDiscrete or MultiBinary.
    """
    match space:
        case Box() if len(space.shape) == 1 and space.is_bounded():
            return GaussianHead(features, int(np.prod(space.shape)), initial_log_std)
        case Discrete():
            return CategoricalHead(features, [int(space.n)], (), "int64")
        case MultiDiscrete():
            return CategoricalHead(features, space.nvec.ravel().tolist(), space.shape, str(space.dtype))
        case MultiBinary():
            return CategoricalHead(features, [2] * int(np.prod(space.shape)), space.shape, str(space.dtype))
    raise UnsupportedSpace(
        f"{name} needs actions in a bounded one-dimensional Box, Discrete, MultiDiscrete or MultiBinary; "
        f"this environment has {space}"
    )
