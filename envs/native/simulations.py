"""Many simulations of one MuJoCo model, whoever steps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import mujoco
import numpy as np

INTEGRATION_STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
"""All that a step depends on, the warm start of the solver included; a number, which is faster to pass on."""

WARNINGS: dict[int, str] = {
    int(mujoco.mjtWarning.mjWARN_INERTIA): "an inertia matrix that cannot be inverted",
    int(mujoco.mjtWarning.mjWARN_CONTACTFULL): "more contacts than its memory holds, and left some out",
    int(mujoco.mjtWarning.mjWARN_CNSTRFULL): "more constraints than its memory holds, and left some out",
    int(mujoco.mjtWarning.mjWARN_BADQPOS): "a position that is NaN, infinite or huge, and reset the simulation",
    int(mujoco.mjtWarning.mjWARN_BADQVEL): "a velocity that is NaN, infinite or huge, and reset the simulation",
    int(mujoco.mjtWarning.mjWARN_BADQACC): "an acceleration that is NaN, infinite or huge, and reset the simulation",
    int(mujoco.mjtWarning.mjWARN_BADCTRL): "a control that is NaN, infinite or huge, and took all controls for 0",
}
"""What MuJoCo met, by the kind of its warning."""


class PhysicsError(Exception):
    """MuJoCo could not compute simulation `index`, for `reason`."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"simulation {index}: {reason}")
        self.index, self.reason = index, reason


class Simulations(Protocol):
    """N simulations of one model. Arrays are float64 and live: calls change them in place.

    Derived fields are those of the last evaluation of the dynamics, as in `MjData` after `mj_step`: one substep, or
    one stage of a Runge-Kutta step, behind positions and velocities. `forward` and `step` raise `PhysicsError`.
    """

    model: Any
    """The `MjModel` that all simulations began with."""
    count: int
    """N."""
    state: np.ndarray
    """(N, S): rows of `mjSTATE_INTEGRATION`. What is written is the simulation's state at its next call."""
    qpos: np.ndarray
    """(N, nq), a view of `state`."""
    qvel: np.ndarray
    """(N, nv), a view of `state`."""
    ctrl: np.ndarray
    """(N, nu), a view of `state`."""
    fields: Mapping[str, np.ndarray]
    """(N, ...) of each field of `MjData` that was asked for, filled for a simulation by every call that concerns it."""

    def forward(self, indices: np.ndarray) -> None:
        """Evaluate the dynamics of `indices` (K,) at the states they have, which begin an episode."""

    def step(self, substeps: int, indices: np.ndarray | None = None) -> None:
        """Take `substeps` steps of the model's time step, in all simulations or `indices` (K,), sorted."""

    def warnings(self) -> np.ndarray:
        """(N, W) int32: how often MuJoCo has warned of each kind, not 0 somewhere if it has."""

    def parameter(self, name: str) -> np.ndarray:
        """(N, ...): a field of `MjModel` or its `opt` in every simulation, not to be written to."""

    def set_parameters(self, values: Mapping[str, np.ndarray], indices: np.ndarray) -> None:
        """Give the simulations `indices` (K,) values (K, ...) of their own; what the model derives of them follows."""

    def close(self) -> None:
        """End threads and release memory."""


def of_model(model: Any, name: str) -> np.ndarray:
    """The field `name` of a model or of its options: a view, of shape () for a number of the options."""
    owner = model if hasattr(model, name) else model.opt
    return np.asarray(getattr(owner, name))


def initial_state(model: Any) -> np.ndarray:
    """(S,): the integration state after `mj_resetData`."""
    state = np.zeros(mujoco.mj_stateSize(model, INTEGRATION_STATE))
    mujoco.mj_getState(model, mujoco.MjData(model), state, INTEGRATION_STATE)
    return state
