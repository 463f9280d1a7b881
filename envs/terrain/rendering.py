"""One robot over terrain as an environment of Gymnasium that can be drawn, by itself or by the viewer.

The model that is drawn is not the one that is stepped: the ground is columns of one size, which any viewer can move,
and balls show the map as the robot is told it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer
from gymnasium.spaces.utils import unflatten

from spreeze.environment import Control, Overlay
from spreeze.envs.terrain import walker
from spreeze.envs.terrain.episodes import TerrainWalkers

WIDTH_PX, HEIGHT_PX = 640, 360
COLUMN = 0.04
"""Width of a column of the ground [m]; edges are drawn this coarsely, and are crisp to the robot."""
COLUMNS = 150
"""Of them, half behind and half ahead of the robot."""
DEEP = 2.0
"""Half of a column's height [m]."""
HALF_ACROSS = 0.4
DOT = 0.018
"""Radius of a ball of the map [m]."""
GROUND, MAP = "column", "cell"
PIXEL = 4
"""Of the camera's fan, in pixels of what is shown."""
SPEED, STRIKES, PICTURE = "forward speed [m/s]", "foot collisions so far", "depth, near is dark"
"""Titles."""


def drawn_model(cells: int) -> Any:
    """The walker, columns of ground and the balls of a map, all of which can be moved."""
    spec = mujoco.MjSpec.from_file(str(walker.MODEL))
    shapes = {
        GROUND: (COLUMNS, mujoco.mjtGeom.mjGEOM_BOX, [COLUMN / 2, HALF_ACROSS, DEEP], [0.66, 0.62, 0.55, 1]),
        MAP: (cells, mujoco.mjtGeom.mjGEOM_SPHERE, [DOT, 0, 0], [0.85, 0.2, 0.2, 1]),
    }
    for name, (count, kind, size, colour) in shapes.items():
        for number in range(count):
            body = spec.worldbody.add_body(name=f"{name}{number}", mocap=True, pos=[0, 0, -2 * DEEP])
            body.add_geom(name=f"{name}{number}", type=kind, size=size, rgba=colour, contype=0, conaffinity=0)
    return spec.compile()


class RenderedTerrain(gymnasium.Env[Any, Any]):
    """The only walker of `vector`; `model` and `data` are what is to be seen. It is `Watchable`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / walker.DECISION_S)}  # noqa: RUF012
    render_mode = "rgb_array"
    dt = walker.DECISION_S

    def __init__(self, vector: TerrainWalkers) -> None:
        self.vector, self._renderer = vector, cast(MujocoRenderer | None, None)
        self.observation_space, self.action_space = vector.observation_space, vector.action_space
        self._picture: np.ndarray | None = None
        self._cells = vector.senses.heightmap.cells
        self.model: Any = drawn_model(len(self._cells))
        self.data: Any = mujoco.MjData(self.model)
        self._mocap = {
            name: self.model.body_mocapid[[self.model.body(f"{name}{i}").id for i in range(count)]]
            for name, count in ((GROUND, COLUMNS), (MAP, len(self._cells)))
        }

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
        self._show_ground()
        self._show_map(entries.get("map"))
        self._picture = entries.get("depth") if self.vector.senses.pictures else None
        self.data.qpos[:], self.data.qvel[:] = self.vector.simulations.qpos[0], self.vector.simulations.qvel[0]
        mujoco.mj_forward(self.model, self.data)
        return entries

    def _show_ground(self) -> None:
        """Each column stands at the place nearest to the robot that is its own: x = (number + k COLUMNS) COLUMN."""
        x = float(self.vector.simulations.qpos[0, 0])
        number = np.arange(COLUMNS)
        turns = np.rint((x / COLUMN - number) / COLUMNS)
        places = np.column_stack([(number + turns * COLUMNS) * COLUMN, np.zeros(COLUMNS)])
        tops = self.vector.ground.heights(places[None])[0]
        tops = np.where(tops > 0, tops, -COLUMN)  # The floor is drawn by itself.
        self.data.mocap_pos[self._mocap[GROUND]] = np.column_stack([places, tops - DEEP])

    def _show_map(self, heights: np.ndarray | None) -> None:
        """Balls where the robot is told that the ground is, or nowhere if it is not told."""
        base = self.vector.body.base[0]
        if heights is None:
            heights = np.full(len(self._cells), -2 * DEEP)
        x, y = (self._cells + base[:2]).T
        self.data.mocap_pos[self._mocap[MAP]] = np.column_stack([x, y - HALF_ACROSS, base[2] + heights])


def shades(depth: np.ndarray) -> np.ndarray:
    """(H PIXEL, H PIXEL, 3) uint8: a fan (H,) of depths in [0, 1], drawn out to a square."""
    grey = np.repeat(np.rint(255 * np.clip(depth, 0, 1)).astype(np.uint8), PIXEL)
    return np.tile(grey[:, None, None], (1, len(grey), 3))
