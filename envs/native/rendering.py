"""One simulation as an environment of Gymnasium that can be drawn, by itself or by the viewer."""

from __future__ import annotations

import copy
import os
from typing import Any, Protocol, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

from spreeze.environment import VectorEnv
from spreeze.envs.native.simulations import INTEGRATION_STATE, Simulations

WIDTH_PX, HEIGHT_PX = 640, 360


class Seeded(VectorEnv, Protocol):
    """Environments whose episodes can be chosen."""

    def begin_with(self, seed: int) -> np.ndarray:
        """Begin an episode from this very seed in every environment; return the observations (N, O)."""


class RenderedSimulation(gymnasium.Env[Any, Any]):
    """The only environment of `vector`; `model` and `data` are what is to be seen."""

    render_mode = "rgb_array"

    def __init__(self, vector: Seeded, simulations: Simulations, dt: float, camera: str | None = None) -> None:
        """Draw `vector`, on `simulations`, by the model's camera of that name or the one that follows.

        A step lasts `dt` [s].
        """
        self.vector, self.simulations, self.dt, self._camera = vector, simulations, dt, camera
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / dt)}
        self.observation_space, self.action_space = vector.observation_space, vector.action_space
        self.model: Any = copy.copy(simulations.model)
        self.data: Any = mujoco.MjData(self.model)
        self._renderer = cast(MujocoRenderer | None, None)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode from `seed`."""
        super().reset(seed=seed)
        seen = self.vector.begin_with(int(self.np_random.integers(2**32)) if seed is None else seed)
        self._begun()
        self._show()
        return self._entries(seen), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step of the environment."""
        seen, reward, terminated, truncated = self.vector.step(np.asarray(action)[None])
        self._show()
        return self._entries(seen), float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}

    def render(self) -> Any:
        """(H, W, 3) uint8."""
        if self._renderer is None:
            if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
                os.environ.setdefault("MUJOCO_GL", "egl")
            self._renderer = MujocoRenderer(
                self.model, self.data, width=WIDTH_PX, height=HEIGHT_PX, camera_name=self._camera
            )
        return self._renderer.render("rgb_array")

    def close(self) -> None:
        """Release the pictures and the simulation."""
        if self._renderer is not None:
            self._renderer.close()  # type: ignore[no-untyped-call]
        self.vector.close()

    def _begun(self) -> None:
        """Bring the model up to date with an episode that begins."""

    def _show(self) -> None:
        mujoco.mj_setState(self.model, self.data, self.simulations.state[0], INTEGRATION_STATE)
        mujoco.mj_forward(self.model, self.data)

    def _entries(self, seen: np.ndarray) -> Any:
        return seen[0].copy()
