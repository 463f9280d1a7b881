"""Forward and backward passes of MLPs on the CPU, by blocks of rows in buffers that are used again.

Layers between the first and the last may be multiplied in bfloat16, at twice the rate on processors made for it.
Inputs, outputs, sums, the first and the last layer stay float32, and so do the weights that an optimiser changes.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from spreeze.algorithms._native.passes import NativeWeights, fits
from spreeze.algorithms._networks import LOG_STD_MAX, LOG_STD_MIN, TwinCritic, squashed_log_density

Precision = Literal["auto", "float32", "bfloat16"]

Layers = Sequence[tuple[Tensor, Tensor]]
"""Weight (in, out) and bias (out,) of each layer of one MLP, or the gradients of these."""

BLOCK = 512
"""Rows that go through a whole computation together: 256 wide in bfloat16, a layer takes a quarter of a MiB."""


class AnyPass(Protocol):
    """Forward and backward pass of one MLP with ReLU between layers, on at most as many rows as its buffers have."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (R, out) for inputs (R, in); keeps what `backward` needs."""

    def backward(self, slope: Tensor, add: bool) -> None:
        """Write the gradients of all parameters, from that of the outputs (R, out), or `add` to what is there."""

    def finish(self) -> None:
        """Bring gradients to where they belong, once all rows were added."""

    def input_slope(self, rows: Tensor, begin: int) -> Tensor:
        """Gradient of the only output by the inputs from number `begin` on, in the rows whose indices are given."""


class AnyWeights(Protocol):
    """The layers of one MLP as products take them."""

    def refresh(self) -> None:
        """Follow the float32 weights, after an optimiser or `load_state_dict` changed them."""

    def buffers(self, rows: int) -> Any:
        """Room for the hidden layers, for so many rows."""

    def new_pass(self, buffers: Any, gradients: Layers = ()) -> AnyPass:
        """A pass through these layers; `gradients` is where to put those."""


_HALF = 0.5 * (LOG_STD_MAX - LOG_STD_MIN)


def block_rows() -> int:
    """Rows of a full block."""
    return BLOCK


def blocks(rows: slice) -> Iterator[slice]:
    """The parts of at most `BLOCK` rows that make up `rows`."""
    return (slice(start, min(start + BLOCK, rows.stop)) for start in range(rows.start, rows.stop, BLOCK))


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def hidden_dtype(precision: Precision) -> torch.dtype:
    """The type in which hidden layers are multiplied on the CPU."""
    fast = fast_bfloat16() if precision == "auto" else precision == "bfloat16"
    return torch.bfloat16 if fast else torch.float32


def relu_(x: Tensor) -> Tensor:
    """`x` with negative numbers set to 0, in place; bfloat16 as its bits, where a set sign is a negative integer."""
    if x.dtype is not torch.bfloat16:
        return x.relu_()
    x.view(torch.int16).clamp_min_(0)
    return x


class Head:
    """a = tanh(u), u = mean + std noise, of an actor's last layer (R, 2A)."""

    def __init__(self, raw: Tensor, noise: Tensor) -> None:
        mean, free = raw.chunk(2, -1)
        self.noise, self.squashed = noise, torch.tanh(free)
        self.log_std = LOG_STD_MIN + _HALF * (self.squashed + 1)
        self.deviation = self.log_std.exp() * noise
        self.pre_action = mean + self.deviation
        self.action = torch.tanh(self.pre_action)

    def log_density(self) -> Tensor:
        """log pi(a|s) (R,)."""
        return squashed_log_density(self.noise, self.log_std, self.pre_action)

    def backward(self, slope: Tensor, density_slope: float) -> Tensor:
        """Gradient by `raw`, from those by the action (R, A) and, the same for all rows, by the log density.

        da/du = 1 - a^2, d log pi/du = 2 a, d log pi/d log std = -1 + 2 a (std noise).
        """
        by_pre_action = slope * (1 - self.action.square()) + 2 * density_slope * self.action
        by_log_std = by_pre_action * self.deviation - density_slope
        return torch.cat((by_pre_action, by_log_std * _HALF * (1 - self.squashed.square())), -1)


class Weights:
    """The layers of one MLP as products take them: hidden ones in `dtype`, copied anew by `refresh`."""

    def __init__(self, layers: Layers, dtype: torch.dtype) -> None:
        self.exact, self.dtype = layers, dtype if len(layers) > 2 else torch.float32
        self.used = [*layers[:1], *((w.to(dtype), b.to(dtype)) for w, b in layers[1:-1]), *layers[1:][-1:]]
        last = layers[-1][0]
        self.column = last[:, 0].to(self.dtype, copy=True) if last.shape[1] == 1 else None

    def refresh(self) -> None:
        """Follow the float32 weights, after an optimiser or `load_state_dict` changed them."""
        for own, copies in zip(self.exact[1:-1], self.used[1:-1], strict=True):
            for exact, copy in zip(own, copies, strict=True):
                if copy is not exact:
                    copy.copy_(exact)
        if self.column is not None:
            self.column.copy_(self.exact[-1][0][:, 0])

    def buffers(self, rows: int) -> "Buffers":
        """Room for the hidden layers, for so many rows."""
        return Buffers(self, rows)

    def new_pass(self, buffers: "Buffers", gradients: Layers = ()) -> "Pass":
        """A pass through these layers; `gradients` is where to put those."""
        return Pass(self, buffers, gradients)


