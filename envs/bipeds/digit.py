"""Digit: 20 motors in three dimensions, 47.93 kg. Parameters are in `digit.xml`, with their source."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from spreeze.envs.bipeds.digit_control import WholeBody
from spreeze.envs.bipeds.robot import Robot

MASS_HEIGHT = 0.93
"""H of the template, of a torso 0.98 m above the ground [m]."""
LEG = np.array([0.3615, 0.0008, 0.2860, 0.3734, -0.3734, 0.1159, -0.0159])
"""Hip roll, yaw, pitch, knee, tarsus, toe pitch, roll of the left leg at rest [rad]; the right has the negatives."""
ARM = np.array([-0.1506, 1.0922, 0.0017, -0.1391])
"""Shoulder roll, pitch and yaw, elbow."""


def start(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Stand on both feet, the next step on a random one; joints off by up to 0.03 rad, up to 0.2 m/s ahead (ours)."""
    stance = int(random.integers(2))
    side = np.concatenate([LEG, ARM])
    joints = np.concatenate([side, -side]) + random.uniform(-0.03, 0.03, 22)
    joints[[4, 15]] = -joints[[3, 14]]
    position = np.concatenate([[0.0, 0.0, 1.04, 1.0, 0.0, 0.0, 0.0], joints])
    velocity = np.zeros(28)
    velocity[:2] = random.uniform(-0.2, 0.2), random.uniform(-0.05, 0.05)
    return position, velocity, stance


ROBOT = Robot(
    model=Path(__file__).with_name("digit.xml"),
    controllers={"whole-body": partial(WholeBody, mass_height=MASS_HEIGHT)},
    fields=("sensordata",),
    torso="torso",
    mass=47.925,
    mass_height=MASS_HEIGHT,
    step_time=0.4,
    height=0.98,
    sole=0.0,
    vertical=2,
    clearance=0.1,
    low=(-0.4, 0.04, -0.15, 0.9),
    high=(0.4, 0.35, 0.15, 1.03),
    speed=((-0.3, 0.8), (-0.2, 0.2), (-0.3, 0.3)),
    start=start,
)
