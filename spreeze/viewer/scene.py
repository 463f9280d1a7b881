"""How the state of an environment is drawn: in 3D by the browser, or as the pictures that the environment makes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium
import mujoco
import numpy as np
import viser
from mjviser import ViserMujocoScene

from spreeze.environment import Marker

AZIMUTH, ELEVATION = np.deg2rad(-75.0), np.deg2rad(12.0)
"""Where the camera stands at first, seen from what it looks at [rad]."""
FIELD_OF_VIEW = np.deg2rad(45.0)
"""Vertical [rad]."""
ROOM = 1.6
"""Height of the view in sizes of the robot."""

WIDTH_PX = 560
"""Of a picture."""
NO_COLOUR = (0.5, 0.5, 0.5, 1.0)
"""Of a geom that has none of its own."""
TEXTURED = (int(mujoco.mjtGeom.mjGEOM_MESH), int(mujoco.mjtGeom.mjGEOM_HFIELD))


class Scene(Protocol):
    """Draws one environment for all who are connected."""

    has_camera: bool
    """Whether `follow` makes a difference."""

    def begin(self) -> None:
        """An episode has begun."""

    def draw(self, follow: bool, markers: Mapping[str, Marker]) -> None:
        """Show the state of this moment, with the robot in the middle or, without `follow`, as the episode began."""


def open_scene(server: viser.ViserServer, env: gymnasium.Env[Any, Any]) -> Scene:
    """A scene in 3D if the environment is one of MuJoCo, else pictures; the environment must have been reset."""
    inner = env.unwrapped
    model, data = getattr(inner, "model", None), getattr(inner, "data", None)
    if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
        return MujocoScene(server, model, data)
    return PictureScene(server, env)


class MujocoScene:
    """Bodies in 3D. The world is moved rather than the camera, which belongs to who looks."""

    has_camera = True

    def __init__(self, server: viser.ViserServer, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._server, self._data = server, data
        self._scene = ViserMujocoScene(server, coloured(model), num_envs=1)
        self._scene.camera_tracking_enabled = False
        moving = [body for body in range(model.nbody) if model.body_weldid[body] != 0]
        self._root = moving[0] if moving else 0
        self._middle = np.zeros(3)
        self._markers: dict[str, viser.IcosphereHandle] = {}
        self._place_camera(model, moving)

    def _place_camera(self, model: mujoco.MjModel, moving: list[int]) -> None:
        """Have the camera see what moves, from the side."""
        mine = np.isin(model.geom_bodyid, moving)
        if not mine.any():
            mine = np.ones(model.ngeom, bool)
        centres, radii = self._data.geom_xpos[mine], model.geom_rbound[mine, None]
        low, high = (centres - radii).min(axis=0), (centres + radii).max(axis=0)
        size = float(np.linalg.norm(high - low))
        target = np.array([*((low + high) / 2 - self._root_position())[:2], (low[2] + high[2]) / 2])
        across, up = np.cos(ELEVATION), np.sin(ELEVATION)
        direction = np.array([np.cos(AZIMUTH) * across, np.sin(AZIMUTH) * across, up])
        camera = self._server.initial_camera
        camera.fov, camera.look_at = FIELD_OF_VIEW, target
        camera.position = target + direction * ROOM * size / (2 * np.tan(FIELD_OF_VIEW / 2))

    def _root_position(self) -> np.ndarray:
        """(3,): on the ground below the robot."""
        return np.array([*self._data.xpos[self._root][:2], 0.0])

    def begin(self) -> None:
        """Look at the place where the robot begins."""
        self._middle = self._root_position()

    def draw(self, follow: bool, markers: Mapping[str, Marker]) -> None:
        """Send the pose of every body and the places of the markers."""
        if follow:
            self._middle = self._root_position()
        data = self._data
        with self._server.atomic():
            self._scene.update_from_arrays(
                (data.xpos - self._middle)[None],
                data.xmat.reshape(1, -1, 3, 3),
                (data.mocap_pos - self._middle)[None],
                data.mocap_quat[None],
            )
            self._scene.fixed_bodies_frame.position = -self._middle
            self._mark(markers)

    def _mark(self, markers: Mapping[str, Marker]) -> None:
        """Move markers, which hang from the frame of what is fixed in the world."""
        for name in markers.keys() - self._markers.keys():
            path = f"{self._scene.fixed_bodies_frame.name}/marker{len(self._markers)}"
            marker = markers[name]
            self._markers[name] = self._server.scene.add_icosphere(path, marker.radius, marker.colour)
        for name, handle in self._markers.items():
            handle.visible = name in markers
            if name in markers:
                handle.position = np.asarray(markers[name].position, float)


def coloured(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy, which mjviser may change, with the colours of MuJoCo: a geom's own counts before that of its material."""
    mine = copy.copy(model)
    own = ~np.isclose(mine.geom_rgba, NO_COLOUR).all(axis=1) & ~np.isin(mine.geom_type, TEXTURED)
    mine.geom_matid[own] = -1
    return mine


class PictureScene:
    """What `render()` gives, beside the controls."""

    has_camera = False

    def __init__(self, server: viser.ViserServer, env: gymnasium.Env[Any, Any]) -> None:
        self._env = env
        panel = server.gui.add_panel()
        with panel.add_tab("environment", viser.Icon.PHOTO):
            self._image = server.gui.add_image(self._frame(), format="jpeg")
        panel.float(x=16, y=16, width=WIDTH_PX)

    def _frame(self) -> np.ndarray:
        return np.asarray(self._env.render())

    def begin(self) -> None:
        """Nothing is to be done."""

    def draw(self, follow: bool, markers: Mapping[str, Marker]) -> None:
        """Send a picture, which the environment draws; it has no markers."""
        self._image.image = self._frame()
