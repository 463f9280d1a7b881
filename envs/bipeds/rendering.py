"""One biped as an environment of Gymnasium that can be drawn, by itself or by the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from gymnasium.spaces.utils import unflatten

from spreeze.environment import Control, Overlay, Parameter
from spreeze.envs.bipeds.conditions import DECISION_S
from spreeze.envs.bipeds.episodes import Bipeds
from spreeze.envs.bipeds.watching import PushedSimulations, direction, footsteps, speeds
from spreeze.envs.native.rendering import RenderedSimulation

HARDEST = 2.0
"""Greatest impulse of a push by hand, for each kg of the robot [m/s]."""
USUAL = 0.25
"""The one that is offered first [m/s]."""


class RenderedBiped(RenderedSimulation):
    """The only robot of a vector, seen from its side. It is `Watchable`."""

    vector: Bipeds
    simulations: PushedSimulations

    def __init__(self, vector: Bipeds, simulations: PushedSimulations) -> None:
        super().__init__(vector, simulations, DECISION_S, "side")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode from `seed`."""
        self.simulations.let_go()
        return super().reset(seed=seed, options=options)

    def overlay(self) -> Overlay:
        """Footsteps, and what is commanded beside what is reached."""
        world = self.vector.world
        return Overlay(footsteps(world, self.vector.scheme), speeds(world))

    def controls(self) -> Sequence[Control]:
        """A push."""
        mass = self.vector.world.robot.mass
        impulse = Parameter("impulse [N s]", 0.0, round(HARDEST * mass), round(USUAL * mass))
        return [Control("Push", self.push, (impulse, Parameter("direction [degrees]", -180.0, 180.0, 0.0)), key="P")]

    def push(self, impulse: float, degrees: float) -> None:
        """Push the torso by `impulse` [N s] over the next 50 ms; 0 degrees is forward, 90 left.

        Raises:
            ValueError: a number is not finite.
        """
        if not np.isfinite([impulse, degrees]).all():
            raise ValueError(f"cannot push by {impulse} N s to {degrees} degrees: give finite numbers")
        world = self.vector.world
        x, y = direction(degrees, float(world.gait.heading[0]))
        self.simulations.push(self.model.body(world.robot.torso).id, (impulse * x, impulse * y))

    def _begun(self) -> None:
        """Show what a slope and a payload change."""
        for name in ("geom_quat", "geom_friction", "body_mass"):
            getattr(self.model, name)[:] = self.simulations.parameter(name)[0]
        mujoco.mj_setConst(self.model, self.data)  # Else the floor is drawn level.

    def _entries(self, seen: np.ndarray) -> Any:
        return unflatten(self.observation_space, seen[0])
