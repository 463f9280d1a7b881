"""Gradients of soft actor-critic's two losses written out: products in buffers that are used again, without a graph.

For the CPU, where autograd keeps a batched product of both critics where two plain ones are faster, allocates every
intermediate result, walks all rows through each operation in turn instead of a block of rows through all of them, and
passes every row back through both critics although only the lesser of a row moves the actor. Rows are shared out among
threads. Other devices take autograd. Measured in benchmarks/throughput.py.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic, squashed_log_density
from spreeze.algorithms._passes import (
    AnyWeights,
    block_rows,
    by_member,
    critic_layers,
    linear_layers,
    weights_of,
)
from spreeze.algorithms._shares import AnyShare, share_of
from spreeze.algorithms._workers import share_out, workers

Own = tuple[Tensor, list[Tensor]]
"""One worker's gradients of all parameters: one after the other, and as views in the parameters' shapes."""


class CriticGradients:
    """Leaves the gradient of mean (Q_k(s, a) - y)^2 over critics and rows in the critic's parameters.

    Like `ActorGradients`, it takes parameters to stay where they are in memory once it was called. `dtype` is that of
    products between hidden layers.
    """

    def __init__(self, critic: TwinCritic, dtype: torch.dtype = torch.float32) -> None:
        self.critic, self.dtype = critic, dtype
        self.weights, self.shares, self.own = list[AnyWeights](), list[AnyShare](), list[Own]()

    def __call__(self, observation: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Values (E, B) and the loss, for observations (B, O), actions (B, A) and targets (B,) without a graph."""
        if observation.device.type != "cpu":
            return self._by_autograd(observation, action, target)
        with torch.no_grad():
            return self._by_hand(observation, action, target)

    def _by_hand(self, observation: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        count = workers(len(target))
        if len(self.shares) < count or self.critic.weights[0].grad is None:
            self._prepare(count)
        for weights in self.weights:
            weights.refresh()
        values = torch.empty(len(self.weights), len(target))

        def share(worker: int, rows: slice) -> None:
            self.shares[worker].critic(observation, action, target, 2 / values.numel(), rows, values)

        share_out(share, len(target))
        add_up(self.own[:count])
        return values, (values - target).square_().mean()

    def _prepare(self, count: int) -> None:
        self.weights = [weights_of(layers, self.dtype) for layers in critic_layers(self.critic)]
        self.shares, self.own = [], [own_gradients(self.critic, index) for index in range(count)]
        for _, gradients in self.own:
            half = len(gradients) // 2
            shared, mine = self.weights[0].buffers(block_rows()), by_member(gradients[:half], gradients[half:])
            self.shares.append(share_of([w.new_pass(shared, g) for w, g in zip(self.weights, mine, strict=True)]))

    def _by_autograd(self, observation: Tensor, action: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        values = self.critic(observation, action)
        loss = (values - target).square().mean()
        self.critic.zero_grad(set_to_none=True)
        loss.backward()
        return values.detach(), loss.detach()


class ActorGradients:
    """Leaves the gradient of mean (alpha log pi(a|s) - min_k Q_k(s, a)), a ~ pi, in the actor's parameters."""

    def __init__(self, actor: SquashedGaussianActor, critic: TwinCritic, dtype: torch.dtype = torch.float32) -> None:
        self.actor, self.critic, self.dtype = actor, critic, dtype
        self.weights, self.shares, self.own = list[AnyWeights](), list[AnyShare](), list[Own]()

    def __call__(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the entropy [nat], for observations (B, O), normal noise (B, A) and alpha."""
        if observation.device.type != "cpu":
            return self._by_autograd(observation, noise, temperature)
        with torch.no_grad():
            return self._by_hand(observation, noise, temperature)

    def _by_hand(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        count = workers(len(observation))
        if len(self.shares) < count or next(self.actor.parameters()).grad is None:
            self._prepare(count)
        for weights in self.weights:
            weights.refresh()
        value, density = torch.empty(len(observation)), torch.empty(len(observation))
        by_value, by_density = -1 / len(observation), float(temperature) / len(observation)

        def share(worker: int, rows: slice) -> None:
            self.shares[worker].actor(observation, noise, by_value, by_density, rows, value, density)

        share_out(share, len(observation))
        add_up(self.own[:count])
        return (temperature * density - value).mean(), -density.mean()

    def _prepare(self, count: int) -> None:
        layers = [linear_layers(self.actor.net), *critic_layers(self.critic)]
        self.weights = [weights_of(own, self.dtype) for own in layers]
        self.shares, self.own = [], [own_gradients(self.actor, index) for index in range(count)]
        for _, gradients in self.own:
            mine = [(weight.t(), bias) for weight, bias in zip(gradients[::2], gradients[1::2], strict=True)]
            given = [mine, *[()] * len(self.critic.weights[0])]
            passes = [w.new_pass(w.buffers(block_rows()), g) for w, g in zip(self.weights, given, strict=True)]
            self.shares.append(share_of(passes))

    def _by_autograd(self, observation: Tensor, noise: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.actor(observation)
        pre_action = mean + log_std.exp() * noise
        density = squashed_log_density(noise, log_std, pre_action)
        value = self.critic(observation, torch.tanh(pre_action), frozen=True).amin(0)
        loss = (temperature * density - value).mean()
        self.actor.zero_grad(set_to_none=True)
        loss.backward()
        return loss.detach(), -density.detach().mean()


def own_gradients(module: nn.Module, worker: int) -> Own:
    """Room for the gradients of all parameters, one after the other; those of worker 0 are the parameters' own."""
    parameters = list(module.parameters())
    flat = torch.zeros(sum(p.numel() for p in parameters))
    parts = flat.split([p.numel() for p in parameters])
    views = [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]
    if worker == 0:
        for parameter, view in zip(parameters, views, strict=True):
            parameter.grad = view
    return flat, views


def add_up(own: Sequence[Own]) -> None:
    """Add the gradients of every other worker to those of worker 0."""
    for flat, _ in own[1:]:
        own[0][0].add_(flat)
