"""One biped as an environment of Gymnasium that can be drawn, by itself or by the viewer."""

from __future__ import annotations

import os
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer
from gymnasium.spaces.utils import unflatten

from spreeze.envs.bipeds.conditions import DECISION_S
from spreeze.envs.bipeds.episodes import Bipeds
from spreeze.envs.native.simulations import INTEGRATION_STATE

WIDTH_PX, HEIGHT_PX = 640, 360


class RenderedBiped(gymnasium.Env[Any, Any]):
    """The only robot of `vector`; `model` and `data` are what is to be seen."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / DECISION_S)}  # noqa: RUF012
    render_mode = "rgb_array"
    dt = DECISION_S

    def __init__(self, vector: Bipeds) -> None:
        self.vector, self._renderer = vector, cast(MujocoRenderer | None, None)
        self.observation_space, self.action_space = vector.observation_space, vector.action_space
        self.model: Any = vector.simulations.model
        self.data: Any = mujoco.MjData(self.model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode from `seed`."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**32)) if seed is None else seed
        seen = self.vector.begin_with(drawn)
        for name in ("geom_quat", "geom_friction", "body_mass"):
            getattr(self.model, name)[:] = self.vector.simulations.parameter(name)[0]
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

    def close(self) -> None:
        """Release the pictures and the simulation."""
        if self._renderer is not None:
            self._renderer.close()  # type: ignore[no-untyped-call]
        self.vector.close()

    def _show(self) -> None:
        mujoco.mj_setState(self.model, self.data, self.vector.simulations.state[0], INTEGRATION_STATE)
        mujoco.mj_forward(self.model, self.data)

    def _entries(self, seen: np.ndarray) -> Any:
        return unflatten(self.observation_space, seen[0])
