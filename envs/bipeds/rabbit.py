"""Rabbit: five links in the plane, four motors, point feet. Parameters are in `rabbit.xml`, with their sources."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from spreeze.envs.bipeds._native.planar import linearisation
from spreeze.envs.bipeds.inverse_kinematics import InverseKinematics
from spreeze.envs.bipeds.linearisation import Feet
from spreeze.envs.bipeds.robot import Robot, Servo

FEET = Feet(links=(2, 4), point=-0.38j, radius=0.02, flat=False)
STANDING = (-0.55, 1.0)
"""Hip and knee of the leg that stands, of a new episode [rad]."""
SWINGING = (-0.35, 1.1)
"""Of the other one."""


def start(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Stand on a random leg, joints moved by up to 0.05 rad, walking with up to 0.3 m/s either way (ours)."""
    stance = int(random.integers(2))
    legs = [STANDING, SWINGING] if stance == 0 else [SWINGING, STANDING]
    position = np.array([0.0, 0.0, 0.0, *legs[0], *legs[1]])
    position[2:] += random.uniform(-0.05, 0.05, 5)
    velocity = np.zeros(7)
    velocity[0] = random.uniform(-0.3, 0.3)
    return position, velocity, stance


ROBOT = Robot(
    model=Path(__file__).with_name("rabbit.xml"),
    controllers={
        "linearisation": partial(linearisation, feet=FEET, frequency=40.0),
        "inverse-kinematics": partial(InverseKinematics, feet=FEET, stiffness=3000.0, damping=100.0),
    },
    fields=("sensordata",),
    torso="torso",
    mass=32.0,
    mass_height=0.64,
    step_time=0.3,
    height=0.7,
    sole=0.02,
    vertical=1,
    clearance=0.08,
    low=(-0.45, -0.15, 0.62),
    high=(0.45, 0.3, 0.76),
    speed=((-0.5, 1.2),),
    start=start,
    servo=Servo(stiffness=800.0, damping=50.0, pose=(-0.45, 1.05) * 2, reach=0.8),
)
