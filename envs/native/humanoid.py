"""Humanoid: two legs and two arms, which walk along the first axis.

Both versions observe contact forces. Version 4 observes the entries of the world and of the joints that nothing drives
too, and does not pay for contacts. Velocity is that of the mass centre as the last evaluation of the dynamics had it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.native.terms import control_cost, uniform

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

_LOWEST, _HIGHEST = 1.0, 2.0
"""Healthy is a torso between these heights [m]."""
_HEALTHY_REWARD = 5.0
_FORWARD_WEIGHT = 1.25
_CONTROL_WEIGHT = 0.1
_CONTACT_WEIGHT = 5e-7
_DEAREST_CONTACT = 10.0
"""Contacts cost no more."""
_ROOT_DOFS = 6
"""Degrees of freedom of the torso, which no actuator drives."""


def _observe(simulations: Simulations) -> Sequence[np.ndarray]:
    bodies = [simulations.fields[name][:, 1:] for name in ("cinert", "cvel")]
    forces = simulations.fields["cfrc_ext"][:, 1:]
    parts = (*bodies, simulations.fields["qfrc_actuator"][:, _ROOT_DOFS:], forces)
    return simulations.qpos[:, 2:], simulations.qvel, *(part.reshape(simulations.count, -1) for part in parts)


def _observe_v4(simulations: Simulations) -> Sequence[np.ndarray]:
    parts = [simulations.fields[name] for name in ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")]
    return simulations.qpos[:, 2:], simulations.qvel, *(part.reshape(simulations.count, -1) for part in parts)


def _healthy(simulations: Simulations) -> np.ndarray:
    height = simulations.qpos[:, 2]
    healthy: np.ndarray = (height > _LOWEST) & (height < _HIGHEST)
    return healthy


def _mass_centre_x(simulations: Simulations) -> np.ndarray:
    """(N,): mean of the bodies' first coordinates, weighted by their masses [m]."""
    mass = simulations.parameter("body_mass")
    centre: np.ndarray = (simulations.fields["xipos"][:, :, 0] * mass).sum(axis=1) / mass.sum(axis=1)
    return centre


def _walking_reward(outcome: Outcome) -> np.ndarray:
    velocity: np.ndarray = (_mass_centre_x(outcome.simulations) - outcome.before) / outcome.seconds
    return _FORWARD_WEIGHT * velocity


def _control_cost(outcome: Outcome) -> np.ndarray:
    return control_cost(_CONTROL_WEIGHT, outcome.simulations.ctrl)


def _reward(outcome: Outcome) -> np.ndarray:
    forces = outcome.simulations.fields["cfrc_ext"].reshape(len(outcome.action), -1)
    contact_cost = np.minimum(_CONTACT_WEIGHT * np.square(forces).sum(axis=1), _DEAREST_CONTACT)
    gains = _walking_reward(outcome) + _HEALTHY_REWARD * outcome.healthy
    reward: np.ndarray = gains - (_control_cost(outcome) + contact_cost)
    return reward


def _reward_v4(outcome: Outcome) -> np.ndarray:
    reward: np.ndarray = _walking_reward(outcome) + _HEALTHY_REWARD - _control_cost(outcome)
    return reward


V5 = Task(
    model="humanoid.xml",
    frame_skip=5,
    begin=uniform(1e-2),
    observe=_observe,
    reward=_reward,
    healthy=_healthy,
    before=_mass_centre_x,
    fields=("xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext"),
    contact_forces=True,
)
V4 = replace(V5, observe=_observe_v4, reward=_reward_v4)
