"""Walker2D: seven links in the plane with feet, six motors. Parameters are in `walker2d.xml`, with their source."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from spreeze.envs.bipeds._native.planar import linearisation
from spreeze.envs.bipeds.inverse_kinematics import InverseKinematics
from spreeze.envs.bipeds.linearisation import Feet
from spreeze.envs.bipeds.robot import Robot, Servo

FEET = Feet(links=(3, 6), point=0.05 - 0.06j, radius=0.0, flat=True)
"""The point is 0.05 m ahead of the ankle, a quarter of the sole: around it, a leg behind reaches as far as one ahead,
within the 45 degrees of the ankle."""
STANDING = (-0.33, 0.7, -0.37)
"""Hip, knee and ankle of the leg that stands, of a new episode [rad]."""
SWINGING = (-0.29, 0.9, -0.61)
"""Of the other one."""


def start(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Stand on a random leg, joints moved by up to 0.05 rad, walking with up to 0.3 m/s either way (ours)."""
    stance = int(random.integers(2))
    legs = [STANDING, SWINGING] if stance == 0 else [SWINGING, STANDING]
    position = np.array([0.0, 0.0, 0.0, *legs[0], *legs[1]])
    position[2:] += random.uniform(-0.05, 0.05, 7)
    for hip in (3, 6):  # Soles stay level.
        position[hip + 2] = -position[2] - position[hip] - position[hip + 1]
    velocity = np.zeros(9)
    velocity[0] = random.uniform(-0.3, 0.3)
    return position, velocity, stance


ROBOT = Robot(
    model=Path(__file__).with_name("walker2d.xml"),
    controllers={
        "linearisation": partial(linearisation, feet=FEET, frequency=30.0),
        "inverse-kinematics": partial(InverseKinematics, feet=FEET, stiffness=1500.0, damping=40.0),
    },
    fields=("sensordata",),
    torso="torso",
    mass=23.677,
    mass_height=0.6,
    step_time=0.4,
    height=0.92,
    sole=0.0,
    vertical=1,
    clearance=0.06,
    low=(-0.45, -0.25, 0.78),
    high=(0.45, 0.25, 0.94),
    speed=((-0.5, 1.5),),
    start=start,
    servo=Servo(stiffness=300.0, damping=12.0, pose=(-0.35, 0.85, -0.5) * 2, reach=0.8),
)
