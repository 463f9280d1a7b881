"""What `_passes` does, in C: `NativeWeights` and `NativePass` have the methods of `Weights` and `Pass`."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from spreeze.algorithms._native import library

Layers = Sequence[tuple[Tensor, Tensor]]
DEEPEST = 8
STRIP = 64
"""Widths of hidden layers are multiples of it."""
_Pointers = ctypes.c_void_p * DEEPEST


class _Net(ctypes.Structure):
    _fields_ = (
        ("layers", ctypes.c_int64),
        ("width", ctypes.c_int64 * (DEEPEST + 1)),
        ("first", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("bias", _Pointers),
        ("ahead", _Pointers),
        ("back", _Pointers),
    )


class _Space(ctypes.Structure):
    _fields_ = (("rows", _Pointers), ("pairs", _Pointers), ("slope_rows", _Pointers), ("slope_pairs", _Pointers))


class _Gradients(ctypes.Structure):
    _fields_ = (("weight", _Pointers), ("bias", _Pointers))


def fits(layers: Layers, dtype: torch.dtype) -> bool:
    """Whether these layers can be computed here."""
    widths = [weight.shape[1] for weight, _ in layers[:-1]]
    shaped = 3 <= len(layers) <= DEEPEST and all(width % STRIP == 0 for width in widths)
    alike = any(all(view(weight).is_contiguous() for weight, _ in layers) for view in (Tensor.detach, Tensor.t))
    return shaped and alike and dtype is torch.bfloat16 and library() is not None


class NativeWeights:
    """The layers of one MLP, packed for products; copied anew by `refresh`. Without `back`, for forward passes only.

    Weights (in, out) are all contiguous, or all transposed, as those of `torch.nn.Linear`; they stay where they are.
    """

    def __init__(self, layers: Layers, back: bool = True) -> None:
        found = library()
        assert found is not None, "`fits` was asked"
        self.library, self.exact = found, layers
        self.first = torch.empty(layers[0][0].shape)
        self.last = torch.empty(layers[-1][0].t().shape)
        self.biases = [torch.empty(bias.shape) for _, bias in layers]
        halves = [weight.numel() // 2 for weight, _ in layers[1:-1]]
        self.packed = [[torch.empty(half, dtype=torch.int32) for half in halves] for _ in range(1 + back)]
        widths = [layers[0][0].shape[0], *(weight.shape[1] for weight, _ in layers)]
        self.net = _Net(
            len(layers),
            (ctypes.c_int64 * (DEEPEST + 1))(*widths),
            self.first.data_ptr(),
            self.last.data_ptr(),
            _pointers(self.biases),
            *(_pointers(packed, begin=1) for packed in self.packed),
        )
        self.transposed = ctypes.c_int64(not layers[1][0].is_contiguous())
        self.sources = _pointers([w for w, _ in layers]), _pointers([b for _, b in layers])
        self.refresh()

    def refresh(self) -> None:
        """Follow the float32 weights, after an optimiser or `load_state_dict` changed them."""
        self.library.refresh(ctypes.byref(self.net), *self.sources, self.transposed)

    def buffers(self, rows: int) -> "NativeBuffers":
        """Room for the hidden layers, for so many rows."""
        return NativeBuffers(self, rows)

    def new_pass(self, buffers: "NativeBuffers", gradients: Layers = ()) -> "NativePass":
        """A pass through these layers; `gradients` is where to put those."""
        return NativePass(self, buffers, gradients)


class NativeBuffers:
    """Room for the hidden layers of one MLP for so many rows, and for the gradients by them."""

    def __init__(self, weights: NativeWeights, rows: int) -> None:
        even = rows + rows % 2
        widths = [weight.shape[1] for weight, _ in weights.exact[:-1]]
        self.tensors = [[torch.empty(even * width, dtype=torch.bfloat16) for width in widths] for _ in _Space._fields_]
        self.space = _Space(*map(_pointers, self.tensors))


class NativePass:
    """Forward and backward pass of one MLP with ReLU between layers."""

    def __init__(self, weights: NativeWeights, buffers: NativeBuffers, gradients: Layers) -> None:
        self.weights, self.buffers, self.gradients = weights, buffers, gradients
        last = len(weights.exact) - 1
        wanted = [(w.t() if i == last else w, b) for i, (w, b) in enumerate(gradients)]
        self.sums = [(w if w.is_contiguous() else torch.empty(w.shape), b) for w, b in wanted]
        self.targets = [(w, own) for (w, _), (own, _) in zip(wanted, self.sums, strict=True) if w is not own]
        self.filled = _Gradients(_pointers([w for w, _ in self.sums]), _pointers([b for _, b in self.sums]))
        self.ones = torch.ones(0)
        self._net, self._space = ctypes.byref(weights.net), ctypes.byref(buffers.space)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (R, out) for inputs (R, in); keeps what `backward` needs."""
        self.inputs = inputs.contiguous()
        outputs = torch.empty(len(inputs), self.weights.last.shape[0])
        rows = ctypes.c_int64(len(inputs))
        self.weights.library.forward(self._net, pointer(self.inputs), rows, pointer(outputs), self._space)
        return outputs

    def backward(self, slope: Tensor, add: bool) -> None:
        """Write the gradients of all parameters, from that of the outputs (R, out), or `add` to what is there."""
        own, rows, more = slope.contiguous(), ctypes.c_int64(len(slope)), ctypes.c_int64(int(add))
        places = (pointer(self.inputs), pointer(own), rows, self._space, ctypes.byref(self.filled), more)
        self.weights.library.backward(self._net, *places)

    def addresses(self) -> tuple[int, int, int]:
        """Of the structures `net`, `space` and `gradients`."""
        return ctypes.addressof(self.weights.net), ctypes.addressof(self.buffers.space), ctypes.addressof(self.filled)

    def finish(self) -> None:
        """Bring gradients that were summed in another order of memory to where they belong."""
        for target, own in self.targets:
            target.copy_(own)

    def input_slope(self, rows: Tensor, begin: int) -> Tensor:
        """Gradient of the only output by the inputs from number `begin` on, in the rows whose indices are given."""
        if len(self.ones) < len(rows):
            self.ones = torch.ones(len(rows))
        slope = torch.empty(len(rows), self.weights.first.shape[0] - begin)
        numbers = ctypes.c_int64(len(rows)), ctypes.c_int64(begin)
        places = (pointer(slope), pointer(self.ones), self._space)
        self.weights.library.input_slope(self._net, pointer(rows), *numbers, *places)
        return slope


def pointer(tensor: Tensor) -> ctypes.c_void_p:
    """Where the numbers of `tensor` are."""
    return ctypes.c_void_p(tensor.data_ptr())


def _pointers(tensors: Sequence[Tensor], begin: int = 0) -> ctypes.Array[ctypes.c_void_p]:
    return _Pointers(*[None] * begin, *(tensor.data_ptr() for tensor in tensors))
