"""Encoders: from the transitions so far to a belief over tasks, for all prefixes at once and step by step alike.

A token is one transition (s, a, r, s'). A belief (..., 2Z) holds the means m and the variances v of independent
Gaussians over a latent z. The k-th belief depends on the first k tokens alone.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from spreeze.algorithms._networks import mlp
from spreeze.contract import Recurrent

HEADS = 8
GATE_LIMIT = 6.0
"""Logarithms of attention weights stay within this, so that their sums do not overflow."""
LEAST_VARIANCE = 1e-4


class Encoder(Protocol):
    """An `nn.Module` that infers."""

    def initial(self, batch: int) -> Recurrent:
        """The memory before the first token, each (B, ...)."""

    def advance(self, memory: Recurrent, token: Tensor) -> Recurrent:
        """The memory after one more token (B, F)."""

    def belief(self, memory: Recurrent) -> Tensor:
        """The belief (B, 2Z) that a memory stands for."""

    def beliefs(self, tokens: Tensor) -> Tensor:
        """Beliefs (L + 1, B, 2Z) before, between and after tokens (L, B, F)."""

    def state_dict(self) -> dict[str, Tensor]:
        """As `nn.Module` says."""


def as_belief(raw: Tensor) -> Tensor:
    """Unbounded numbers (..., 2Z) as means and positive variances; the belief of zeros is near N(0, 1)."""
    mean, spread = raw.chunk(2, -1)
    return torch.cat((mean, softplus(spread + 0.5) + LEAST_VARIANCE), -1)


def divergence(belief: Tensor) -> Tensor:
    """KL(N(m, v) || N(0, 1)) (...) of beliefs (..., 2Z): the sum over z of (v - log v + m^2 - 1) / 2."""
    mean, variance = belief.chunk(2, -1)
    return 0.5 * (variance - variance.log() + mean.square() - 1).sum(-1)


def drawn(belief: Tensor, noise: Tensor) -> Tensor:
    """z = m + sqrt(v) noise, (..., Z)."""
    mean, variance = belief.chunk(2, -1)
    return mean + variance.sqrt() * noise


class AttentionEncoder(nn.Module):
    """Attention of one learned query over the tokens so far; sums over prefixes give all beliefs in one pass.

    Each of eight heads weighs the values of tokens by exp(gate); a token of zeros with weight 1 comes before the first.
    The belief also sees the logarithm of the weights' sum, how much was found. Being sums, they can be continued: the
    linear form of attention (Katharopoulos et al., arXiv 2006.16236) with a constant query.
    """

    def __init__(self, inputs: int, latent: int, width: int) -> None:
        super().__init__()
        self.width = -(-width // HEADS) * HEADS
        self.token = nn.Sequential(mlp((inputs, self.width, self.width)), nn.ReLU())
        self.gate, self.value = nn.Linear(self.width, HEADS), nn.Linear(self.width, self.width)
        self.head = mlp((self.width + HEADS, self.width, 2 * latent))

    def initial(self, batch: int) -> Recurrent:
        """Sums of weighted values (B, H, V) and of weights (B, H)."""
        return torch.zeros(batch, HEADS, self.width // HEADS), torch.ones(batch, HEADS)

    def weighed(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted values (..., H, V) and weights (..., H) of tokens (..., F)."""
        features = self.token(tokens)
        weight = (GATE_LIMIT * torch.tanh(self.gate(features) / GATE_LIMIT)).exp()
        return self.value(features).unflatten(-1, (HEADS, -1)) * weight[..., None], weight

    def advance(self, memory: Recurrent, token: Tensor) -> Recurrent:
        """Add one token."""
        value, weight = self.weighed(token)
        return memory[0] + value, memory[1] + weight

    def belief(self, memory: Recurrent) -> Tensor:
        """From the mean value of each head and the logarithm of its weights' sum."""
        total, weight = memory
        pooled = (total / weight[..., None]).flatten(-2)
        return as_belief(self.head(torch.cat((pooled, weight.log()), -1)))

    def beliefs(self, tokens: Tensor) -> Tensor:
        """All prefixes at once, by running sums."""
        value, weight = self.weighed(tokens)
        first = [one[None] for one in self.initial(tokens.shape[1])]
        total, weights = (torch.cat((f, f + s.cumsum(0))) for f, s in zip(first, (value, weight), strict=True))
        return self.belief((total, weights))


class RecurrentEncoder(nn.Module):
    """A gated recurrent unit (Cho et al., arXiv 1406.1078) over features of the tokens."""

    def __init__(self, inputs: int, latent: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.token, self.unit = nn.Sequential(nn.Linear(inputs, width), nn.ReLU()), nn.GRU(width, width)
        self.head = nn.Linear(width, 2 * latent)

    def initial(self, batch: int) -> Recurrent:
        """Zeros (B, W)."""
        return (torch.zeros(batch, self.width),)

    def advance(self, memory: Recurrent, token: Tensor) -> Recurrent:
        """One step of the unit."""
        _, after = self.unit(self.token(token)[None], memory[0][None])
        return (after[0],)

    def belief(self, memory: Recurrent) -> Tensor:
        """Linear in the unit's outputs."""
        return as_belief(self.head(memory[0]))

    def beliefs(self, tokens: Tensor) -> Tensor:
        """All steps in one call."""
        first = self.initial(tokens.shape[1])[0][None]
        return self.belief((torch.cat((first, self.unit(self.token(tokens), first)[0])),))


class ProductEncoder(nn.Module):
    """A product of Gaussians, one factor for each token, and N(0, 1) (PEARL, Rakelly et al., arXiv 1903.08254)."""

    def __init__(self, inputs: int, latent: int, width: int) -> None:
        super().__init__()
        self.latent, self.net = latent, mlp((inputs, width, width, width, 2 * latent))

    def initial(self, batch: int) -> Recurrent:
        """Sums of precisions times means and of precisions, (B, Z) each."""
        return torch.zeros(batch, self.latent), torch.ones(batch, self.latent)

    def factors(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Precision times mean, and precision (..., Z) of each token's factor."""
        mean, variance = as_belief(self.net(tokens)).chunk(2, -1)
        return mean / variance, 1 / variance

    def advance(self, memory: Recurrent, token: Tensor) -> Recurrent:
        """Multiply by one factor."""
        mean, precision = self.factors(token)
        return memory[0] + mean, memory[1] + precision

    def belief(self, memory: Recurrent) -> Tensor:
        """Mean and variance of the product."""
        return torch.cat((memory[0] / memory[1], 1 / memory[1]), -1)

    def beliefs(self, tokens: Tensor) -> Tensor:
        """All prefixes at once, by running sums."""
        first = [one[None] for one in self.initial(tokens.shape[1])]
        sums = zip(first, self.factors(tokens), strict=True)
        total, precision = (torch.cat((f, f + s.cumsum(0))) for f, s in sums)
        return self.belief((total, precision))


ENCODERS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "attention": AttentionEncoder,
    "recurrent": RecurrentEncoder,
    "product": ProductEncoder,
}
"""(size of a token, size of z, width) -> encoder, by the name of the option."""
