"""What bipeds compute at every tick in C: one library, compiled on first use.

`digit.c` has Digit's rigid-body terms and limits, through MuJoCo's own functions, `planar.c` the linearisation of
planar robots, `gait.c` the clock of all. Without a C compiler, `digit_dynamics.py`, `linearisation.py` and `gait.py` do
the same in NumPy, more slowly.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from spreeze.compiling import DISABLE, compiled, compiler
from spreeze.envs.bipeds.digit_dynamics import Dynamics

SOURCES = [Path(__file__).with_name(name) for name in ("digit.c", "gait.c", "planar.c")]


class NativeDynamics(Dynamics):
    """`Dynamics` whose numbers come from the library."""

    def __init__(self, library: ctypes.CDLL, model: Any, count: int) -> None:
        super().__init__(model, count)
        self._library = library
        # The bindings keep the C structures at these addresses as long as the objects live.
        self._structures = ctypes.c_void_p(model._address), ctypes.c_void_p(self._data._address)

    def evaluate(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        """As `Dynamics` says."""
        arrays = np.ascontiguousarray(positions), np.ascontiguousarray(velocities), self.sites, self.terms
        self._library.digit_terms(*self._structures, ctypes.c_int64(len(self.terms)), *map(pointer, arrays))

    def pose(
        self, stance: np.ndarray, wanted: np.ndarray, toes: np.ndarray, scale: np.ndarray, cone: np.ndarray
    ) -> None:
        """As `Dynamics` says."""
        arrays = self.terms, np.ascontiguousarray(stance, np.int64), wanted, toes, scale, cone, self.problems
        assert all(array.flags.c_contiguous for array in arrays)
        self._library.digit_problems(ctypes.c_int64(len(self.terms)), *map(pointer, arrays))

    def settle(self, upper: np.ndarray, lower: np.ndarray, active: np.ndarray, torques: np.ndarray) -> np.ndarray:
        """As `Dynamics` says, also where constraints are active, beginning with those of before."""
        settled = np.empty(len(active), bool)
        arrays = self.problems, upper, lower, active, torques, settled
        assert all(array.flags.c_contiguous for array in arrays)
        self._library.digit_settle(ctypes.c_int64(len(active)), *map(pointer, arrays))
        return settled


def dynamics(model: Any, count: int) -> Dynamics:
    """Return the dynamics of `count` robots, from the library where there is one."""
    found = library()
    return Dynamics(model, count) if found is None else NativeDynamics(found, model, count)


@cache
def library() -> ctypes.CDLL | None:
    """The compiled library; None where it cannot be made."""
    if os.environ.get(DISABLE) or compiler() is None:
        return None
    folder = Path(mujoco.__file__).parent
    flags = ["-O3", "-lm", f"-I{folder / 'include'}", *map(str, sorted(folder.glob("libmujoco*.so*")))]
    with suppress(OSError, subprocess.SubprocessError):
        return ctypes.CDLL(str(compiled(SOURCES, flags, mujoco.__version__)))
    return None


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Where an array begins, for a call of the library."""
    return ctypes.c_void_p(array.ctypes.data)


def structure(values: Mapping[str, int | float | np.ndarray]) -> np.ndarray:
    """A C structure of numbers and of addresses of arrays, which must stay where they are."""
    kinds = [(name, float if isinstance(value, float) else np.int64) for name, value in values.items()]
    numbers = [value.ctypes.data if isinstance(value, np.ndarray) else value for value in values.values()]
    return np.array(tuple(numbers), np.dtype(kinds))
