"""Input-output linearisation of planar robots: torques with which the outputs obey y'' = y_d'' - Kd y' - Kp y.

Outputs are pitch of the torso, height of the base above the stance foot, the swing foot (x from the mass centre, z
from the stance foot), and with feet the pitch of the swing foot. The stance foot is taken for fixed to the ground, a
round one for rolling. What is left is the angular momentum about it, which gravity alone changes: the virtual motion
that turns the robot around the contact gives that equation, without unknown forces. So one system of n equations for
the n angular accelerations is solved; contact force and torques follow.

Where torques are limited, the outputs miss what they are to do, together by as little as can be (`within`).

With feet, the one that stands is not turned, however the ground inclines it, and the ankle puts the centre of pressure
where the reference has it, so that the template's contact stays a point. The form for the five-link walker is that of
arXiv 2109.14862, whose public code has Kp = 1600 and Kd = 80; the form for feet is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import daqp
import numpy as np

from spreeze.envs.bipeds.chain import Chain
from spreeze.envs.bipeds.robot import Counts, Posture, Reference

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations


MISSES = 10.0, 1.0, 10.0, 1.0, 10.0
"""By how much accelerations of outputs miss alike where torques are limited: pitch [rad/s^2], height, swing foot x
and z [m/s^2], its pitch. Heights come first: who sinks or stumbles falls, who leans or steps short goes on (ours)."""


@dataclass(frozen=True)
class Feet:
    """How a planar robot touches the ground."""

    links: tuple[int, int]
    """Left and right link that does."""
    point: complex
    """Where, in the frame of the link [m]: the centre of a round foot, the template's contact of a flat sole."""
    radius: float
    """Of a round foot [m]."""
    flat: bool
    """Whether it stands flat, driven by an ankle, or rolls."""


