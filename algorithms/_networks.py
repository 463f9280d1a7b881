"""Networks that several algorithms share."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0
"""Bounds of the log standard deviation, before the tanh."""


def mlp(sizes: Sequence[int], between: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of these sizes with ReLU, or what is given, between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), between()]
    return nn.Sequential(*layers[:-1])


class SquashedGaussianActor(nn.Module):
    """A Gaussian over pre-actions whose tanh is the action: a = tanh(u), u ~ N(mean(o), std(o)) (SAC, appendix C)."""

    def __init__(self, observations: int, actions: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.net = mlp((observations, *hidden, 2 * actions))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of u, each (B, A), for observations (B, O)."""
        mean, raw = self.net(observation).chunk(2, dim=-1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (torch.tanh(raw) + 1)
        return mean, log_std

    def sample(self, observation: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A reparametrised action (B, A) in (-1, 1) and its log-density (B,)."""
        mean, log_std = self(observation)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        pre_action = mean + log_std.exp() * noise
        return torch.tanh(pre_action), squashed_log_density(noise, log_std, pre_action)


def squashed_log_density(noise: Tensor, log_std: Tensor, pre_action: Tensor) -> Tensor:
    """log p(tanh u) (B,) of u = mean + std noise, all (B, A): the Gaussian's less log(1 - tanh(u)^2), stably."""
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2 * (math.log(2) - pre_action - nn.functional.softplus(-2 * pre_action))
    return (gaussian - log_slope).sum(-1)


class DeterministicActor(nn.Module):
    """a = tanh(net((o - mean) / std)), whose normalisation travels with the weights, so that it acts on raw o."""

    def __init__(self, observations: int, actions: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.net = mlp((observations, *hidden, actions))
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(observations))
        self.register_buffer("std", torch.ones(observations))

    def normalised(self, observation: Tensor) -> Tensor:
        """(o - mean) / std of observations (B, O)."""
        return (observation - self.mean) / self.std

    def forward(self, observation: Tensor) -> Tensor:
        """Actions (B, A) in (-1, 1) for observations (B, O)."""
        return torch.tanh(self.net(self.normalised(observation)))


class TwinCritic(nn.Module):
    """Independent action values of one shape, computed as one batched product: `ensemble` MLPs side by side."""

    def __init__(self, observations: int, actions: int, hidden: Sequence[int], ensemble: int = 2) -> None:
        super().__init__()
        sizes = (observations + actions, *hidden, 1)
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(nn.Parameter(_uniform(ensemble, i, o, fan_in=i)) for i, o in pairs)
        self.biases = nn.ParameterList(nn.Parameter(_uniform(ensemble, 1, o, fan_in=i)) for i, o in pairs)

    def forward(self, observation: Tensor, action: Tensor, frozen: bool = False, members: int | None = None) -> Tensor:
        """Values (E, B) of observations (B, O) and actions (B, A).

        `frozen`: without gradients of the parameters; `members`: of that many only, the first.
        """
        layers = [
            (w.detach(), b.detach()) if frozen else (w, b) for w, b in zip(self.weights, self.biases, strict=True)
        ]
        if members is not None:
            layers = [(w[:members], b[:members]) for w, b in layers]
        first, bias = layers[0]
        inputs = torch.cat((observation, action), -1)
        x = torch.baddbmm(bias, inputs.expand(first.shape[0], *inputs.shape), first)
        for weight, bias in layers[1:]:
            x = torch.baddbmm(bias, torch.relu_(x), weight)
        return x.squeeze(-1)


def _uniform(*shape: int, fan_in: int) -> Tensor:
    return torch.empty(shape).uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
