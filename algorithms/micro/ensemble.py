"""A probabilistic ensemble of dynamics models, computed as one batched product."""

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from spreeze.algorithms._inference import Ensemble
from spreeze.algorithms._passes import fast_bfloat16


class DynamicsEnsemble(nn.Module):
    """M networks that predict (change of observation, reward) as a diagonal Gaussian: (o, a) -> N(mean, variance).

    Inputs are normalised by the buffers `input_mean` and `input_std`, outputs are in the units of the data. The log
    variance is bounded softly by learned limits that all members share, one pair per output.
    """

    def __init__(self, observations: int, actions: int, hidden: Sequence[int], members: int, elites: int) -> None:
        super().__init__()
        inputs, self.outputs = observations + actions, observations + 1
        pairs = list(pairwise((inputs, *hidden, 2 * self.outputs)))
        self.weights = nn.ParameterList(nn.Parameter(_truncated_normal(members, i, o)) for i, o in pairs)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(members, 1, o)) for _, o in pairs)
        self.max_log_variance = nn.Parameter(torch.full((self.outputs,), 0.5))
        self.min_log_variance = nn.Parameter(torch.full((self.outputs,), -10.0))
        self.input_mean: Tensor
        self.input_std: Tensor
        self.elites: Tensor
        self.register_buffer("input_mean", torch.zeros(inputs))
        self.register_buffer("input_std", torch.ones(inputs))
        self.register_buffer("elites", torch.arange(elites))

    def normalised(self, observation: Tensor, action: Tensor) -> Tensor:
        """What the networks take, (..., O + A)."""
        return (torch.cat((observation, action), -1) - self.input_mean) / self.input_std

    def forward(self, inputs: Tensor, members: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance (M, B, O + 1) for normalised inputs (B, O + A) or (M, B, O + A); of `members` only."""
        weights: list[Tensor] = [w if members is None else w[members] for w in self.weights]
        biases: list[Tensor] = [b if members is None else b[members] for b in self.biases]
        x = inputs.expand(len(weights[0]), *inputs.shape[-2:])
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = silu(torch.baddbmm(bias, x, weight), inplace=not torch.is_grad_enabled())
        mean, raw = torch.baddbmm(biases[-1], x, weights[-1]).chunk(2, -1)
        return mean, bounded(raw, self.min_log_variance, self.max_log_variance)

    def predict(self, observation: Tensor, action: Tensor, members: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (M, B, O + 1) of next observation and reward; of `members` only.

        `observation` (B, O) and `action` (B, A), or with M in front.
        """
        mean, log_variance = self(self.normalised(observation, action), members)
        change, reward = mean.split((self.outputs - 1, 1), -1)
        return torch.cat((observation + change, reward), -1), torch.exp(0.5 * log_variance)


class EliteModel(nn.Module):
    """The elites of a fitted ensemble, as rollouts and penalties use them."""

    def __init__(self, ensemble: DynamicsEnsemble) -> None:
        super().__init__()
        self.ensemble, self.count = ensemble.requires_grad_(False).eval(), len(ensemble.elites)

    @cached_property
    def _rough(self) -> Ensemble:
        net = self.ensemble
        return Ensemble(list(net.weights), list(net.biases), range(len(net.weights[0])), fast_bfloat16())

    def spread(self, observation: Tensor, action: Tensor) -> Tensor:
        """Standard deviations (M, B, O + 1) that all members predict, for penalties: to the precision of bfloat16."""
        net = self.ensemble
        raw = self._rough.all(net.normalised(observation, action))[..., net.outputs :]
        return torch.exp(0.5 * bounded(raw, net.min_log_variance, net.max_log_variance))

    def step(self, observation: Tensor, action: Tensor, generator: torch.Generator) -> Tensor:
        """Samples of next observation and reward (B, O + 1), B a multiple of the elites; each serves B / M rows.

        Rows are given to elites in order: draw them in random order.
        """
        shares = [x.view(self.count, -1, x.shape[-1]) for x in (observation, action)]
        mean, std = self.ensemble.predict(shares[0], shares[1], self.ensemble.elites)
        return (mean + std * noise_like(mean, generator)).flatten(0, 1)

    def next_observations(
        self, observation: Tensor, action: Tensor, samples: int, generator: torch.Generator, common: bool = False
    ) -> Tensor:
        """`samples` next observations from each elite (N, M, B, O); with `common` noise, all elites get the same."""
        mean, std = (x[..., :-1] for x in self.ensemble.predict(observation, action, self.ensemble.elites))
        shape = (samples, 1 if common else self.count, *mean.shape[1:])
        return mean + std * torch.randn(shape, generator=generator, device=mean.device)


def bounded(raw: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`raw` bent softly into (low, high) by two softplus."""
    raw = high - softplus(high - raw)
    return low + softplus(raw - low)


def noise_like(mean: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape of `mean`."""
    return torch.randn(mean.shape, generator=generator, device=mean.device)


def negative_log_likelihood(mean: Tensor, log_variance: Tensor, targets: Tensor) -> Tensor:
    """Twice the Gaussian one without its constant, averaged over rows and outputs (B, D), summed over members (M)."""
    return ((mean - targets).square() * torch.exp(-log_variance) + log_variance).mean((1, 2)).sum()


def _truncated_normal(members: int, inputs: int, outputs: int) -> Tensor:
    std = 1 / (2 * math.sqrt(inputs))
    return nn.init.trunc_normal_(torch.empty(members, inputs, outputs), std=std)
