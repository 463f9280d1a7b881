"""One robot over terrain as an environment of Gymnasium that can be drawn, by itself or by the viewer.

What is drawn is a scene of its own: `scenes.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer
from gymnasium.spaces.utils import unflatten

from spreeze.environment import Control, Overlay
from spreeze.envs.terrain.episodes import TerrainWalkers
from spreeze.envs.terrain.scenes import Scene
from spreeze.envs.terrain.timing import DECISION_S

WIDTH_PX, HEIGHT_PX = 640, 360
PIXEL = 4
"""Of a camera's fan, in pixels of what is shown."""
SPEED, STRIKES, PICTURE = "forward speed [m/s]", "foot collisions so far", "depth, near is dark"
"""Titles."""


class RenderedTerrain(gymnasium.Env[Any, Any]):
    """The only robot of `vector`; `model` and `data` are what is to be seen. It is `Watchable`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / DECISION_S)}  # noqa: RUF012
    render_mode = "rgb_array"
    dt = DECISION_S

    def __init__(self, vector: TerrainWalkers) -> None:
        self.vector, self._renderer = vector, cast(MujocoRenderer | None, None)
        self.observation_space, self.action_space = vector.observation_space, vector.action_space
        self._picture: np.ndarray | None = None
        self._scene: Scene = vector.robot.scene(vector)
        self.model, self.data = self._scene.model, self._scene.data

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode from `seed`."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**32)) if seed is None else seed
        return self._entries(self.vector.begin_with(drawn)), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Walk for one decision."""
        seen, reward, terminated, truncated = self.vector.step(np.asarray(action)[None])
        return self._entries(seen), float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}

    def render(self) -> Any:
        """(H, W, 3) uint8: the robot from its side."""
        if self._renderer is None:
            if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
                os.environ.setdefault("MUJOCO_GL", "egl")
            self._renderer = MujocoRenderer(self.model, self.data, width=WIDTH_PX, height=HEIGHT_PX, camera_name="side")
        return self._renderer.render("rgb_array")

    def overlay(self) -> Overlay:
        """What is commanded beside what is reached, foot collisions, what the camera sees if it is computed."""
        vector = self.vector
        speeds = {"commanded": float(vector.senses.command[0]), "actual": float(vector.body.speed[0])}
        struck = float(vector.metrics()["terrain/foot_collisions"][0])
        images = {} if self._picture is None else {PICTURE: shades(self._picture)}
        return Overlay(charts={SPEED: speeds, STRIKES: {"toes": struck}}, images=images)

    def controls(self) -> Sequence[Control]:
        """None."""
        return []

    def close(self) -> None:
        """Release the pictures and the simulation."""
        if self._renderer is not None:
            self._renderer.close()  # type: ignore[no-untyped-call]
        self.vector.close()

    def _entries(self, seen: np.ndarray) -> Any:
        """The entries of an observation; what is to be seen is moved to where it is."""
        entries = cast(dict[str, np.ndarray], unflatten(self.observation_space, seen[0]))
        self._picture = entries.get("depth") if self.vector.senses.pictures else None
        self._scene.show(entries.get("map"))
        return entries


def shades(depth: np.ndarray) -> np.ndarray:
    """(H PIXEL, H PIXEL, 3) uint8: a picture (H, W) of depths in [0, 1]; one of a single column is drawn out."""
    grey = np.repeat(np.rint(255 * np.clip(depth, 0, 1)).astype(np.uint8), PIXEL, axis=0)
    wide = np.repeat(grey, len(grey) // depth.shape[1], axis=1)
    return np.repeat(wide[:, :, None], 3, axis=2)
