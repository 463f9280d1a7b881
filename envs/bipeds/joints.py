"""The view of an end-to-end policy: it sees the whole state and decides on targets of the joints, 33 times a second."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Space

from spreeze.envs.bipeds.gait import TOUCH_N
from spreeze.envs.bipeds.rewards import reward
from spreeze.envs.bipeds.robot import Counts, Posture, Reference
from spreeze.envs.bipeds.scheme import World


class Joints:
    """A `Scheme` of planar robots with servos. The gait only counts steps, for the mean speed and for pushes.

    Observed: height of the base above the lower foot, pitch, joints, all velocities, which feet touch the ground, the
    command, the error of the mean speed, the targets before.
    """

    def __init__(self, world: World) -> None:
        robot, simulations = world.robot, world.simulations
        assert robot.servo is not None, "only robots with servos have such an environment"
        self._world, self._servo, count = world, robot.servo, simulations.count
        pose = np.array(robot.servo.pose)
        low, high = (pose + side * robot.servo.reach for side in (-1, 1))
        self.action_space = Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
        self._first = simulations.model.nv - len(pose)
        self._limit = simulations.model.actuator_ctrlrange[:, 1].copy()
        self._pose, self._failed = pose, np.zeros(count, bool)
        self._targets, self._change = np.tile(pose, (count, 1)), np.zeros((count, len(pose)))
        size = 2 + len(pose) + simulations.model.nv + 2 + 2 + len(pose)
        self.observation_space: Space[object] = Box(-np.inf, np.inf, (size,), np.float32)
        self.memory = {"joints/targets": self._targets}

    def begin(self, indices: np.ndarray) -> None:
        """As `Scheme` says."""
        self._targets[indices] = self._world.simulations.qpos[indices, self._first :]

    def decide(self, actions: np.ndarray) -> None:
        """As `Scheme` says."""
        self._change[...] = (actions - self._targets) / self._servo.reach
        self._targets[...] = actions

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """As `Scheme` says."""
        simulations, servo = self._world.simulations, self._servo
        error = self._targets - simulations.qpos[:, self._first :]
        wanted = servo.stiffness * error - servo.damping * simulations.qvel[:, self._first :]
        np.clip(wanted, -self._limit, self._limit, out=simulations.ctrl)
        return Counts((np.abs(wanted) > self._limit).any(axis=1), self._failed)

    def observe(self, posture: Posture) -> np.ndarray:
        """As `Scheme` says."""
        simulations, conditions = self._world.simulations, self._world.conditions
        parts = (
            (posture.base[:, 2] - posture.feet[:, :, 2].min(axis=1))[:, None],
            simulations.qpos[:, 2:],
            simulations.qvel,
            posture.force > TOUCH_N,
            conditions.command,
            self._world.speed[:, :1] - conditions.command,
            (self._targets - self._pose) / self._servo.reach,
        )
        return np.concatenate(parts, axis=1)

    def reward(self, posture: Posture) -> np.ndarray:
        """As `Scheme` says."""
        error = self._world.speed[:, :1] - self._world.conditions.command
        height = posture.base[:, 2] - posture.feet[:, :, 2].min(axis=1)
        return reward(error, posture.attitude[:, :2], (height - self._world.robot.height)[:, None], self._change)
