"""Gradients of soft actor-critic's two losses written out: products in buffers that are used again, without a graph.

For the CPU, where autograd takes a quarter longer: it keeps a batched product of both critics where two plain ones are
faster, allocates every intermediate result, and passes every row through both critics although only the lesser of a row
moves the actor. Other devices take autograd. Measured in benchmarks/offline_cost.py.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spreeze.algorithms._networks import (
    LOG_STD_MAX,
    LOG_STD_MIN,
    SquashedGaussianActor,
    TwinCritic,
    squashed_log_density,
)

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weight (in, out) and bias (out,) of each layer of one MLP, or the gradients of these."""


class CriticGradients:
    """Leaves the gradient of mean (Q_k(s, a) - y)^2 over critics and rows in the critic's parameters."""

    def __init__(self, critic: TwinCritic) -> None:
        self.critic, self.passes = critic, _Passes()

    def __call__(self, observation: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Values (E, B) and the loss, for observations (B, O), actions (B, A) and targets (B,) without a graph."""
        if observation.device.type != "cpu":
            return self._by_autograd(observation, action, target)
        with torch.no_grad():
            return self._by_hand(torch.cat((observation, action), -1), target)

    def _by_hand(self, inputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        members, gradients = _members(self.critic), _member_gradients(self.critic)
        passes = self.passes.of(members, len(inputs))
        values = torch.stack([one.forward(layers, inputs)[:, 0] for one, layers in zip(passes, members, strict=True)])
        error = values - target
        slope = error * (2 / error.numel())
        for index, (one, layers, own) in enumerate(zip(passes, members, gradients, strict=True)):
            one.backward(layers, slope[index][:, None], own)
        return values, error.square().mean()

    def _by_autograd(self, observation: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        values = self.critic(observation, action)
        loss = (values - target).square().mean()
        self.critic.zero_grad(set_to_none=True)
        loss.backward()
        return values.detach(), loss.detach()


class ActorGradients:
    """Leaves the gradient of mean (alpha log pi(a|s) - min_k Q_k(s, a)), a ~ pi, in the actor's parameters."""

    def __init__(self, actor: SquashedGaussianActor, critic: TwinCritic) -> None:
        self.actor, self.critic, self.policy, self.values = actor, critic, _Passes(), _Passes()

    def __call__(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the entropy [nat], for observations (B, O), normal noise (B, A) and alpha."""
        if observation.device.type != "cpu":
            return self._by_autograd(observation, noise, temperature)
        with torch.no_grad():
            return self._by_hand(observation, noise, temperature)

    def _by_hand(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        linear = [module for module in self.actor.net if isinstance(module, nn.Linear)]
        layers, gradients = [(m.weight.t(), m.bias) for m in linear], [_own_gradients(m) for m in linear]
        [one] = self.policy.of([layers], len(observation))
        head = _Head(one.forward(layers, observation), noise)
        value, slope = self._least(observation, head.action)
        one.backward(layers, head.backward(-slope / len(value), temperature / len(value)), gradients)
        density = head.log_density
        return (temperature * density - value).mean(), -density.mean()

    def _least(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """min_k Q_k (B,), and its gradient by the action (B, A): only the least critic of a row has a part in it."""
        inputs, members = torch.cat((observation, action), -1), _members(self.critic)
        passes = self.values.of(members, len(inputs))
        values = torch.cat([one.forward(layers, inputs) for one, layers in zip(passes, members, strict=True)], -1)
        value, least = values.min(-1)
        slope = torch.empty_like(action)
        for index, (one, layers) in enumerate(zip(passes, members, strict=True)):
            rows = (least == index).nonzero()[:, 0]
            slope[rows] = one.input_slope(layers, rows)[:, observation.shape[1] :]
        return value, slope

    def _by_autograd(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.actor(observation)
        pre_action = mean + log_std.exp() * noise
        density = squashed_log_density(noise, log_std, pre_action)
        value = self.critic(observation, torch.tanh(pre_action), frozen=True).amin(0)
        loss = (temperature * density - value).mean()
        self.actor.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach(), -density.detach().mean()


class _Head:
    """a = tanh(u), u = mean + std noise, of the actor's last layer (B, 2A), and log pi(a|s)."""

    def __init__(self, raw: Tensor, noise: Tensor) -> None:
        mean, free = raw.chunk(2, -1)
        self.scale, self.squashed = 0.5 * (LOG_STD_MAX - LOG_STD_MIN), torch.tanh(free)
        log_std = LOG_STD_MIN + self.scale * (self.squashed + 1)
        self.deviation = log_std.exp() * noise
        pre_action = mean + self.deviation
        self.action = torch.tanh(pre_action)
        self.log_density = squashed_log_density(noise, log_std, pre_action)

    def backward(self, slope: Tensor, density_slope: Tensor) -> Tensor:
        """Gradient by `raw`, from those by the action (B, A) and, the same for all rows, by the log density.

        da/du = 1 - a^2, d log pi/du = 2 a, d log pi/d log std = -1 + 2 a (std noise).
        """
        by_pre_action = slope * (1 - self.action.square()) + 2 * density_slope * self.action
        by_log_std = by_pre_action * self.deviation - density_slope
        return torch.cat((by_pre_action, by_log_std * self.scale * (1 - self.squashed.square())), -1)


class _Pass:
    """Hidden layers of one MLP with ReLU between layers, for a fixed number of rows."""

    def __init__(self, layers: Layers, rows: int) -> None:
        self.hidden = [torch.empty(rows, weight.shape[1]) for weight, _ in layers[:-1]]
        self.slopes = [torch.empty_like(hidden) for hidden in self.hidden]

    def forward(self, layers: Layers, inputs: Tensor) -> Tensor:
        """Outputs (B, out) for inputs (B, in); keeps what `backward` needs."""
        self.inputs = x = inputs
        for (weight, bias), hidden in zip(layers[:-1], self.hidden, strict=True):
            x = torch.addmm(bias, x, weight, out=hidden).relu_()
        weight, bias = layers[-1]
        return torch.mv(x, weight[:, 0]).add_(bias)[:, None] if len(bias) == 1 else torch.addmm(bias, x, weight)

    def backward(self, layers: Layers, slope: Tensor, gradients: Layers) -> None:
        """Write the gradients of all parameters, from that of the outputs (B, out)."""
        for depth in reversed(range(len(layers))):
            below = self.hidden[depth - 1] if depth else self.inputs
            weight, bias = gradients[depth]
            _product(below.t(), slope, out=weight)
            torch.sum(slope, 0, out=bias)
            if depth:
                slope = _behind_relu(slope, layers[depth][0], below, self.slopes[depth - 1])

    def input_slope(self, layers: Layers, rows: Tensor) -> Tensor:
        """Gradient of the only output by the inputs (R, in), in those of the rows whose indices (R,) are given."""
        if len(layers) == 1:
            return layers[0][0].t().expand(len(rows), -1)
        slope = torch.ones(len(rows), 1)
        for depth in reversed(range(1, len(layers))):
            slopes = self.slopes[depth - 1][: len(rows)]
            slope = _behind_relu(slope, layers[depth][0], self.hidden[depth - 1][rows], slopes)
        return slope @ layers[0][0].t()


class _Passes:
    """Buffers of several MLPs of one shape, kept until the number of rows changes."""

    def __init__(self) -> None:
        self.kept: tuple[int, list[_Pass]] = (-1, [])

    def of(self, networks: Sequence[Layers], rows: int) -> list[_Pass]:
        """One pass for each network."""
        if self.kept[0] != rows:
            self.kept = rows, [_Pass(layers, rows) for layers in networks]
        return self.kept[1]


def _behind_relu(slope: Tensor, weight: Tensor, activations: Tensor, out: Tensor) -> Tensor:
    """The gradient before a ReLU whose results are `activations`, from that behind the next layer."""
    _product(slope, weight.t(), out=out)
    return torch.ops.aten.threshold_backward.grad_input(out, activations, 0, grad_input=out)  # type: ignore[no-any-return]


def _product(left: Tensor, right: Tensor, out: Tensor) -> None:
    """out = left @ right, by plain loops where one of them is a single column."""
    if left.shape[1] == 1:
        torch.mul(left, right, out=out)
    elif right.shape[1] == 1:
        torch.mv(left, right[:, 0], out=out[:, 0])
    else:
        torch.mm(left, right, out=out)


def _members(critic: TwinCritic) -> list[Layers]:
    pairs = list(zip(critic.weights, critic.biases, strict=True))
    return [[(weight[k], bias[k, 0]) for weight, bias in pairs] for k in range(len(pairs[0][0]))]


def _member_gradients(critic: TwinCritic) -> list[Layers]:
    pairs = [(_gradient(weight), _gradient(bias)) for weight, bias in zip(critic.weights, critic.biases, strict=True)]
    return [[(weight[k], bias[k, 0]) for weight, bias in pairs] for k in range(len(pairs[0][0]))]


def _own_gradients(linear: nn.Linear) -> tuple[Tensor, Tensor]:
    return _gradient(linear.weight).t(), _gradient(linear.bias)


def _gradient(parameter: Tensor) -> Tensor:
    """The gradient of `parameter`, to be overwritten."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
