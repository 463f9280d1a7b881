"""Where the legs of N Cassies are, and how fast they move: kinematics of the links from pelvis to foot.

Springs count, rods do not: they follow. Frames are those of `bipeds/cassie.xml`, in which all joints turn about z.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import mujoco
import numpy as np

from spreeze.envs.terrain import cassie

LINKS = ("hip_roll", "hip_yaw", "hip_pitch", "knee", "shin", "tarsus", "foot")
THIGH, SHIN, TARSUS, FOOT = 2, 4, 5, 6
TOE, HEEL = np.array([-0.052821, 0.092622, 0.0]), np.array([0.069746, -0.010224, 0.0])
"""Ends of the foot's capsule in its frame [m]."""
MIDDLE = (TOE + HEEL) / 2
SEEN = {"thigh": THIGH, "shin": SHIN, "tarsus": TARSUS, "foot": FOOT}
"""Capsules that a camera sees, with their links."""
_AHEAD = (TOE - HEEL) / np.linalg.norm(TOE - HEEL)
LEVEL = np.stack([_AHEAD, [0.0, 0.0, -1.0], np.cross(_AHEAD, [0.0, 0.0, -1.0])], axis=1)
"""Axes of a foot in its frame, in columns: toward the toe, to the left, up."""


class Legs(NamedTuple):
    """Links of both legs of N robots, K of them."""

    places: np.ndarray
    """(N, 2, K, 3): origins of their frames, in the world [m]."""
    rotations: np.ndarray
    """(N, 2, K, 3, 3): from their frames to the world."""


class _Chain(NamedTuple):
    """What the model says: of both legs (2, K, ...)."""

    offsets: np.ndarray
    frames: np.ndarray
    references: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    capsules: np.ndarray
    """(2, 4, 7), in the frames of their links."""


@cache
def _chain() -> _Chain:
    model: Any = _resting()
    names = [[f"{side}_{link}" for link in LINKS] for side in ("left", "right")]
    bodies = np.array([[model.body(name).id for name in row] for row in names])
    joints = np.array([[model.joint(name).id for name in row] for row in names])
    capsules = np.array([[_capsule(model, f"{side}_{name}") for name in SEEN] for side in ("left", "right")])
    return _Chain(
        model.body_pos[bodies],
        np.array([[_matrix(quat) for quat in row] for row in model.body_quat[bodies]]),
        model.qpos0[model.jnt_qposadr[joints]],
        model.jnt_qposadr[joints],
        model.jnt_dofadr[joints],
        capsules,
    )


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    found = np.zeros(9)
    mujoco.mju_quat2Mat(found, quaternion)
    return found.reshape(3, 3)


def _capsule(model: Any, name: str) -> np.ndarray:
    """(7,): from, to, radius."""
    geom = model.geom(name)
    half = _matrix(geom.quat)[:, 2] * geom.size[1]
    return np.concatenate([geom.pos - half, geom.pos + half, geom.size[:1]])


def rotations(quaternions: np.ndarray) -> np.ndarray:
    """(N, 3, 3): of quaternions (N, 4) of length 1."""
    w, x, y, z = quaternions.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _turned(rotation: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotations (N, 2, 3, 3) of frames that are turned about their own z by angles (N, 2)."""
    cosine, sine = np.cos(angle)[..., None], np.sin(angle)[..., None]
    x, y, z = np.moveaxis(rotation, 3, 0)
    return np.stack([cosine * x + sine * y, cosine * y - sine * x, z], axis=3)


def legs(qpos: np.ndarray) -> Legs:
    """For positions (N, 35)."""
    chain = _chain()
    rotation = np.repeat(rotations(qpos[:, 3:7])[:, None], 2, axis=1)
    place = np.repeat(qpos[:, None, :3], 2, axis=1)
    angles = qpos[:, chain.positions] - chain.references
    places, turns = [], []
    for link in range(len(LINKS)):
        place = place + along(rotation, chain.offsets[:, link])
        rotation = _turned(rotation @ chain.frames[:, link], angles[:, :, link])
        places.append(place)
        turns.append(rotation)
    return Legs(np.stack(places, axis=2), np.stack(turns, axis=2))


def along(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """(..., 3): vectors (..., 3) of frames with rotations (..., 3, 3), in the world."""
    found: np.ndarray = (rotation @ vector[..., None])[..., 0]
    return found


def feet(found: Legs, point: np.ndarray) -> np.ndarray:
    """(N, 2, 3): where a point (3,) of the frame of the foot is."""
    moved: np.ndarray = found.places[:, :, FOOT] + along(found.rotations[:, :, FOOT], point)
    return moved


def foot_velocities(found: Legs, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
    """(N, 2, 3): of the middles of the feet [m/s], for velocities (N, 32): each joint turns all that comes after it."""
    rates = qvel[:, _chain().velocities]
    middle = feet(found, MIDDLE)
    spin = along(rotations(qpos[:, 3:7]), qvel[:, 3:6])[:, None]
    base = qvel[:, None, :3] + np.cross(spin, middle - qpos[:, None, :3])
    turns = np.cross(found.rotations[..., 2], middle[:, :, None] - found.places)
    total: np.ndarray = base + (rates[..., None] * turns).sum(axis=2)
    return total


def capsules(found: Legs) -> np.ndarray:
    """(N, 8, 7): thighs, shins, tarsi and feet, left ones first: from, to, radius."""
    own, links = _chain().capsules, list(SEEN.values())
    places, turns = found.places[:, :, links], found.rotations[:, :, links]
    ends = [places + along(turns, own[:, :, part]) for part in (slice(0, 3), slice(3, 6))]
    radii = np.broadcast_to(own[:, :, 6:], (*places.shape[:3], 1))
    return np.concatenate([*ends, radii], axis=3).reshape(len(places), -1, 7)


def start(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions (35,) and velocities (32,) of a new episode: at rest at the origin, the lower foot on level ground.

    Hips are moved by up to 0.05 rad, the base is turned by as much, the speed is up to 0.3 m/s (ours). What is within
    the closed loops stays.
    """
    model: Any = _resting()
    position, velocity = model.key("home").qpos.copy(), np.zeros(model.nv)
    position[3:7] = _small_turn(random.uniform(-0.05, 0.05, 3))
    position[cassie.POSITIONS[[0, 1, 2, 5, 6, 7]]] += random.uniform(-0.05, 0.05, 6)
    velocity[0] = random.uniform(-0.3, 0.3)
    found = legs(position[None])
    lowest = min(float(feet(found, end)[..., 2].min()) for end in (TOE, HEEL))
    position[2] += _chain().capsules[0, 3, 6] - lowest
    return position, velocity


@cache
def _resting() -> Any:
    return cassie.robot().compile()


def _small_turn(angles: np.ndarray) -> np.ndarray:
    """(4,): the quaternion of a rotation vector (3,)."""
    found = np.zeros(4)
    angle = float(np.linalg.norm(angles))
    mujoco.mju_axisAngle2Quat(found, angles / angle, angle)
    return found
