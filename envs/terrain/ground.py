"""The ground of N simulations: their terrains, and the boxes of the model that stand for what is near each robot.

A terrain has up to hundreds of boxes; the model has K of them, as mocap bodies, which are moved to the nearest
K before every decision. Positions belong to the state of a simulation, sizes are parameters of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from spreeze.envs.terrain._native import terrains

if TYPE_CHECKING:
    from spreeze.envs.native.batch import BatchSimulations

NAME = "ground"
"""Bodies and geoms of the boxes are called so, with a number."""
PLANAR_BOXES, SPATIAL_BOXES = 10, 14
"""K: shortest steps of stairs reach 1.2 m to either side of a planar robot."""
MOST_PLANAR, MOST_SPATIAL = 72, 304
"""B, boxes of one terrain."""
HALF_LENGTH = 0.56
"""Greatest half length of a box along x, of terrains of scale 1 [m]."""
HALF_DEPTH = 0.4
"""Half of how far a box reaches below its top, of terrains of scale 1 [m]."""
HALF_WIDTH = {False: 0.12, True: 1.5}
"""To which boxes of planar and spatial robots are cut, to either side of the robot [m]."""
_NOWHERE = np.array([0.0, 0.0, -100.0])


def with_ground(spec: Any, spatial: bool, scale: float = 1.0) -> None:
    """Add the boxes to a robot's `MjSpec`, and the geom `floor` if it has none.

    Geoms of the robot that may touch the ground have contype 1; the ground has contype 0 and conaffinity 1.
    """
    floor = spec.geom("floor")
    if floor is None:
        floor = spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.05], contype=0)
    size = [HALF_LENGTH * scale, HALF_WIDTH[spatial] * scale, HALF_DEPTH * scale]
    for number in range(SPATIAL_BOXES if spatial else PLANAR_BOXES):
        body = spec.worldbody.add_body(name=f"{NAME}{number}", mocap=True, pos=_NOWHERE)
        body.add_geom(
            name=f"{NAME}{number}", type=mujoco.mjtGeom.mjGEOM_BOX, size=size, contype=0, conaffinity=1,
            friction=floor.friction, solref=floor.solref, condim=floor.condim, priority=floor.priority,
            rgba=[0.62, 0.58, 0.52, 1],
        )  # fmt: skip


class Ground:
    """N terrains. Arrays in `memory` are all of its state; after loading, the next `follow` brings the rest."""

    def __init__(self, simulations: BatchSimulations, spatial: bool, scale: float = 1.0) -> None:
        """Use simulations of a model made by `with_ground`, which bind `mocap_pos` and `mocap_quat`."""
        model = simulations.model
        self.count, self.spatial, self.scale = simulations.count, spatial, scale
        self.terrains = terrains(self.count, MOST_SPATIAL if spatial else MOST_PLANAR)
        self._width, self._depth = HALF_WIDTH[spatial] * scale, HALF_DEPTH * scale
        geoms = [geom for geom in range(model.ngeom) if model.geom(geom).name.startswith(NAME)]
        self._geoms, self._mocaps = slice(geoms[0], geoms[-1] + 1), model.body_mocapid[model.geom_bodyid[geoms]]
        self._amount = len(geoms)
        self._positions, self._quats = simulations.fields["mocap_pos"], simulations.fields["mocap_quat"]
        self._sizes, self._radii = simulations.live_parameter("geom_size"), simulations.live_parameter("geom_rbound")
        self.memory = {"ground/boxes": self.terrains.boxes, "ground/sizes": self.terrains.sizes}

    def lay(self, index: int, terrain: np.ndarray) -> None:
        """Give simulation `index` a terrain (B, 6) of `shapes.make_terrain`; `follow` must come before its physics."""
        self.terrains.lay(index, terrain)

    def follow(self, places: np.ndarray) -> None:
        """Put the boxes nearest to places (N, 2) into the model."""
        near = self.terrains.nearest(places, self._amount)
        begin, end, low, high, first, last = np.moveaxis(near, 2, 0)
        middle = places[:, 1, None] if self.spatial else np.zeros((self.count, 1))
        low, high = np.maximum(low, middle - self._width), np.minimum(high, middle + self._width)
        there = (end > begin) & (high > low)
        length, rise = np.where(there, end - begin, 1), np.where(there, last - first, 0)
        slanted = np.hypot(length, rise)
        sizes = np.stack([slanted / 2, (high - low) / 2, np.full_like(rise, self._depth)], axis=2)
        sizes[~there] = 0.01
        # The middle of the top, and from there half of the depth along the normal.
        tops = np.stack([(begin + end) / 2, (low + high) / 2, (first + last) / 2], axis=2)
        normals = np.stack([-rise / slanted, np.zeros_like(rise), length / slanted], axis=2)
        self._positions[:, self._mocaps] = np.where(there[:, :, None], tops - self._depth * normals, _NOWHERE)
        half_angle = np.arctan2(rise, length) / 2
        self._quats[:, self._mocaps, 0], self._quats[:, self._mocaps, 2] = np.cos(half_angle), -np.sin(half_angle)
        self._sizes[:, self._geoms] = sizes
        self._radii[:, self._geoms] = np.sqrt((sizes**2).sum(axis=2))

    def heights(self, points: np.ndarray) -> np.ndarray:
        """(N, P): of the ground at points (N, P, 2) [m]."""
        return self.terrains.heights(points)


def toe_strikes(ground: Ground, toes: np.ndarray, heading: np.ndarray, reach: float) -> np.ndarray:
    """(N, F) bool: whether points `reach` [m] ahead of toes (N, F, 3), along headings (N, 2), are below the ground."""
    ahead = toes[:, :, :2] + reach * heading[:, None]
    return ground.heights(ahead) > toes[:, :, 2]
