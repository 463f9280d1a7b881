"""One biped as an environment of Gymnasium that can be drawn, by itself or by the viewer."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer
from gymnasium.spaces.utils import unflatten

from spreeze.environment import Control, Overlay, Parameter
from spreeze.envs.bipeds.conditions import DECISION_S
from spreeze.envs.bipeds.episodes import Bipeds
from spreeze.envs.bipeds.watching import PushedSimulations, direction, footsteps, speeds
from spreeze.envs.native.simulations import INTEGRATION_STATE

WIDTH_PX, HEIGHT_PX = 640, 360
HARDEST = 2.0
"""Greatest impulse of a push by hand, for each kg of the robot [m/s]."""
USUAL = 0.25
"""The one that is offered first [m/s]."""


class RenderedBiped(gymnasium.Env[Any, Any]):
    """The only robot of `vector`; `model` and `data` are what is to be seen. It is `Watchable`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / DECISION_S)}  # noqa: RUF012
    render_mode = "rgb_array"
    dt = DECISION_S

    def __init__(self, vector: Bipeds, simulations: PushedSimulations) -> None:
        """`simulations` are those of `vector`."""
        self.vector, self._simulations, self._renderer = vector, simulations, cast(MujocoRenderer | None, None)
        self.observation_space, self.action_space = vector.observation_space, vector.action_space
        self.model: Any = copy.copy(simulations.model)
        self.data: Any = mujoco.MjData(self.model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode from `seed`."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**32)) if seed is None else seed
        self._simulations.let_go()
        seen = self.vector.begin_with(drawn)
        for name in ("geom_quat", "geom_friction", "body_mass"):
            getattr(self.model, name)[:] = self._simulations.parameter(name)[0]
        mujoco.mj_setConst(self.model, self.data)  # Else the floor is drawn level.
        self._show()
        return self._entries(seen), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Walk for one decision."""
        seen, reward, terminated, truncated = self.vector.step(np.asarray(action)[None])
        self._show()
        return self._entries(seen), float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}

    def render(self) -> Any:
        """(H, W, 3) uint8: the robot from its side."""
        if self._renderer is None:
            if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
                os.environ.setdefault("MUJOCO_GL", "egl")
            self._renderer = MujocoRenderer(self.model, self.data, width=WIDTH_PX, height=HEIGHT_PX, camera_name="side")
        return self._renderer.render("rgb_array")

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
        self._simulations.push(self.model.body(world.robot.torso).id, (impulse * x, impulse * y))

    def close(self) -> None:
        """Release the pictures and the simulation."""
        if self._renderer is not None:
            self._renderer.close()  # type: ignore[no-untyped-call]
        self.vector.close()

    def _show(self) -> None:
        mujoco.mj_setState(self.model, self.data, self._simulations.state[0], INTEGRATION_STATE)
        mujoco.mj_forward(self.model, self.data)

    def _entries(self, seen: np.ndarray) -> Any:
        return unflatten(self.observation_space, seen[0])