class Linearisation:
    """A `Controller` of N planar robots."""

    def __init__(self, simulations: Simulations, feet: Feet, frequency: float) -> None:
        """Errors vanish critically damped: Kp = w^2, Kd = 2 w, with w = `frequency` [rad/s]."""
        self._stiffness, self._damping = frequency**2, 2 * frequency
        model = simulations.model
        self._simulations, self._feet, self.chain = simulations, feet, Chain(model)
        chain, count, self._size = self.chain, simulations.count, len(self.chain.origin)
        self._links = np.array(feet.links)
        points = [chain.origin[link] + feet.point * np.eye(self._size)[link] for link in feet.links]
        self._points = np.stack([*points, chain.first_moment / chain.mass])
        """(3, n): constants of left foot, right foot, mass centre."""
        self._limit = model.actuator_ctrlrange[:, 1].copy()
        self._joint_damping = model.dof_damping[3:].copy()
        self._rows = np.arange(count)
        self._torques = simulations.ctrl
        self._roll = np.zeros((2, self._size))
        self._roll[[0, 1], self._links] = 0 if feet.flat else feet.radius
        self._outputs = 5 if feet.flat else 4
        self._misses = np.array(MISSES[: self._outputs])
        self._aims = np.zeros((count, 3, self._outputs))
        self._matrix = np.zeros((count, self._size, self._size))
        self._aim = np.zeros((count, self._size, 1 + self._outputs))
        self._aim[:, range(self._outputs), range(1, 1 + self._outputs)] = 1
        self._to_joints = chain.from_joints[:, 1:].T.copy()
        self._posture = _empty(count)
        self.pressure = np.zeros(count)
        """(N,): as `Reference` has it; `track` sets it."""
        self.memory: dict[str, np.ndarray] = {}

    def posture(self) -> Posture:
        """As `Controller` says."""
        simulations, found = self._simulations, self._posture
        qpos, qvel = simulations.qpos, simulations.qvel
        self._motion = motion = self.chain.motion(qpos, qvel)
        self._places = motion.turned @ self._points.T
        self._speeds = (motion.turning * motion.rate) @ self._points.T
        found.base[:, ::2], found.base_velocity[:, ::2] = qpos[:, :2], qvel[:, :2]
        found.attitude[:, 1], found.attitude_rate[:, 1] = qpos[:, 2], qvel[:, 2]
        for values, base, feet, center in (
            (self._places, qpos, found.feet, found.mass_center),
            (self._speeds, qvel, found.feet_velocity, found.mass_velocity),
        ):
            np.add(values[:, :2].real, base[:, :1], out=feet[:, :, 0])
            np.add(values[:, :2].imag, base[:, 1:2], out=feet[:, :, 2])
            np.add(values[:, 2].real, base[:, 0], out=center[:, 0])
            np.add(values[:, 2].imag, base[:, 1], out=center[:, 2])
        found.force[:] = simulations.fields["sensordata"][:, :2]
        if self._feet.flat:
            found.soles[:] = motion.angle[:, self._links]
        return found

    def momentum(self, stance: np.ndarray) -> np.ndarray:
        """As `Controller` says."""
        motion, chain, velocity = self._motion, self.chain, self._simulations.qvel
        base = velocity[:, 0] + 1j * velocity[:, 1]
        leaning = (motion.turning @ chain.first_moment).conj() * base
        about_base = (chain.mass_matrix(motion) @ motion.rate[:, :, None]).sum(axis=(1, 2)) + leaning.real
        arm = -self._places[self._rows, stance] + 1j * self._feet.radius
        linear = chain.mass * (base + self._speeds[:, 2])
        found = np.zeros((len(base), 3))
        found[:, 1] = about_base + (arm.imag * linear.real - arm.real * linear.imag)
        return found

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """As `Controller` says."""
        accelerations = self._wanted(posture, reference)
        full, gains, failed = self.torques(reference.stance, accelerations)
        torques, saturated = within(full, gains * self._misses, self._limit)
        if failed.any():
            torques[failed] = self._torques[failed]
        self._torques[...] = torques
        return Counts(saturated, failed)

    def _wanted(self, posture: Posture, reference: Reference) -> np.ndarray:
        """(N, outputs): accelerations that bring the outputs to their references."""
        stance, places, speeds = reference.stance, self._places, self._speeds
        rows, count = self._rows, len(stance)
        swing = 1 - stance
        value, rate = np.empty((2, count, self._outputs))
        for out, seen, lean in ((value, places, posture.attitude), (rate, speeds, posture.attitude_rate)):
            stands, moves = seen[rows, stance], seen[rows, swing]
            out[:, 0] = lean[:, 1]
            out[:, 1] = -stands.imag
            out[:, 2] = moves.real - seen[:, 2].real
            out[:, 3] = moves.imag - stands.imag
        if self._feet.flat:
            links = self._links[swing]
            value[:, 4], rate[:, 4] = self._motion.angle[rows, links], self._motion.rate[rows, links]
        self._aim_at(reference)
        wanted = self._aims
        error, slope = wanted[:, 0] - value, wanted[:, 1] - rate
        found: np.ndarray = wanted[:, 2] + self._stiffness * error + self._damping * slope
        return found

    def _aim_at(self, reference: Reference) -> None:
        aims = self._aims
        aims[:, :, 0], aims[:, :, 1] = reference.pitch, reference.height
        aims[:, :, 2:4] = reference.swing[:, :, ::2]
        aims[:, 0, 4:] = reference.tilt[:, None]
        if self._feet.flat:
            self.pressure[:] = reference.pressure

    def torques(self, stance: np.ndarray, accelerations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Torques (N, joints) with which the outputs accelerate as wanted (N, outputs).

        Also by how much they change with each of these (N, joints, outputs), and where there are none (N,).
        """
        motion, chain, rows, flat = self._motion, self.chain, self._rows, self._feet.flat
        jacobian, bias = motion.turning[:, None] * self._points, motion.spinning @ self._points.T
        stands, held = jacobian[rows, stance], bias[rows, stance]
        swing, moved = jacobian[rows, 1 - stance], bias[rows, 1 - stance]
        matrix, aim = self._matrix, self._aim
        aim[:, : self._outputs, 0] = accelerations
        matrix[:, 0, 0] = 1
        matrix[:, 1], matrix[:, 3] = -stands.imag, swing.imag - stands.imag
        matrix[:, 2] = swing.real - jacobian[:, 2].real
        known = np.stack([held.imag, bias[:, 2].real - moved.real, held.imag - moved.imag], axis=1)
        aim[:, 1:4, 0] += known
        if flat:
            matrix[:, 4:6], aim[:, 5, 0] = 0, 0
            matrix[rows, 4, self._links[1 - stance]] = matrix[rows, 5, self._links[stance]] = 1
        contact, rests = stands - self._roll[stance], held
        if flat:
            link = self._links[stance]
            contact[rows, link] += self.pressure * motion.turning[rows, link]
            rests = held + self.pressure * motion.spinning[rows, link]
        mass, forces, moment = chain.mass_matrix(motion), chain.bias(motion), motion.turning * chain.first_moment
        lifted = motion.spinning @ chain.first_moment + 1j * chain.mass * chain.gravity
        shift = -contact.sum(axis=1)
        carried = chain.mass * shift + moment.sum(axis=1)
        matrix[:, -1] = mass.sum(axis=1)
        matrix[:, -1] += (shift.conj()[:, None] * moment - carried.conj()[:, None] * contact).real
        aim[:, -1, 0] = (carried.conj() * rests - shift.conj() * lifted).real - forces.sum(axis=1)
        found, failed = _solve(matrix, aim)
        base = -(contact[:, None] @ found)
        base[:, 0, 0] -= rests
        push = chain.mass * base + moment[:, None] @ found
        push[:, 0, 0] += lifted
        torques = mass @ found
        torques[:, :, 0] += forces
        torques += (moment.conj()[:, :, None] * base - contact.conj()[:, :, None] * push).real
        driven = self._to_joints @ torques
        full = driven[:, :, 0] + self._joint_damping * self._simulations.qvel[:, 3:]
        return full, driven[:, :, 1:], failed


def within(full: np.ndarray, rows: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Torques (N, J) within limits (J,), and where `full` ones (N, J) had to be changed (N,).

    min |x|^2 where full + rows @ x, with rows (N, J, K), are within the limits; x are misses in units of `MISSES`. What
    nothing brings within them is clipped.
    """
    saturated: np.ndarray = (np.abs(full) > limit).any(axis=1)
    kept, size = full.copy(), rows.shape[2]
    for n in np.flatnonzero(saturated).tolist():
        x, _, flag, _ = daqp.solve(np.eye(size), np.zeros(size), rows[n], limit - full[n], -limit - full[n])
        if flag > 0:
            kept[n] += rows[n] @ x
    return kept.clip(-limit, limit), saturated


def _solve(matrix: np.ndarray, aim: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solutions (N, n, R) of N systems, 0 where there are none, and where that is (N,)."""
    try:
        found = np.linalg.solve(matrix, aim)
    except np.linalg.LinAlgError:
        found = np.stack([_solve_one(own, wanted) for own, wanted in zip(matrix, aim, strict=True)])
    failed = np.asarray(~np.isfinite(found).all(axis=(1, 2)))
    found[failed] = 0
    return found, failed


def _solve_one(matrix: np.ndarray, aim: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(matrix, aim)
    except np.linalg.LinAlgError:
        return np.full(aim.shape, np.nan)


def _empty(count: int) -> Posture:
    point, feet = (count, 3), (count, 2, 3)
    shapes = (point, point, point, point, point, point, feet, feet, (count, 2), (count, 2))
    return Posture(*(np.zeros(shape) for shape in shapes))
