"""One worker's share of soft actor-critic's update in one call of C, in which the interpreter lock is free: `sac.c`."""

import ctypes
from collections.abc import Sequence

from torch import Tensor

from spreeze.algorithms._native.passes import NativePass, pointer


class _Member(ctypes.Structure):
    _fields_ = (("net", ctypes.c_void_p), ("space", ctypes.c_void_p), ("sums", ctypes.c_void_p))


class NativeShare:
    """The work with `passes`, `block` rows at a time."""

    def __init__(self, passes: Sequence[NativePass], block: int) -> None:
        self.passes, self.block, self.library = passes, ctypes.c_int64(block), passes[0].weights.library
        self.members = (_Member * len(passes))(*(_Member(*one.addresses()) for one in passes))
        self.others = ctypes.byref(self.members, ctypes.sizeof(_Member))

    def critic(
        self, observation: Tensor, action: Tensor, target: Tensor, scale: float, rows: slice, values: Tensor
    ) -> None:
        """Values (E, B), and the gradient of scale / 2 times the sum of (Q_k - y)^2; all passes are critics."""
        given = [tensor.contiguous() for tensor in (observation, action, target)]
        seen, acted, aim = map(pointer, given)
        columns, count, total = map(ctypes.c_int64, (observation.shape[1], len(self.passes), len(target)))
        edges = ctypes.c_int64(rows.start), ctypes.c_int64(rows.stop)
        places = (aim, ctypes.c_float(scale), *edges, total, self.block, pointer(values))
        _check(self.library.critic_gradients(self.members, count, seen, acted, columns, *places))
        for one in self.passes:
            one.finish()

    def actor(
        self,
        observation: Tensor,
        noise: Tensor,
        by_value: float,
        by_density: float,
        rows: slice,
        values: Tensor,
        densities: Tensor,
    ) -> None:
        """min_k Q_k and log pi (B,), and the gradient of the sum of by_value min_k Q_k + by_density log pi."""
        given = [tensor.contiguous() for tensor in (observation, noise)]
        slopes = ctypes.c_float(by_value), ctypes.c_float(by_density)
        places = (*slopes, *self._where(rows), pointer(values), pointer(densities))
        _check(self.library.actor_gradients(*self._networks(), *map(pointer, given), *places))
        self.passes[0].finish()

    def values(self, states: Tensor, noise: Tensor, rows: slice, values: Tensor, densities: Tensor | None) -> None:
        """min_k Q_k (B,) of sampled actions and, if asked for, log pi (B,) at them."""
        given = [tensor.contiguous() for tensor in (states, noise)]
        places = (*self._where(rows), pointer(values), None if densities is None else pointer(densities))
        _check(self.library.sampled_values(*self._networks(), *map(pointer, given), *places))

    def _networks(self) -> tuple[object, ...]:
        """The actor, the critics, and how many these are."""
        return self.members, self.others, ctypes.c_int64(len(self.passes) - 1)

    def _where(self, rows: slice) -> tuple[ctypes.c_int64, ...]:
        return ctypes.c_int64(rows.start), ctypes.c_int64(rows.stop), self.block


def _check(done: int) -> None:
    if not done:
        raise MemoryError("no memory for a block of rows")
