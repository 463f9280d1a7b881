"""How an environment is described: which model, what is observed, rewarded, and when an episode ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations


class Outcome(NamedTuple):
    """One step of N simulations, as a reward sees it."""

    simulations: Simulations
    """After the step."""
    action: np.ndarray
    """(N, A) float32, as it was given, not yet clipped to the range of the actuators."""
    before: np.ndarray
    """What `Task.before` gave before the step."""
    healthy: np.ndarray
    """(N,) bool, after the step; all True for a task without `healthy`."""
    seconds: float
    """Simulated time of the step."""


@dataclass(frozen=True)
class Task:
    """One environment. Functions return new float64 arrays or views and change nothing."""

    model: str
    """File among the assets of Gymnasium's MuJoCo environments."""
    frame_skip: int
    """Steps of the physics in one step of the environment."""
    begin: Callable[[np.random.Generator, Any], tuple[np.ndarray, np.ndarray]]
    """(generator, model) -> positions (nq,) and velocities (nv,) of a new episode, drawn in Gymnasium's order."""
    observe: Callable[[Simulations], Sequence[np.ndarray]]
    """Parts (N, ...) of the observation, in order."""
    reward: Callable[[Outcome], np.ndarray]
    """(N,)."""
    healthy: Callable[[Simulations], np.ndarray] | None = None
    """(N,) bool: whether an episode may go on; None: always."""
    before: Callable[[Simulations], np.ndarray] | None = None
    """(N, ...): what the reward needs to know of the moment before the step."""
    fields: tuple[str, ...] = ()
    """Fields of `MjData`, beside `qpos`, `qvel` and `ctrl`, that the functions read."""
    contact_forces: bool = False
    """Whether `cfrc_ext`, which MuJoCo computes on demand only, is among them."""
