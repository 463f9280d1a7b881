"""An MLP with ReLU between its layers that autograd takes for one function, whose passes are written out.

For losses that are too many-sided to be written out as well, on the CPU: the small part of the graph stays autograd's.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spreeze.algorithms._gradients import own_gradients
from spreeze.algorithms._passes import AnyPass, block_rows, weights_of


class WrittenOut:
    """Linear layers with ReLU between them, without a gradient by the inputs; `dtype` is that of hidden layers.

    A backward pass overwrites the gradients of the layers' parameters. These stay where they are in memory.
    """

    def __init__(self, linears: Sequence[nn.Linear], dtype: torch.dtype = torch.float32) -> None:
        self.weights = weights_of([(one.weight.detach().t(), one.bias.detach()) for one in linears], dtype)
        self.anchor = torch.zeros((), requires_grad=True)
        _, gradients = own_gradients(nn.ModuleList(linears), 0)
        self.gradients = [(w.t(), b) for w, b in zip(gradients[::2], gradients[1::2], strict=True)]
        self._make_room(block_rows())

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs (..., out) for inputs (..., in); a gradient is that of the last call."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        self.weights.refresh()
        if torch.is_grad_enabled():
            if len(rows) > self.room:
                self._make_room(len(rows))
            outputs: Tensor = _Passes.apply(rows, self.anchor, self.passes)  # type: ignore[no-untyped-call]
        else:
            outputs = torch.cat([self.passes.forward(block) for block in rows.split(block_rows())])
        return outputs.view(*inputs.shape[:-1], outputs.shape[-1])

    def _make_room(self, rows: int) -> None:
        self.room, self.passes = rows, self.weights.new_pass(self.weights.buffers(rows), self.gradients)


class _Passes(torch.autograd.Function):
    """`anchor` has a gradient, so that autograd asks for one of the outputs."""

    @staticmethod
    def forward(context: Any, rows: Tensor, anchor: Tensor, passes: AnyPass) -> Tensor:
        context.passes = passes
        return passes.forward(rows)

    @staticmethod
    def backward(context: Any, slope: Tensor) -> tuple[None, None, None]:
        context.passes.backward(slope, add=False)
        context.passes.finish()
        return None, None, None
