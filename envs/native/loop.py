"""Simulations stepped one by one through MuJoCo's bindings, with the contact forces that mjbatch does not compute."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import mujoco
import numpy as np

from spreeze.envs._warnings import keep_no_log
from spreeze.envs.native.simulations import INTEGRATION_STATE, PhysicsError, initial_state, of_model


class _Row(NamedTuple):
    """What is kept of one simulation: views of the arrays that hold all."""

    state: np.ndarray
    fields: Sequence[np.ndarray]
    warnings: np.ndarray


class _Worker:
    """One `MjData`, in which simulations are computed by turns."""

    def __init__(self, model: Any, fields: Iterable[str]) -> None:
        self.data = mujoco.MjData(model)
        self.fields = {name: getattr(self.data, name) for name in fields}
        self._sources, self._warnings = list(self.fields.values()), self.data.warning.number
        self._no_warnings = self._warnings.tobytes()

    def forward(self, model: Any, row: _Row) -> None:
        """Evaluate the dynamics; contact forces are 0, as after a reset in Gymnasium."""
        mujoco.mj_resetData(model, self.data)
        mujoco.mj_setState(model, self.data, row.state, INTEGRATION_STATE)
        mujoco.mj_forward(model, self.data)
        self._keep(model, row)

    def step(self, model: Any, row: _Row, substeps: int) -> None:
        """Take `substeps` steps, then compute contact forces."""
        mujoco.mj_setState(model, self.data, row.state, INTEGRATION_STATE)
        mujoco.mj_step(model, self.data, substeps)
        mujoco.mj_rnePostConstraint(model, self.data)
        self._keep(model, row)

    def _keep(self, model: Any, row: _Row) -> None:
        mujoco.mj_getState(model, self.data, row.state, INTEGRATION_STATE)
        for kept, source in zip(row.fields, self._sources, strict=True):
            kept[...] = source
        if self._warnings.tobytes() != self._no_warnings:  # Several times faster than any().
            row.warnings[:] += self._warnings
            self._warnings[:] = 0


class LoopSimulations:
    """`Simulations` that share one `MjData` for each thread; `cfrc_ext` is computed after every step."""

    def __init__(self, model: Any, count: int, fields: Iterable[str], threads: int) -> None:
        keep_no_log()
        self.model, self.count = model, count
        self._models, self._own = [model] * count, dict[str, np.ndarray]()
        self._workers = [_Worker(model, fields) for _ in range(max(1, min(threads, count)))]
        self._pool = ThreadPoolExecutor(len(self._workers)) if len(self._workers) > 1 else None
        self.state = np.tile(initial_state(model), (count, 1))
        parts = (mujoco.mjtState.mjSTATE_QPOS, mujoco.mjtState.mjSTATE_QVEL, mujoco.mjtState.mjSTATE_CTRL)
        self.qpos, self.qvel, self.ctrl = (self.state[:, _columns(model, int(part))] for part in parts)
        self.fields: Mapping[str, np.ndarray] = {
            name: np.zeros((count, *view.shape)) for name, view in self._workers[0].fields.items()
        }
        self._warnings = np.zeros((count, int(mujoco.mjtWarning.mjNWARNING)), np.int32)
        kept = [[field[index] for field in self.fields.values()] for index in range(count)]
        self._rows = [_Row(*row) for row in zip(self.state, kept, self._warnings, strict=True)]

    def forward(self, indices: np.ndarray) -> None:
        """As `Simulations` says."""
        self._run(_Worker.forward, indices.tolist())

    def step(self, substeps: int, indices: np.ndarray | None = None) -> None:
        """As `Simulations` says."""
        chosen = range(self.count) if indices is None else indices.tolist()
        self._run(partial(_Worker.step, substeps=substeps), chosen)

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
            self._own.setdefault(name, self.parameter(name).copy())[indices] = value
        scratch = mujoco.MjData(self.model)
        for index in indices.tolist():
            if self._models[index] is self.model:
                self._models[index] = copy.copy(self.model)
            for name in values:
                _assign(self._models[index], name, self._own[name][index])
            mujoco.mj_setConst(self._models[index], scratch)

    def close(self) -> None:
        """As `Simulations` says."""
        if self._pool is not None:
            self._pool.shutdown()

    def _run(self, work: Callable[[_Worker, Any, _Row], None], chosen: Sequence[int]) -> None:
        if self._pool is None:
            self._compute(work, self._workers[0], chosen)
            return
        shares = [chosen[first :: len(self._workers)] for first in range(len(self._workers))]
        list(self._pool.map(partial(self._compute, work), self._workers, shares))

    def _compute(self, work: Callable[[_Worker, Any, _Row], None], worker: _Worker, chosen: Sequence[int]) -> None:
        for index in chosen:
            try:
                work(worker, self._models[index], self._rows[index])
            except mujoco.FatalError as error:
                raise PhysicsError(index, str(error)) from error


def _columns(model: Any, part: int) -> slice:
    """Where `part`, one bit of `mjtState`, stands in an integration state: parts are in the order of their bits."""
    start = mujoco.mj_stateSize(model, INTEGRATION_STATE & (part - 1))
    return slice(start, start + mujoco.mj_stateSize(model, part))


def _assign(model: Any, name: str, value: np.ndarray) -> None:
    owner = model if hasattr(model, name) else model.opt
    if isinstance(getattr(owner, name), np.ndarray):
        getattr(owner, name)[...] = value
    else:
        setattr(owner, name, value.item())
