"""What tests of planar robots share: their models, and points of them as MuJoCo sees them."""

from typing import Any, NamedTuple

import mujoco
import numpy as np

from spreeze.envs.bipeds import rabbit, walker2d
from spreeze.envs.bipeds.linearisation import Feet
from spreeze.envs.bipeds.robot import Robot
from spreeze.envs.native.batch import BatchSimulations

PLANAR: dict[str, tuple[Robot, Feet]] = {
    "rabbit": (rabbit.ROBOT, rabbit.FEET),
    "walker2d": (walker2d.ROBOT, walker2d.FEET),
}


class Point(NamedTuple):
    """A point of a robot in the plane: Jacobian (2, nv), acceleration (2,) at constant rates."""

    jacobian: np.ndarray
    held: np.ndarray


def loaded(robot: Robot) -> tuple[Any, Any]:
    model = mujoco.MjModel.from_xml_path(str(robot.model))
    return model, mujoco.MjData(model)


def point(model: Any, data: Any, place: np.ndarray, body: int) -> Point:
    """Of a place (3,) in the world that moves with a body."""
    jacobian, slope = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    mujoco.mj_jac(model, data, jacobian, None, place, body)
    mujoco.mj_jacDot(model, data, slope, None, place, body)
    return Point(jacobian[::2], slope[::2] @ data.qvel)


def foot(model: Any, data: Any, feet: Feet, side: int) -> tuple[np.ndarray, int]:
    """Where a foot is (3,), and which body it is."""
    body = feet.links[side] + 1
    place = data.xpos[body] + data.xmat[body].reshape(3, 3) @ [feet.point.real, 0, feet.point.imag]
    return place, body


def random_state(robot: Robot, random: np.random.Generator, nv: int) -> tuple[np.ndarray, np.ndarray]:
    """A pose near a stance, at speed."""
    qpos, _, _ = robot.start(random)
    return qpos + random.uniform(-0.2, 0.2, nv), random.uniform(-1, 1, nv)


def simulations(robot: Robot, count: int) -> BatchSimulations:
    return BatchSimulations(loaded(robot)[0], count, (*robot.fields, "xfrc_applied"), 1)
