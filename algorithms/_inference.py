"""Networks evaluated without gradients on many rows, by blocks that stay in the processor's caches.

A plain module writes every layer's activations of all rows to memory and reads them back; here a block of rows goes
through all layers in buffers that are used again. With bfloat16, hidden products run at twice the rate on processors
that multiply it natively; the first layer, the last layer and all sums stay float32, so that inputs and outputs keep
their precision. Measured in benchmarks/offline_cost.py.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import silu

from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic, squashed_log_density
from spreeze.algorithms._passes import (
    AnyWeights,
    Layers,
    block_rows,
    blocks,
    by_member,
    critic_layers,
    linear_layers,
    weights_of,
)
from spreeze.algorithms._shares import AnyShare, share_of
from spreeze.algorithms._workers import share_out, workers

BLOCK = 1024
"""Rows that go through all layers together: 256 wide in bfloat16, two buffers take 1 MiB."""


def silu_(x: Tensor) -> Tensor:
    """x sigmoid(x), in place."""
    return silu(x, inplace=True)


class ActorOutputs:
    """The last layer of an actor, (B, 2A), for observations (B, O); `dtype` is that of products of hidden layers.

    It takes parameters to stay where they are in memory. Without bfloat16 it is the plain module.
    """

    def __init__(self, actor: SquashedGaussianActor, dtype: torch.dtype = torch.float32) -> None:
        self.actor, self.dtype = actor, dtype
        self.weights: AnyWeights | None = None

    @torch.no_grad()
    def __call__(self, observation: Tensor) -> Tensor:
        """The outputs for `observation`, with the weights of now."""
        if self.dtype is torch.float32 or observation.device.type != "cpu":
            raw: Tensor = self.actor.net(observation)
            return raw
        if self.weights is None:
            self.weights = weights_of(linear_layers(self.actor.net), self.dtype, back=False)
            self.forward = self.weights.new_pass(self.weights.buffers(block_rows())).forward
        self.weights.refresh()
        found = [self.forward(observation[rows]) for rows in blocks(slice(0, len(observation)))]
        return found[0] if len(found) == 1 else torch.cat(found)


class SampledValues:
    """min_k Q_k(s, a) of actions that a policy samples, with its log density at them.

    It takes parameters to stay where they are in memory. `dtype` is that of products between hidden layers; bfloat16
    changes values by about a hundredth of their spread over states. Devices other than the CPU evaluate plain modules.
    """

    def __init__(self, actor: SquashedGaussianActor, critic: TwinCritic, dtype: torch.dtype = torch.float32) -> None:
        self.actor, self.critic, self.dtype = actor, critic, dtype
        self.weights, self.shares = list[AnyWeights](), list[AnyShare]()

    @torch.no_grad()
    def __call__(self, states: Tensor, noise: Tensor, density: bool = True) -> tuple[Tensor, Tensor]:
        """Values (R,) and log pi(a|s) (R,), a = tanh(mean + std noise), for states (R, O) and normal noise (R, A).

        Without `density`, the latter has shape (0,).
        """
        if states.device.type != "cpu":
            mean, log_std = self.actor(states)
            pre_action = mean + log_std.exp() * noise
            return self.critic(states, torch.tanh(pre_action)).amin(0), squashed_log_density(noise, log_std, pre_action)
        self._prepare(workers(len(states)))
        values, log_density = torch.empty(len(states)), torch.empty(len(states) if density else 0)

        def share(worker: int, own: slice) -> None:
            self.shares[worker].values(states, noise, own, values, log_density if density else None)

        share_out(share, len(states))
        return values, log_density

    def _prepare(self, count: int) -> None:
        if self.weights:
            for weights in self.weights:
                weights.refresh()
        else:
            layers = [linear_layers(self.actor.net), *critic_layers(self.critic)]
            self.weights = [weights_of(own, self.dtype, back=False) for own in layers]
        while len(self.shares) < count:
            policy, critic = (weights.buffers(block_rows()) for weights in self.weights[:2])
            shared = [policy, *[critic] * (len(self.weights) - 1)]
            self.shares.append(share_of([w.new_pass(b) for w, b in zip(self.weights, shared, strict=True)]))


class Ensemble:
    """M MLPs of one shape with SiLU between layers, frozen, evaluated on the CPU without gradients.

    `weights` (M, in, out) and `biases` (M, 1, out) are given by layer; of `members` only, in this order. Float32 layers
    are the given tensors, layers in bfloat16 (off unless asked: predictions lose precision) are copies.
    """

    def __init__(
        self, weights: Sequence[Tensor], biases: Sequence[Tensor], members: Sequence[int], bf16: bool = False
    ) -> None:
        self.dtype, every = torch.bfloat16 if bf16 else torch.float32, by_member(weights, biases)
        self.members = [_prepared(every[m], self.dtype) for m in members]
        self.outputs = weights[-1].shape[-1]

    @torch.no_grad()
    def all(self, inputs: Tensor) -> Tensor:
        """Outputs (M, R, out) of every member for inputs (R, in), or its own (M, R, in)."""
        own = inputs.expand(len(self.members), *inputs.shape[-2:])
        outputs = torch.empty(*own.shape[:-1], self.outputs)
        forward = _Blockwise(self.members, self.dtype, silu_, own.shape[1])
        for layers, given, result in zip(self.members, own, outputs, strict=True):
            forward.into(result, layers, given)
        return outputs

    @torch.no_grad()
    def one_each(self, inputs: Tensor, member: Tensor) -> Tensor:
        """Outputs (R, out) for inputs (R, in), each row by the one member whose place (R,) is given for it."""
        order = member.argsort()
        counts = torch.bincount(member, minlength=len(self.members)).tolist()
        outputs = torch.empty(len(inputs), self.outputs)
        forward = _Blockwise(self.members, self.dtype, silu_, max(counts))
        shares = zip(self.members, inputs[order].split(counts), outputs.split(counts), strict=True)
        for layers, given, result in shares:
            forward.into(result, layers, given)
        return torch.empty_like(outputs).index_copy_(0, order, outputs)


class _Blockwise:
    """Buffers for a block of rows, and the forward pass of an MLP through them."""

    def __init__(
        self, networks: Sequence[Layers], dtype: torch.dtype, activate: Callable[[Tensor], Tensor], rows: int
    ) -> None:
        self.rows = max(1, min(rows, BLOCK))
        widest = max((weight.shape[1] for layers in networks for weight, _ in layers[:-1]), default=0)
        self.hidden = [torch.empty(self.rows * widest, dtype=dtype) for _ in range(2)]
        self.exact = self.hidden[0] if dtype is torch.float32 else torch.empty(self.rows * widest)
        self.activate = activate

    def blocks(self, rows: slice) -> Iterator[slice]:
        """The slices of at most `self.rows` rows that make up `rows`."""
        return (slice(start, min(start + self.rows, rows.stop)) for start in range(rows.start, rows.stop, self.rows))

    def into(self, result: Tensor, layers: Layers, inputs: Tensor) -> None:
        """Write the outputs (R, out) for inputs (R, in), any number of rows."""
        for rows in self.blocks(slice(0, len(inputs))):
            result[rows] = self(layers, inputs[rows])

    def __call__(self, layers: Layers, inputs: Tensor) -> Tensor:
        """Outputs (R, out) for inputs (R, in), at most one block."""
        x = inputs
        for depth, (weight, bias) in enumerate(layers[:-1]):
            x = self._layer(x, weight, bias, depth)
        weight, bias = layers[-1]
        return torch.addmm(bias, self._exact(x), weight)

    def _layer(self, x: Tensor, weight: Tensor, bias: Tensor, depth: int) -> Tensor:
        shape = len(x), weight.shape[1]
        hidden = _shaped(self.hidden[depth % 2], shape)
        if weight.dtype is hidden.dtype:
            return self.activate(torch.addmm(bias, x, weight, out=hidden))
        return hidden.copy_(self.activate(torch.addmm(bias, x, weight, out=_shaped(self.exact, shape))))

    def _exact(self, x: Tensor) -> Tensor:
        return x if x.dtype is torch.float32 else _shaped(self.exact, x.shape).copy_(x)


def _shaped(buffer: Tensor, shape: Sequence[int]) -> Tensor:
    return buffer[: shape[0] * shape[1]].view(*shape)


def _prepared(layers: Layers, dtype: torch.dtype) -> Layers:
    """`layers` with all but the first and the last as `dtype`."""
    return [*layers[:1], *((weight.to(dtype), bias.to(dtype)) for weight, bias in layers[1:-1]), *layers[1:][-1:]]
