"""Planar trees of links: kinematics and dynamics of N robots in closed form, in complex numbers.

A point of the plane is x + i z, a link that leans forward by t turns its own frame by e = exp(-i t). With the links'
absolute angles t as coordinates, a point of the robot, seen from its base, is sum_j w_j e_j with constants w, its
Jacobian is -i w_j e_j, and its acceleration at constant rates is -sum_j w_j t_j'^2 e_j. Everything else follows from
sums over the mass centres of the links.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Motion(NamedTuple):
    """N robots at one moment; complex numbers are x + i z."""

    turned: np.ndarray
    """(N, n) complex: e of every link."""
    angle: np.ndarray
    """(N, n): absolute, [rad]."""
    rate: np.ndarray
    """(N, n) [rad/s]."""
    turning: np.ndarray
    """(N, n) complex: -i e, by which a link's constants become Jacobians."""
    spinning: np.ndarray
    """(N, n) complex: -e t'^2, by which they become accelerations at constant rates."""


class Chain:
    """The nominal robot. Its root has the joints x, z and pitch, every other body one hinge about +y."""

    def __init__(self, model: Any) -> None:
        """Read lengths, masses, inertias and armatures of an `MjModel`; bodies 1 to n are the links."""
        links = range(1, model.nbody)
        origin = np.zeros((model.nbody, model.nbody), complex)
        self.from_joints = np.eye(model.nbody)
        for link in links[1:]:
            parent = model.body_parentid[link]
            origin[link] = origin[parent]
            origin[link, parent] += _point(model.body_pos[link])
            self.from_joints[link] += self.from_joints[parent]
        centers = origin + np.diag([_point(position) for position in model.body_ipos])
        self.mass = float(model.body_mass.sum())
        self.gravity = float(-model.opt.gravity[2])
        self.origin, self.from_joints = origin[1:, 1:], self.from_joints[1:, 1:]
        """(n, n): constants of the links' origins; absolute angles of those of the joints."""
        centers = centers[1:, 1:]
        self.first_moment = model.body_mass[1:] @ centers
        """(n,): constants of the mass centre, times the mass."""
        self.second_moment = centers.conj().T @ (model.body_mass[1:, None] * centers)
        to_joints = np.linalg.inv(self.from_joints)
        armature = to_joints.T @ np.diag(model.dof_armature[2:]) @ to_joints
        self.inertia = np.diag([_inertia(model, link) for link in links]) + armature

    def motion(self, qpos: np.ndarray, qvel: np.ndarray) -> Motion:
        """Of positions and velocities (N, n + 2) of the joints."""
        angle, rate = qpos[:, 2:] @ self.from_joints.T, qvel[:, 2:] @ self.from_joints.T
        turned = np.empty(angle.shape, complex)
        turned.real, turned.imag = np.cos(angle), -np.sin(angle)
        return Motion(turned, angle, rate, -1j * turned, turned * -(rate * rate))

    def mass_matrix(self, motion: Motion) -> np.ndarray:
        """(N, n, n): of the absolute angles, the base at rest."""
        pairs = motion.turned.conj()[:, :, None] * motion.turned[:, None, :]
        found: np.ndarray = (pairs * self.second_moment).real + self.inertia
        return found

    def bias(self, motion: Motion) -> np.ndarray:
        """(N, n): forces on the absolute angles at constant rates, gravity included: M t'' + bias = torques."""
        spinning = motion.spinning @ self.second_moment.T
        held: np.ndarray = (motion.turning.conj() * spinning).real
        held += self.gravity * (motion.turning * self.first_moment).imag
        return held


def _point(position: np.ndarray) -> complex:
    return complex(position[0], position[2])


def _inertia(model: Any, link: int) -> float:
    """About the axis y through the mass centre."""
    w, x, y, z = model.body_iquat[link]
    axis = np.array([2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)])
    return float(model.body_inertia[link] @ axis**2)
