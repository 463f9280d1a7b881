"""Another low-level controller of planar robots: inverse kinematics of both legs, joints held by servos.

It knows lengths and no masses. Torques are Kp (q_d - q) + Kd (q_d' - q'), with the angles at which the feet would be
where they are meant to be, and the rates with which they would move as they are meant to; the foot that stands stays
where it is horizontally. The ankle of a sole that carries force balances it, so that the centre of pressure stays at
the template's point. Ours; the literature has such controllers without the numbers.
"""

from __future__ import annotations

import numpy as np

from spreeze.envs.bipeds.linearisation import Feet, Linearisation
from spreeze.envs.bipeds.robot import TICK_S, Counts, Posture, Reference
from spreeze.envs.native.simulations import Simulations

CARRIES_N = 20.0
"""Force of a sole that stands, from which on its ankle balances."""


class InverseKinematics(Linearisation):
    """A `Controller` of N planar robots that shares the kinematics of the other one, and nothing else."""

    def __init__(self, simulations: Simulations, feet: Feet, stiffness: float, damping: float) -> None:
        """Servos of `stiffness` [N m/rad] and `damping` [N m s/rad]."""
        super().__init__(simulations, feet, 0.0)
        self._servo = stiffness, damping
        origin, last = self.chain.origin, feet.links[0]
        shin = 2
        self._thigh = abs(origin[shin, shin - 1])
        self._shin = abs(origin[last, shin]) if feet.flat else abs(feet.point)
        self._ankle = -feet.point if feet.flat else 0j

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """As `Controller` says."""
        now = self._angles(posture, reference, 0.0)
        rates = (self._angles(posture, reference, TICK_S) - now) / TICK_S
        simulations = self._simulations
        stiffness, damping = self._servo
        torques = stiffness * (now - simulations.qpos[:, 3:]) + damping * (rates - simulations.qvel[:, 3:])
        if self._feet.flat:
            self._balance(torques, reference.stance, posture.force)
        saturated = (np.abs(torques) > self._limit).any(axis=1)
        np.clip(torques, -self._limit, self._limit, out=simulations.ctrl)
        return Counts(saturated, np.zeros(len(torques), bool))

    def _balance(self, torques: np.ndarray, stance: np.ndarray, force: np.ndarray) -> None:
        """Ankles of soles that stand: the force (N, 2) times its distance ahead, without the horizontal force."""
        rows, ankles = self._rows, 2 + 3 * stance
        carried = force[rows, stance]
        balanced = self._feet.point.real * carried
        torques[rows, ankles] = np.where(carried > CARRIES_N, balanced, torques[rows, ankles])

    def _angles(self, posture: Posture, reference: Reference, ahead_s: float) -> np.ndarray:
        """(N, joints): of both legs, if all rates go on for `ahead_s`."""
        stance, rows = reference.stance, self._rows
        kept = (reference.swing, reference.height, reference.pitch)
        swing, height, pitch = (values[:, 0] + ahead_s * values[:, 1] for values in kept)
        center = posture.mass_center[:, 0] - posture.base[:, 0]
        center += ahead_s * (posture.mass_velocity[:, 0] - posture.base_velocity[:, 0])
        stands = posture.feet[rows, stance, 0] - posture.base[:, 0] - ahead_s * posture.base_velocity[:, 0]
        feet = np.empty((len(rows), 2), complex)
        feet[rows, stance] = stands - 1j * height
        feet[rows, 1 - stance] = center + swing[:, 0] + 1j * (swing[:, 2] - height)
        knee, thigh = self._leg(feet + self._ankle)
        hip = thigh - pitch[:, None]
        parts = [hip, knee] + ([reference.tilt[:, None] - pitch[:, None] - hip - knee] if self._feet.flat else [])
        return np.stack(parts, axis=2).reshape(len(rows), -1)

    def _leg(self, ankles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Angles (N, 2) of knees, and of thighs in the world, with which ankles are there, seen from the hips."""
        squared = np.abs(ankles) ** 2 - self._thigh**2 - self._shin**2
        knee = np.arccos(np.clip(squared / (2 * self._thigh * self._shin), -1.0, 1.0))
        along = np.arctan2(-ankles.real, -ankles.imag)
        return knee, along - np.arctan2(self._shin * np.sin(knee), self._thigh + self._shin * np.cos(knee))
