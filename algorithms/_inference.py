"""Networks evaluated without gradients on many rows, by blocks that stay in the processor's caches.

A plain module writes every layer's activations of all rows to memory and reads them back; here a block of rows goes
through all layers in buffers that are used again. With bfloat16, hidden products run at twice the rate on processors
that multiply it natively; the first layer, the last layer and all sums stay float32, so that inputs and outputs keep
their precision. Measured in benchmarks/offline_cost.py.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from spreeze.algorithms._networks import (
    LOG_STD_MAX,
    LOG_STD_MIN,
    SquashedGaussianActor,
    TwinCritic,
    squashed_log_density,
)

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weight (in, out) and bias (out,) of each layer of one MLP."""

BLOCK = 1024
"""Rows per thread that go through all layers together: 256 wide in bfloat16, two buffers take 1 MiB."""


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def relu_(x: Tensor) -> Tensor:
    """`x` with negative numbers set to 0, in place; bfloat16 as its bits, where a set sign is a negative integer."""
    if x.dtype is not torch.bfloat16:
        return x.relu_()
    x.view(torch.int16).clamp_min_(0)
    return x


def silu_(x: Tensor) -> Tensor:
    """x sigmoid(x), in place."""
    return silu(x, inplace=True)


@torch.no_grad()
def policy_values(
    actor: SquashedGaussianActor, critic: TwinCritic, states: Tensor, noise: Tensor, bf16: bool | None = None
) -> Tensor:
    """min_k Q_k(s, a), a = tanh(mean(s) + std(s) noise), for states (R, O) and normal noise (R, A); shape (R,).

    `bf16` multiplies hidden layers in bfloat16 (None: if the processor is made for it); values then differ by about a
    hundredth of their spread over states. Devices other than the CPU evaluate the plain modules.
    """
    return sampled_values(actor, critic, states, noise, bf16, density=False)[0]


@torch.no_grad()
def sampled_values(
    actor: SquashedGaussianActor,
    critic: TwinCritic,
    states: Tensor,
    noise: Tensor,
    bf16: bool | None = None,
    density: bool = True,
) -> tuple[Tensor, Tensor]:
    """As `policy_values`, with log pi(a|s) (R,) unless it is not asked for."""
    if states.device.type != "cpu":
        mean, log_std = actor(states)
        pre_action = mean + log_std.exp() * noise
        return critic(states, torch.tanh(pre_action)).amin(0), squashed_log_density(noise, log_std, pre_action)
    dtype = _hidden_type(bf16)
    policy = _prepared([(m.weight.t(), m.bias) for m in actor.net if isinstance(m, nn.Linear)], dtype)
    critics = [_prepared(layers, dtype) for layers in _members(list(critic.weights), list(critic.biases))]
    forward = _Blockwise([policy, *critics], dtype, relu_, len(states))
    values, log_density = torch.empty(len(states)), torch.empty(len(states) if density else 0)
    for rows in forward.blocks(len(states)):
        raw = forward(policy, states[rows])
        action = _squashed(raw, noise[rows])
        if density:
            log_density[rows] = _log_density(raw, noise[rows])
        inputs = torch.cat((states[rows], action), -1)
        torch.amin(torch.cat([forward(layers, inputs) for layers in critics], -1), -1, out=values[rows])
    return values, log_density


def _log_density(raw: Tensor, noise: Tensor) -> Tensor:
    mean, free = raw.chunk(2, -1)
    log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (torch.tanh(free) + 1)
    return squashed_log_density(noise, log_std, mean + log_std.exp() * noise)


def _squashed(raw: Tensor, noise: Tensor) -> Tensor:
    """The action (R, A) of the actor's last layer (R, 2A), as `SquashedGaussianActor.sample` makes it."""
    mean, log_std = raw.chunk(2, -1)
    std = torch.tanh(log_std).add_(1).mul_(0.5 * (LOG_STD_MAX - LOG_STD_MIN)).add_(LOG_STD_MIN).exp_()
    return std.mul_(noise).add_(mean).tanh_()


class Ensemble:
    """M MLPs of one shape with SiLU between layers, frozen, evaluated on the CPU without gradients.

    `weights` (M, in, out) and `biases` (M, 1, out) are given by layer; of `members` only, in this order. Float32 layers
    are the given tensors, layers in bfloat16 (off unless asked: predictions lose precision) are copies.
    """

    def __init__(
        self, weights: Sequence[Tensor], biases: Sequence[Tensor], members: Sequence[int], bf16: bool = False
    ) -> None:
        self.dtype, every = _hidden_type(bf16), _members(weights, biases)
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
        self.rows = max(1, min(rows, BLOCK * torch.get_num_threads()))
        widest = max((weight.shape[1] for layers in networks for weight, _ in layers[:-1]), default=0)
        self.hidden = [torch.empty(self.rows * widest, dtype=dtype) for _ in range(2)]
        self.exact = self.hidden[0] if dtype is torch.float32 else torch.empty(self.rows * widest)
        self.activate = activate

    def blocks(self, rows: int) -> Iterator[slice]:
        """The slices of at most `self.rows` rows that make up `rows`."""
        return (slice(start, min(start + self.rows, rows)) for start in range(0, rows, self.rows))

    def into(self, result: Tensor, layers: Layers, inputs: Tensor) -> None:
        """Write the outputs (R, out) for inputs (R, in), any number of rows."""
        for rows in self.blocks(len(inputs)):
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


def _hidden_type(bf16: bool | None) -> torch.dtype:
    wanted = fast_bfloat16() if bf16 is None else bf16
    return torch.bfloat16 if wanted else torch.float32


def _members(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> list[Layers]:
    """The layers of each of M networks, given as weights (M, in, out) and biases (M, 1, out) by layer."""
    pairs = [(weight.detach(), bias.detach()) for weight, bias in zip(weights, biases, strict=True)]
    return [[(weight[m], bias[m, 0]) for weight, bias in pairs] for m in range(len(weights[0]))]


def _prepared(layers: Layers, dtype: torch.dtype) -> Layers:
    """`layers` with all but the first and the last as `dtype`."""
    return [*layers[:1], *((weight.to(dtype), bias.to(dtype)) for weight, bias in layers[1:-1]), *layers[1:][-1:]]
