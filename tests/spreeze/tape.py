"""What a CUDA graph does, on a CPU: operations are recorded once and repeated on the same memory, without any code.

Unlike a capture, the recording computes; so the first replay after it does nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Result = TypeVar("Result")


class _Recording(TorchDispatchMode):
    """Notes every operation with its arguments and results; refuses what a CUDA stream that is captured refuses."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: list[tuple[Any, Any, Any, Any]] = []
        self._generators = generators

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing: a tensor is read")
        if torch.Tag.nondeterministic_seeded in func.tags and not self._registered(named.get("generator")):
            raise RuntimeError(f"{func} draws from a generator that is not registered with the graph")
        result = func(*args, **named)
        self.entries.append((func, args, named, result))
        return result

    def _registered(self, generator: torch.Generator | None) -> bool:
        """By state: what comes here is another Python object."""
        own = [known.get_state() for known in self._generators]
        return generator is not None and any(torch.equal(generator.get_state(), state) for state in own)


class Tape:
    """A recorder that works on a CPU; counts what it is asked for."""

    def __init__(self) -> None:
        self.warmed = self.recorded = self.replayed = 0

    def warm(self, compute: Callable[[], Result]) -> Result:
        self.warmed += 1
        return compute()

    def record(self, compute: Callable[[], Result], generators: Sequence[torch.Generator]) -> Callable[[], Result]:
        self.recorded += 1
        with _Recording(generators) as recording:
            result = compute()
        fresh = [True]

        def replay() -> Result:
            self.replayed += 1
            if not fresh:
                repeat(recording.entries)
            fresh.clear()
            return result

        return replay


@torch.no_grad()
def repeat(entries: Sequence[tuple[Any, Any, Any, Any]]) -> None:
    """Do everything again, with each result where it was."""
    for func, args, named, result in entries:
        again = func(*args, **named)
        for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
            if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                old.copy_(new)
