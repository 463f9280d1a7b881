"""What is drawn of a robot over terrain: itself, the ground, and balls where it is told that the ground is.

The model of a planar walker that is drawn is not the one that is stepped: the ground is columns of one size. That of a
robot in three dimensions has the boxes that are stepped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import mujoco
import numpy as np

from spreeze.envs.terrain import walker

if TYPE_CHECKING:
    from spreeze.envs.terrain.episodes import TerrainWalkers

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
RED, SAND = [0.85, 0.2, 0.2, 1], [0.66, 0.62, 0.55, 1]


class Scene(Protocol):
    """A model and what is to be seen of it."""

    model: Any
    data: Any

    def show(self, heights: np.ndarray | None) -> None:
        """Move everything to where it is; `heights` (R, C) is the map as the robot is told it, None if it is not."""


def add_movable(spec: Any, name: str, count: int, kind: Any, size: list[float], colour: list[float]) -> None:
    """Add `count` bodies that can be moved and touch nothing, called `name` and a number, each of one geom."""
    for number in range(count):
        body = spec.worldbody.add_body(name=f"{name}{number}", mocap=True, pos=[0, 0, -2 * DEEP])
        body.add_geom(name=f"{name}{number}", type=kind, size=size, rgba=colour, contype=0, conaffinity=0)


def movable(model: Any, name: str, count: int) -> np.ndarray:
    """(count,): where in `mocap_pos` those bodies are."""
    found: np.ndarray = model.body_mocapid[[model.body(f"{name}{number}").id for number in range(count)]]
    return found


def drawn_model(cells: int) -> Any:
    """The walker, columns of ground and the balls of a map, all of which can be moved."""
    spec = mujoco.MjSpec.from_file(str(walker.MODEL))
    add_movable(spec, GROUND, COLUMNS, mujoco.mjtGeom.mjGEOM_BOX, [COLUMN / 2, HALF_ACROSS, DEEP], SAND)
    add_movable(spec, MAP, cells, mujoco.mjtGeom.mjGEOM_SPHERE, [DOT, 0, 0], RED)
    return spec.compile()


class PlanarScene:
    """A planar walker."""

    def __init__(self, vector: TerrainWalkers) -> None:
        self._vector, self._cells = vector, vector.senses.heightmap.cells
        self.model: Any = drawn_model(len(self._cells))
        self.data: Any = mujoco.MjData(self.model)
        self._columns, self._balls = movable(self.model, GROUND, COLUMNS), movable(self.model, MAP, len(self._cells))

    def show(self, heights: np.ndarray | None) -> None:
        """As `Scene` says."""
        self._show_ground()
        self._show_map(heights)
        simulations = self._vector.simulations
        self.data.qpos[:], self.data.qvel[:] = simulations.qpos[0], simulations.qvel[0]
        mujoco.mj_forward(self.model, self.data)

    def _show_ground(self) -> None:
        """Each column stands at the place nearest to the robot that is its own: x = (number + k COLUMNS) COLUMN."""
        x = float(self._vector.simulations.qpos[0, 0])
        number = np.arange(COLUMNS)
        turns = np.rint((x / COLUMN - number) / COLUMNS)
        places = np.column_stack([(number + turns * COLUMNS) * COLUMN, np.zeros(COLUMNS)])
        tops = self._vector.ground.heights(places[None])[0]
        tops = np.where(tops > 0, tops, -COLUMN)  # The floor is drawn by itself.
        self.data.mocap_pos[self._columns] = np.column_stack([places, tops - DEEP])

    def _show_map(self, heights: np.ndarray | None) -> None:
        """Balls where the robot is told that the ground is, or nowhere if it is not told."""
        base = self._vector.body.base[0]
        if heights is None:
            heights = np.full(len(self._cells), -2 * DEEP)
        x, y = (self._cells + base[:2]).T
        self.data.mocap_pos[self._balls] = np.column_stack([x, y - HALF_ACROSS, base[2] + heights.ravel()])


class SpatialScene:
    """A robot in three dimensions."""

    def __init__(self, vector: TerrainWalkers, spec: Any) -> None:
        """Draw what is in `spec`, of which the stepped model was made, and the balls of a map."""
        self._vector, self._cells = vector, vector.senses.heightmap.cells
        add_movable(spec, MAP, len(self._cells), mujoco.mjtGeom.mjGEOM_SPHERE, [DOT / 2, 0, 0], RED)
        self.model: Any = spec.compile()
        self.data: Any = mujoco.MjData(self.model)
        self._balls = movable(self.model, MAP, len(self._cells))

    def show(self, heights: np.ndarray | None) -> None:
        """As `Scene` says."""
        simulations, boxes = self._vector.simulations, self._vector.simulations.model
        data = self.data
        data.qpos[:], data.qvel[:] = simulations.qpos[0], simulations.qvel[0]
        data.mocap_pos[: boxes.nmocap] = simulations.fields["mocap_pos"][0]
        data.mocap_quat[: boxes.nmocap] = simulations.fields["mocap_quat"][0]
        self.model.geom_size[: boxes.ngeom] = simulations.parameter("geom_size")[0]
        self._show_map(heights)
        mujoco.mj_forward(self.model, data)

    def _show_map(self, heights: np.ndarray | None) -> None:
        base, yaw = self._vector.body.base[0], float(self._vector.body.yaw[0])
        if heights is None:
            heights = np.full(len(self._cells), -2 * DEEP)
        turned = self._cells @ np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        self.data.mocap_pos[self._balls] = np.column_stack([turned + base[:2], base[2] + heights.ravel()])