def weights_of(layers: Layers, dtype: torch.dtype, back: bool = True) -> AnyWeights:
    """The layers of one MLP as products take them, hidden ones in `dtype`; without `back`, for forward passes only."""
    return NativeWeights(layers, back) if fits(layers, dtype) else Weights(layers, dtype)


class Buffers:
    """Room for the hidden layers of one MLP for so many rows, and for the gradients by them."""

    def __init__(self, weights: Weights, rows: int) -> None:
        widths = [weight.shape[1] for weight, _ in weights.used[:-1]]
        self.hidden = [torch.empty(rows, width, dtype=weights.dtype) for width in widths]
        self.slopes = [torch.empty_like(hidden) for hidden in self.hidden]
        exact = weights.dtype is torch.float32
        self.exact = self.hidden if exact else [torch.empty(rows, width) for width in widths]
        self.products = [torch.empty_like(weight) for weight, _ in weights.used]


class Pass:
    """Forward and backward pass of one MLP with ReLU between layers; `gradients` is where to put those."""

    def __init__(self, weights: Weights, buffers: Buffers, gradients: Layers) -> None:
        self.weights, self.buffers, self.gradients = weights, buffers, gradients

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (R, out) for inputs (R, in); keeps what `backward` needs."""
        rows, x = len(inputs), inputs
        self.inputs, self.hidden = inputs, [buffer[:rows] for buffer in self.buffers.hidden]
        for depth, hidden in enumerate(self.hidden):
            weight, bias = self.weights.used[depth]
            if weight.dtype is hidden.dtype:
                x = relu_(torch.addmm(bias, x, weight, out=hidden))
            else:
                x = hidden.copy_(torch.addmm(bias, x, weight, out=self.buffers.exact[depth][:rows]).relu_())
        self.last = self._exact(len(self.hidden) - 1, x)
        weight, bias = self.weights.used[-1]
        if len(bias) == 1:
            return torch.mv(self.last, weight[:, 0]).add_(bias)[:, None]
        return torch.addmm(bias, self.last, weight)

    def backward(self, slope: Tensor, add: bool) -> None:
        """Write the gradients of all parameters, from that of the outputs (R, out), or `add` to what is there."""
        below = self.last
        for depth in reversed(range(len(self.weights.used))):
            if depth == 0:
                slope, below = self._exact(0, slope) if self.hidden else slope, self.inputs
            elif depth < len(self.hidden):
                below = self.hidden[depth - 1]
            self._own(depth, below, slope, add)
            if depth:
                slope = self._behind(depth, slope)

    def finish(self) -> None:
        """Nothing: gradients are where they belong."""

    def input_slope(self, rows: Tensor, begin: int) -> Tensor:
        """Gradient of the only output by the inputs from number `begin` on, in the rows whose indices are given."""
        slope = torch.ones(len(rows), 1, dtype=self.weights.dtype if self.hidden else torch.float32)
        for depth in reversed(range(1, len(self.weights.used))):
            slope = self._behind(depth, slope, rows)
        slope = self._exact(0, slope) if self.hidden else slope
        return slope @ self.weights.used[0][0][begin:].t()

    def _exact(self, depth: int, x: Tensor) -> Tensor:
        return x if x.dtype is torch.float32 else self.buffers.exact[depth][: len(x)].copy_(x)

    def _own(self, depth: int, below: Tensor, slope: Tensor, add: bool) -> None:
        weight, bias = self.gradients[depth]
        beta = int(add)
        if slope.dtype is not torch.float32:
            product = torch.mm(below.t(), slope, out=self.buffers.products[depth])
            weight.add_(product) if add else weight.copy_(product)
        elif slope.shape[1] == 1:
            torch.addmv(weight[:, 0], below.t(), slope[:, 0], beta=beta, out=weight[:, 0])
        else:
            torch.addmm(weight, below.t(), slope, beta=beta, out=weight)
        total = torch.sum(slope, 0)
        bias.add_(total) if add else bias.copy_(total)

    def _behind(self, depth: int, slope: Tensor, rows: Tensor | None = None) -> Tensor:
        """The gradient before the ReLU under layer `depth`, from that by the layer's results."""
        weight = self.weights.used[depth][0]
        out = self.buffers.slopes[depth - 1][: len(slope)]
        active = self.hidden[depth - 1] if rows is None else self.hidden[depth - 1][rows]
        if self.weights.column is not None and depth == len(self.weights.used) - 1:
            torch.mul(slope.to(out.dtype), self.weights.column, out=out)
        elif slope.dtype is weight.dtype is out.dtype:
            torch.mm(slope, weight.t(), out=out)
        else:
            out.copy_(slope.to(weight.dtype) @ weight.t())
        return torch.ops.aten.threshold_backward.grad_input(out, active, 0, grad_input=out)  # type: ignore[no-any-return]


def by_member(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> list[Layers]:
    """The layers of each of M networks, given as weights (M, in, out) and biases (M, 1, out) by layer."""
    pairs = [(weight.detach(), bias.detach()) for weight, bias in zip(weights, biases, strict=True)]
    return [[(weight[m], bias[m, 0]) for weight, bias in pairs] for m in range(len(weights[0]))]


def critic_layers(critic: TwinCritic) -> list[Layers]:
    """The layers of each critic, as views."""
    return by_member(list(critic.weights), list(critic.biases))


def linear_layers(net: nn.Module) -> Layers:
    """The linear layers of a sequential network, as views."""
    return [(m.weight.detach().t(), m.bias.detach()) for m in net.modules() if isinstance(m, nn.Linear)]
