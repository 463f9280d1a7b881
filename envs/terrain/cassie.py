"""Cassie over terrain: its model with servos, and numbers of it.

The body is that of `bipeds/cassie.xml`, but for the mass centre and the axes of inertia of the pelvis: here they lie in
the plane between the legs, so that a mirrored robot does the mirrored thing (ours; that centre is moved by 0.3 mm).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from spreeze.envs.terrain.ground import with_ground
from spreeze.envs.terrain.timing import DELAY_SAMPLES, PHYSICS_S

MODEL = Path(__file__).parent.parent / "bipeds" / "cassie.xml"
MOTORS = ("hip_roll", "hip_yaw", "hip_pitch", "knee", "foot")
"""Of a leg; the left leg is first everywhere."""
SIGNS = np.array([-1.0, -1.0, 1.0, 1.0, 1.0])
"""By which a leg's joints are multiplied in the mirrored pose of the other leg."""
STIFFNESS, DAMPING = np.array([80.0, 80.0, 110.0, 110.0, 50.0]), np.array([8.0, 8.0, 10.0, 10.0, 5.0])
"""Of the servos of a leg [N m/rad, N m s/rad]. [R]"""
TORQUE = np.array([112.5, 112.5, 195.2, 195.2, 45.0])
"""Their limits [N m]. [R]"""
REST = np.array([0.0045, 0.0, 0.4973, -1.1997, -1.5968])
"""Motors of the left leg at rest [rad]. [R]"""
LOAD = np.array([0.4, 0.0, -5.2, 40.0, -4.8])
"""Torques on them that carry the weight there [N m] (ours, measured)."""
LEFT = REST + LOAD / STIFFNESS
"""Targets of the left leg [rad] for an action of 0. The authors' are `REST` [R], by which the robot sinks."""
POSE = np.concatenate([LEFT, SIGNS * LEFT])
REACH = np.tile([0.4, 0.4, 0.8, 1.0, 0.8], 2)
"""Of the targets around it [rad] (ours; the authors' actions have no bounds)."""
HEIGHT = 1.0
"""Of the base at rest, to the lengths of the paper [m]."""
PERIOD = 0.7
"""Of the clock [s]. [R]"""
POSITIONS = np.array([7, 8, 9, 14, 20, 21, 22, 23, 28, 34])
VELOCITIES = np.array([6, 7, 8, 12, 18, 19, 20, 21, 25, 31])
"""Where motors are in positions and velocities of the model. [R]"""
PASSIVE_POSITIONS, PASSIVE_VELOCITIES = np.array([15, 16, 29, 30]), np.array([13, 14, 26, 27])
"""Where shin and tarsus are, which have encoders too. [R]"""
PELVIS = "pelvis"


def model() -> Any:
    """The `MjModel`, with boxes of ground."""
    return grounded().compile()


def grounded() -> Any:
    """Its `MjSpec`."""
    spec = robot()
    with_ground(spec, spatial=True, scale=HEIGHT)
    return spec


def robot() -> Any:
    """The `MjSpec` of Cassie with servos, without ground but the floor."""
    spec = mujoco.MjSpec.from_file(str(MODEL))
    spec.option.timestep = PHYSICS_S
    for index, motor in enumerate(list(spec.actuators)):
        joint, of_leg = motor.name, index % len(MOTORS)
        spec.delete(motor)
        servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=STIFFNESS[of_leg], kv=DAMPING[of_leg])
        servo.forcelimited, servo.forcerange = True, [-TORQUE[of_leg], TORQUE[of_leg]]
        servo.nsample, servo.interp, servo.delay = DELAY_SAMPLES, 1, 0.0
    pelvis = spec.body(PELVIS)
    pelvis.ipos[1], pelvis.fullinertia[3], pelvis.fullinertia[5] = 0.0, 0.0, 0.0
    return spec
