"""Gradients of soft actor-critic's two losses written out: products in buffers that are used again, without a graph.

For the CPU, where autograd takes a quarter longer: it keeps a batched product of both critics where two plain ones are
faster, allocates every intermediate result, and passes every row through both critics although only the lesser of a row
moves the actor. Other devices take autograd. Measured in benchmarks/offline_cost.py.
"""

from collections.abc import Iterator, Sequence

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
    """Leaves the gradient of mean (Q_k(s, a) - y)^2 over critics and rows in the critic's parameters.

    Like `ActorGradients`, it takes parameters to stay where they are in memory once it was called.
    """

    def __init__(self, critic: TwinCritic) -> None:
        self.critic, self.passes = critic, list[_Pass]()

    def __call__(self, observation: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Values (E, B) and the loss, for observations (B, O), actions (B, A) and targets (B,) without a graph."""
        if observation.device.type != "cpu":
            return self._by_autograd(observation, action, target)
        with torch.no_grad():
            return self._by_hand(torch.cat((observation, action), -1), target)

    def _by_hand(self, inputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if not self.passes or self.passes[0].rows != len(inputs) or self.critic.weights[0].grad is None:
            # One critic after the other in the same buffers, which then stay in the processor's caches.
            shared = _Buffers(_members(self.critic)[0], len(inputs))
            self.passes = [_Pass(layers, shared, own) for layers, own in _with_gradients(self.critic)]
        values, count = [], len(self.passes) * len(inputs)
        for one in self.passes:
            value = one.forward(inputs)
            one.backward((value - target[:, None]).mul_(2 / count))
            values.append(value)
        stacked = torch.cat(values, -1).t()
        return stacked, (stacked - target).square_().mean()

    def _by_autograd(self, observation: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        values = self.critic(observation, action)
        loss = (values - target).square().mean()
        self.critic.zero_grad(set_to_none=True)
        loss.backward()
        return values.detach(), loss.detach()


class ActorGradients:
    """Leaves the gradient of mean (alpha log pi(a|s) - min_k Q_k(s, a)), a ~ pi, in the actor's parameters."""

    def __init__(self, actor: SquashedGaussianActor, critic: TwinCritic) -> None:
        self.actor, self.critic, self.passes = actor, critic, list[_Pass]()

    def __call__(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the entropy [nat], for observations (B, O), normal noise (B, A) and alpha."""
        if observation.device.type != "cpu":
            return self._by_autograd(observation, noise, temperature)
        with torch.no_grad():
            return self._by_hand(observation, noise, temperature)

    def _by_hand(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        rows = len(observation)
        linear = [module for module in self.actor.net if isinstance(module, nn.Linear)]
        if not self.passes or self.passes[0].rows != rows or linear[0].weight.grad is None:
            layers, gradients = (
                [(m.weight.detach().t(), m.bias.detach()) for m in linear],
                [_own_gradients(m) for m in linear],
            )
            critics = [_Pass(own, _Buffers(own, rows)) for own in _members(self.critic)]
            self.passes = [_Pass(layers, _Buffers(layers, rows), gradients), *critics]
        policy = self.passes[0]
        head = _Head(policy.forward(observation), noise)
        value, slope = self._least(observation, head.action)
        policy.backward(head.backward(slope.mul_(-1 / rows), temperature / rows))
        density = head.log_density
        return (temperature * density - value).mean(), -density.mean()

    def _least(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """min_k Q_k (B,), and its gradient by the action (B, A): only the least critic of a row has a part in it."""
        inputs, critics = torch.cat((observation, action), -1), self.passes[1:]
        value, least = torch.cat([one.forward(inputs) for one in critics], -1).min(-1)
        slope = torch.empty_like(action)
        for index, one in enumerate(critics):
            rows = (least == index).nonzero()[:, 0]
            slope[rows] = one.input_slope(rows)[:, observation.shape[1] :]
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


class _Buffers:
    """Room for the hidden layers of one MLP with so many rows, and for the gradients by them."""

    def __init__(self, layers: Layers, rows: int) -> None:
        self.rows = rows
        self.hidden = [torch.empty(rows, weight.shape[1]) for weight, _ in layers[:-1]]
        self.slopes = [torch.empty_like(hidden) for hidden in self.hidden]


class _Pass:
    """Forward and backward pass of one MLP with ReLU between layers; `gradients` is where to write those."""

    def __init__(self, layers: Layers, buffers: _Buffers, gradients: Layers = ()) -> None:
        self.layers, self.gradients, self.rows = layers, gradients, buffers.rows
        self.hidden, self.slopes = buffers.hidden, buffers.slopes

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (B, out) for inputs (B, in); keeps what `backward` needs."""
        self.inputs = x = inputs
        for (weight, bias), hidden in zip(self.layers[:-1], self.hidden, strict=True):
            x = torch.addmm(bias, x, weight, out=hidden).relu_()
        weight, bias = self.layers[-1]
        return torch.mv(x, weight[:, 0]).add_(bias)[:, None] if len(bias) == 1 else torch.addmm(bias, x, weight)

    def backward(self, slope: Tensor) -> None:
        """Write the gradients of all parameters, from that of the outputs (B, out)."""
        for depth in reversed(range(len(self.layers))):
            below = self.hidden[depth - 1] if depth else self.inputs
            weight, bias = self.gradients[depth]
            _product(below.t(), slope, out=weight)
            torch.sum(slope, 0, out=bias)
            if depth:
                slope = _behind_relu(slope, self.layers[depth][0], below, self.slopes[depth - 1])

    def input_slope(self, rows: Tensor) -> Tensor:
        """Gradient of the only output by the inputs (R, in), in those of the rows whose indices (R,) are given."""
        slope = torch.ones(len(rows), 1)
        for depth in reversed(range(1, len(self.layers))):
            slopes = self.slopes[depth - 1][: len(rows)]
            slope = _behind_relu(slope, self.layers[depth][0], self.hidden[depth - 1][rows], slopes)
        return slope @ self.layers[0][0].t()


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
    """The layers of each critic, as views."""
    return _by_member(list(critic.weights), list(critic.biases))


def _with_gradients(critic: TwinCritic) -> Iterator[tuple[Layers, Layers]]:
    """The layers of each critic, and their gradients."""
    gradients = _by_member([_gradient(w) for w in critic.weights], [_gradient(b) for b in critic.biases])
    return zip(_members(critic), gradients, strict=True)


def _by_member(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> list[Layers]:
    pairs = [(weight.detach(), bias.detach()) for weight, bias in zip(weights, biases, strict=True)]
    return [[(weight[k], bias[k, 0]) for weight, bias in pairs] for k in range(len(weights[0]))]


def _own_gradients(linear: nn.Linear) -> tuple[Tensor, Tensor]:
    return _gradient(linear.weight).t(), _gradient(linear.bias)


def _gradient(parameter: Tensor) -> Tensor:
    """The gradient of `parameter`, to be overwritten."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
