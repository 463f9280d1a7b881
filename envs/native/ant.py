"""Ant: four legs, which walk along the first axis.

Version 5 observes contact forces and pays for them. Velocity is that of the torso's position as the last evaluation of
the dynamics had it, a stage of the integrator behind the observation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import control_cost, uniform_and_normal

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_TORSO = 1
"""Number of the body, after the world."""
_LOWEST, _HIGHEST = 0.2, 1.0
"""Healthy is a torso between these heights, or at them [m]."""
_FORCE_LIMIT = 1.0
"""Contact forces are observed, and paid for, up to here."""
_CONTACT_WEIGHT = 5e-4
_CONTROL_WEIGHT = 0.5


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    forces = _contact_forces(simulations)[:, 1:]
    return simulations.qpos[:, 2:], simulations.qvel, forces.reshape(simulations.count, -1)


def _observe_v4(simulations: Simulations) -> Sequence[np.ndarray]:
    return simulations.qpos[:, 2:], simulations.qvel


def _contact_forces(simulations: Simulations) -> np.ndarray:
    """(N, B, 6): of every body, the world first."""
    forces: np.ndarray = np.clip(simulations.fields["cfrc_ext"], -_FORCE_LIMIT, _FORCE_LIMIT)
    return forces


def _healthy(simulations: Simulations) -> np.ndarray:
    height = simulations.qpos[:, 2]
    finite = np.isfinite(simulations.qpos).all(axis=1) & np.isfinite(simulations.qvel).all(axis=1)
    healthy: np.ndarray = finite & (height >= _LOWEST) & (height <= _HIGHEST)
    return healthy


def _torso_x(simulations: Simulations) -> np.ndarray:
    return simulations.fields["xpos"][:, _TORSO, 0]


def _forward_velocity(outcome: Outcome) -> np.ndarray:
    velocity: np.ndarray = (_torso_x(outcome.simulations) - outcome.before) / outcome.seconds
    return velocity


def _reward(outcome: Outcome) -> np.ndarray:
    forces = _contact_forces(outcome.simulations).reshape(len(outcome.action), -1)
    contact_cost = _CONTACT_WEIGHT * np.square(forces).sum(axis=1)
    costs = control_cost(_CONTROL_WEIGHT, outcome.action) + contact_cost
    reward: np.ndarray = _forward_velocity(outcome) + outcome.healthy - costs
    return reward


def _reward_v4(outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = _forward_velocity(outcome) + 1.0 - control_cost(_CONTROL_WEIGHT, outcome.action)
    return reward


V5 = Task(
    model="ant.xml",
    frame_skip=5,
    begin=uniform_and_normal(0.1),
    observe=_observe,
    reward=_reward,
    healthy=_healthy,
    before=_torso_x,
    fields=("xpos", "cfrc_ext"),
    contact_forces=True,
)
V4 = replace(V5, observe=_observe_v4, reward=_reward_v4, fields=("xpos",), contact_forces=False)
