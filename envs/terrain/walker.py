"""Walker2D over terrain: its model with servos, its kinematics, its mirror image.

The body is that of `bipeds/walker2d.xml`; here its legs, too, may touch the ground, and its motors are servos inside
the physics. Kinematics are complex numbers x + i z; turning by an angle about y, nose down, is a factor exp(-i angle).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import mujoco
import numpy as np

from spreeze.envs.terrain.ground import with_ground
from spreeze.envs.terrain.timing import DELAY_SAMPLES, PHYSICS_S

MODEL = Path(__file__).parent.parent / "bipeds" / "walker2d.xml"
STIFFNESS, DAMPING, TORQUE = 300.0, 12.0, 100.0
"""Of the servos [N m/rad, N m s/rad, N m] (ours)."""
POSE = np.array((-0.35, 0.85, -0.5) * 2)
"""Targets of an action of 0: hip, knee and ankle, of the left leg first [rad]."""
START = np.array([(-0.24, 0.7, -0.46), (-0.29, 0.9, -0.61)])
"""Hip, knee and ankle of one leg and the other when an episode begins [rad]."""
REACH = 1.2
"""Of the targets around it [rad]."""
HEIGHT = 0.92
"""Of the base, the hips, at rest [m]; by which lengths of terrains are scaled from a robot of 1 m."""
PERIOD = 0.7
"""Of the clock [s]. [R], of another robot"""
THIGH, SHANK, FOOT = 0.45, 0.5, 0.2
"""Lengths [m]."""
RADII = np.array([0.05, 0.04, 0.06])
"""Of thigh, shank and foot [m]."""
TOE_REACH = RADII[2] + 0.015
"""How far ahead of the middle of the toe a riser is struck: 1.5 cm before its tip, as far as the authors look [m]."""
TOE_DROP = 0.02
"""How far the point that looks for risers is below the middle of the toe [m]. It overlooks risers that are less than
4 cm higher than the sole, and slopes of less than 35 degrees (ours)."""


def model() -> Any:
    """The `MjModel`, with the boxes of a planar robot's ground."""
    spec = robot()
    with_ground(spec, spatial=False, scale=HEIGHT)
    return spec.compile()


def robot() -> Any:
    """The `MjSpec` of the walker with servos, without ground but the floor."""
    spec = mujoco.MjSpec.from_file(str(MODEL))
    spec.option.timestep = PHYSICS_S
    for motor in list(spec.actuators):
        joint = motor.name
        spec.delete(motor)
        servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=STIFFNESS, kv=DAMPING)
        servo.forcelimited, servo.forcerange = True, [-TORQUE, TORQUE]
        servo.nsample, servo.interp, servo.delay = DELAY_SAMPLES, 1, 0.0
    for side in ("left", "right"):
        spec.geom(f"{side}-leg").contype = 1
    return spec


class Legs(NamedTuple):
    """Joints of N robots, (N, 2) complex [m], or their velocities [m/s]; left, right."""

    knee: np.ndarray
    ankle: np.ndarray
    toe: np.ndarray


def angles(joints: np.ndarray) -> np.ndarray:
    """(N, 2, 3): of thigh, shank and foot in the world, or their rates, for positions or velocities (N, 9)."""
    found: np.ndarray = joints[:, 2, None, None] + np.cumsum(joints[:, 3:].reshape(-1, 2, 3), axis=2)
    return found


def _links(qpos: np.ndarray) -> np.ndarray:
    """(N, 2, 3) complex: along thigh, shank and foot."""
    found: np.ndarray = np.exp(-1j * angles(qpos)) * np.array([-1j * THIGH, -1j * SHANK, FOOT])
    return found


def legs(qpos: np.ndarray) -> Legs:
    """For positions (N, 9)."""
    points = (qpos[:, 0] + 1j * qpos[:, 1])[:, None, None] + np.cumsum(_links(qpos), axis=2)
    return Legs(*np.moveaxis(points, 2, 0))


def leg_velocities(qpos: np.ndarray, qvel: np.ndarray) -> Legs:
    """For positions and velocities (N, 9)."""
    rates = -1j * angles(qvel) * _links(qpos)
    points = (qvel[:, 0] + 1j * qvel[:, 1])[:, None, None] + np.cumsum(rates, axis=2)
    return Legs(*np.moveaxis(points, 2, 0))


def capsules(qpos: np.ndarray) -> np.ndarray:
    """(N, 6, 7): thighs, shanks and feet as a camera sees them: from, to, radius."""
    points = legs(qpos)
    hips = np.repeat((qpos[:, 0] + 1j * qpos[:, 1])[:, None], 2, axis=1)
    begins = np.concatenate([hips, points.knee, points.ankle], axis=1)
    ends = np.concatenate(points, axis=1)
    found = np.zeros((len(qpos), 6, 7))
    found[:, :, 0], found[:, :, 2], found[:, :, 3], found[:, :, 5] = begins.real, begins.imag, ends.real, ends.imag
    found[:, :, 6] = np.repeat(RADII, 2)
    return found


def toes(qpos: np.ndarray) -> np.ndarray:
    """(N, 2, 3): the points that look for risers."""
    toe = legs(qpos).toe
    return np.stack([toe.real, np.zeros_like(toe.real), toe.imag - TOE_DROP], axis=2)


def rotations(pitch: np.ndarray) -> np.ndarray:
    """(N, 3, 3): of the torso, for its pitch (N,), nose down."""
    found = np.zeros((len(pitch), 3, 3))
    cosine, sine = np.cos(pitch), np.sin(pitch)
    found[:, 0, 0], found[:, 0, 2], found[:, 2, 0], found[:, 2, 2], found[:, 1, 1] = cosine, sine, -sine, cosine, 1
    return found


def start(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions (9,) and velocities (9,) of a new episode: at the origin, the lower foot on level ground.

    Either leg is ahead, joints are moved by up to 0.05 rad, soles are level, the speed is up to 0.3 m/s (ours).
    """
    ordered = START[:: int(random.choice([1, -1]))]
    position, velocity = np.zeros(9), np.zeros(9)
    position[3:] = ordered.ravel()
    position[2:] += random.uniform(-0.05, 0.05, 7)
    position[[5, 8]] = -position[2] - position[[3, 6]] - position[[4, 7]]
    velocity[0] = random.uniform(-0.3, 0.3)
    points = legs(position[None])
    position[1] = RADII[2] - min(points.ankle.imag.min(), points.toe.imag.min())
    return position, velocity
