"""What differs between the bodies of two episodes: domain randomisation, as far as a robot's model has what it changes.

[R], but for where springs are about: the authors' shins have 2500 N m/rad, the maker's, as here, 1500. The delay is
that of targets, not of torques: servos are part of the physics, which evaluates them at every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spreeze.envs.native.batch import BatchSimulations

Pair = tuple[float, float]


@dataclass(frozen=True)
class Spread:
    """Between which values a factor or an offset is drawn, uniformly."""

    damping: Pair = (0.5, 3.5)
    """Factor of the damping of each joint."""
    mass: Pair = (0.75, 1.25)
    """Factor of mass and inertia of each body."""
    centre: float = 0.01
    """Greatest offset of each body's mass centre along each axis [m]."""
    friction: Pair = (0.8, 1.2)
    """Factor of the friction of the ground and of the feet together."""
    torque: Pair = (0.9, 1.0)
    """Factor of what each motor gives."""
    spring: Pair = (0.8, 1.2)
    """Factor of the stiffness of each joint that has a spring."""
    delay: float = 0.003
    """Greatest delay of all targets [s]."""


NOMINAL = Spread((1, 1), (1, 1), 0.0, (1, 1), (1, 1), (1, 1), 0.0)
FIELDS = (
    "dof_damping", "body_mass", "body_inertia", "body_ipos", "geom_friction", "actuator_gainprm", "actuator_biasprm",
    "actuator_forcerange", "actuator_delay", "jnt_stiffness",
)  # fmt: skip


def draw(model: Any, spread: Spread, random: np.random.Generator, planar: bool) -> dict[str, np.ndarray]:
    """Return one simulation's own values of `FIELDS`.

    `planar` leaves mass centres in the plane. Motors are position actuators: their force is linear in target, position
    and velocity.
    """
    moving = (model.body_weldid > 0) & (model.body_mocapid < 0)
    masses = np.where(moving, random.uniform(*spread.mass, model.nbody), 1.0)
    offsets = random.uniform(-spread.centre, spread.centre, (model.nbody, 3)) * moving[:, None]
    if planar:
        offsets[:, 1] = 0
    torques = random.uniform(*spread.torque, model.nu)[:, None]
    return {
        "dof_damping": model.dof_damping * random.uniform(*spread.damping, model.nv),
        "body_mass": model.body_mass * masses,
        "body_inertia": model.body_inertia * masses[:, None],
        "body_ipos": model.body_ipos + offsets,
        "geom_friction": model.geom_friction * random.uniform(*spread.friction),
        "actuator_gainprm": model.actuator_gainprm * torques,
        "actuator_biasprm": model.actuator_biasprm * torques,
        "actuator_forcerange": model.actuator_forcerange * torques,
        "actuator_delay": np.full(model.nu, random.uniform(0, spread.delay)),
        "jnt_stiffness": model.jnt_stiffness * random.uniform(*spread.spring, model.njnt),
    }


class Randomisation:
    """Of N simulations; arrays in `memory` are all of its state, which `apply` brings into the simulations."""

    def __init__(self, simulations: BatchSimulations, spread: Spread, planar: bool) -> None:
        self._simulations, self._spread, self._planar = simulations, spread, planar
        model, count = simulations.model, simulations.count
        self.active = spread != NOMINAL
        self._values = {name: np.stack([getattr(model, name)] * count) for name in FIELDS} if self.active else {}
        self.memory = {f"parameters/{name}": value for name, value in self._values.items()}

    def draw(self, index: int, random: np.random.Generator) -> None:
        """Draw those of simulation `index` for a new episode."""
        if self.active:
            for name, value in draw(self._simulations.model, self._spread, random, self._planar).items():
                self._values[name][index] = value

    def apply(self, indices: np.ndarray) -> None:
        """Give the simulations `indices` (K,) what was drawn for them."""
        if self.active and indices.size:
            self._simulations.set_parameters({n: v[indices] for n, v in self._values.items()}, indices)
