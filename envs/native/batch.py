"""Simulations stepped by mjbatch, in C++ and without Python's lock. Nothing else imports mjbatch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from mjbatch import Batch

from spreeze.envs._warnings import keep_no_log
from spreeze.envs.native.simulations import PhysicsError, of_model


class BatchSimulations:
    """`Simulations` that share the working memory of few threads: only states and bound fields are kept of each."""

    def __init__(self, model: Any, count: int, fields: Iterable[str], threads: int) -> None:
        keep_no_log()
        self.model, self.count = model, count
        self._batch = Batch(model, count, threads)
        self.state, self.qpos, self.qvel, self.ctrl = map(self._batch.bind, ("state", "qpos", "qvel", "ctrl"))
        self.fields: Mapping[str, np.ndarray] = {name: self._batch.bind(name) for name in fields}
        self._warnings = self._batch.bind("warning")[..., 1]
        self._own: dict[str, np.ndarray] = {}

    def forward(self, indices: np.ndarray) -> None:
        """As `Simulations` says."""
        with _naming_the_simulation():
            self._batch.forward(indices)

    def step(self, substeps: int, indices: np.ndarray | None = None) -> None:
        """As `Simulations` says."""
        with _naming_the_simulation():
            self._batch.step(indices, substeps)

    def warnings(self) -> np.ndarray:
        """As `Simulations` says."""
        return self._warnings

    def parameter(self, name: str) -> np.ndarray:
        """As `Simulations` says."""
        if name not in self._own:
            value = of_model(self.model, name)
            return np.broadcast_to(value, (self.count, *value.shape))
        return self._own[name]

    def set_parameters(self, values: Mapping[str, np.ndarray], indices: np.ndarray) -> None:
        """As `Simulations` says."""
        for name, value in values.items():
            self._own.setdefault(name, self._batch.expand(name))[indices] = value
        self._batch.set_const(indices)

    def live_parameter(self, name: str) -> np.ndarray:
        """(N, ...): a field of `MjModel` in every simulation, to be written to; what is derived of it stays."""
        return self._own.setdefault(name, self._batch.expand(name))

    def close(self) -> None:
        """As `Simulations` says."""
        del self._batch


@contextmanager
def _naming_the_simulation() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        named = re.match(r"sim (\d+): (.*)", str(error), re.DOTALL)
        if named is None:
            raise
        raise PhysicsError(int(named[1]), named[2]) from error
