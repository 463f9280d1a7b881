"""Digit's controller at 1 kHz: inverse dynamics in the space of its tasks, as a quadratic programme for each robot.

Tasks are height and attitude of the torso, position and attitude of the swing foot, the joints of the arms, and no
torque in the toes that stand, which leaves the horizontal motion of the torso to gravity as the template has it. The
foot that stands does not accelerate. Accelerations of tasks are those of their references and of springs and dampers:

    minimise |x|^2,  x = weighted miss of the tasks,  subject to  the motors' limits,  the wrench within its cone.

Equations of motion, contact and the linkages of the tarsi are solved for all else first (`digit_dynamics.py`), so 20
unknowns are left, and x = 0 is the solution wherever it violates nothing: only the other robots need the solver. Where
no torques within the limits keep to the cone, it is left by as little as possible, which counts as a failure. Gains
and weights are ours.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import daqp
import numpy as np

from spreeze.envs.bipeds._native import dynamics
from spreeze.envs.bipeds.digit_dynamics import CONE_ROWS, TASKS, TORQUES, cone
from spreeze.envs.bipeds.robot import Counts, Posture, Reference

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations

FRICTION = 0.6
"""Coefficient that the cone assumes."""
LEAST_FORCE = 20.0
"""With which the foot that stands is to press [N]."""
HEIGHT_GAINS = 225.0, 30.0
"""Kp [1/s^2] and Kd [1/s] of the torso's height."""
TURN_GAINS = 400.0, 40.0
"""Of the attitudes of torso and swing foot."""
SWING_GAINS = 729.0, 54.0
"""Of the swing foot's position; those of public code for Digit (27 rad/s, critically damped)."""
ARM_GAINS = 100.0, 20.0
"""Of the arms' joints."""
WEIGHTS = np.array([0.01, 0.01, 4, 4, 4, 4, 1, 1, 1, 0.3, 0.3, 0.3, *[0.05] * 8])
"""Of the squared misses: toes (pitch, roll) [N m], height, attitude, swing foot, its attitude, arms [SI units]."""
ARMS = np.r_[13:17, 24:28]
"""Joints of the arms among MuJoCo's velocities; positions are one further."""
UNBOUNDED = 1e30
"""What daqp takes for no bound."""
SOFT = 8
"""What daqp calls a constraint that may be violated."""
ACTIVE = np.array([0, 1, 3], np.int32)
"""What it calls one that it is to begin with: not, at the upper bound, at the lower one (index -1)."""


class WholeBody:
    """A `Controller` of N Digits."""

    def __init__(self, simulations: Simulations, mass_height: float) -> None:
        model, count = simulations.model, simulations.count
        self._simulations, self._torques = simulations, simulations.ctrl
        # A copy: who draws an episode gives its payload and ground to the model of the simulations.
        self.dynamics = dynamics(copy.copy(model), count)
        self._mass = float(model.body_subtreemass[1])
        self._growth = -float(model.opt.gravity[2]) / mass_height
        self._arms = model.key("home").qpos[ARMS + 1].copy()
        self._limit = model.actuator_ctrlrange[:, 1].copy()
        self._scale, self._cone = 1 / np.sqrt(WEIGHTS), cone(FRICTION, LEAST_FORCE)
        self._upper = np.append(self._limit, np.zeros(CONE_ROWS))
        self._lower = np.append(-self._limit, np.full(CONE_ROWS, -np.inf))
        self._wanted, self._toes = np.zeros((count, TASKS)), np.zeros((count, 2))
        self._rows, self._solver, self._found = np.arange(count), Solver(count), np.zeros((count, TORQUES))
        self._seen, self._posture = np.full((count, model.nq + model.nv), np.nan), _empty(count)
        self._rotation = np.zeros((count, 3, 3))
        self.memory: dict[str, np.ndarray] = {"controller/active": self._solver.active}

    def posture(self) -> Posture:
        """As `Controller` says."""
        simulations, found = self._simulations, self._posture
        state = np.concatenate([simulations.qpos, simulations.qvel], axis=1)
        if not np.array_equal(state, self._seen):
            self._seen = state
            self._look(simulations.qpos, simulations.qvel)
        found.force[:] = simulations.fields["sensordata"]
        return found

    def momentum(self, stance: np.ndarray) -> np.ndarray:
        """As `Controller` says."""
        terms = self.dynamics.terms
        arm = terms["mass_center"] - terms["soles"][self._rows, stance]
        found: np.ndarray = np.cross(arm, self._mass * terms["mass_velocity"]) + terms["momentum"]
        return found

    def track(self, posture: Posture, reference: Reference) -> Counts:
        """As `Controller` says."""
        self._aim(posture, reference)
        self.dynamics.pose(reference.stance, self._wanted, self._toes, self._scale, self._cone)
        problems, torques, found = self.dynamics.problems, self._torques, self._found
        settled = self.dynamics.settle(self._upper, self._lower, self._solver.active, found)
        torques[settled] = found[settled]
        failed = np.zeros(len(settled), bool)
        for n in np.flatnonzero(~settled).tolist():
            x, kept = self._solver.solve(n, problems[n], self._upper, self._lower)
            failed[n] = not kept
            if x is not None:
                wanted = problems[n]["rows"][:TORQUES] @ x + problems[n]["offset"][:TORQUES]
                torques[n] = np.clip(wanted, -self._limit, self._limit)
        return Counts((np.abs(torques) >= self._limit).any(axis=1), failed)

    def _look(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        """Evaluate the terms of this state, and fill the posture."""
        self.dynamics.evaluate(positions, velocities)
        terms, found = self.dynamics.terms, self._posture
        rotation = self._rotation = _rotations(positions[:, 3:7])
        found.base[:], found.base_velocity[:] = positions[:, :3], velocities[:, :3]
        found.attitude[:, 0] = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
        found.attitude[:, 1] = np.arcsin(np.clip(-rotation[:, 2, 0], -1, 1))
        found.attitude[:, 2] = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
        found.attitude_rate[:] = (rotation @ velocities[:, 3:6, None])[:, :, 0]
        found.mass_center[:], found.mass_velocity[:] = terms["mass_center"], terms["mass_velocity"]
        found.feet[:], found.feet_velocity[:] = terms["soles"], terms["sole_velocity"][:, :, :3]

    def _aim(self, posture: Posture, reference: Reference) -> None:
        """Fill the accelerations that bring the tasks to their references."""
        wanted, rows, stance = self._wanted, self._rows, reference.stance
        terms, velocities = self.dynamics.terms, self._simulations.qvel
        foot, foot_velocity = posture.feet[rows, stance], posture.feet_velocity[rows, stance]
        height, climb = posture.base[:, 2] - foot[:, 2], posture.base_velocity[:, 2] - foot_velocity[:, 2]
        wanted[:, 2] = _spring(reference.height[:, 0], reference.height[:, 1], height, climb, HEIGHT_GAINS)
        wanted[:, 2] += reference.height[:, 2]
        wanted[:, 3:6] = self._turn(reference, velocities[:, 3:6])
        swing, at, speed = terms["soles"][rows, 1 - stance], posture.mass_center.copy(), posture.mass_velocity.copy()
        at[:, 2], speed[:, 2] = foot[:, 2], foot_velocity[:, 2]
        swing_velocity = terms["sole_velocity"][rows, 1 - stance]
        wanted[:, 6:9] = reference.swing[:, 2] + _spring(
            reference.swing[:, 0], reference.swing[:, 1], swing - at, swing_velocity[:, :3] - speed, SWING_GAINS
        )
        wanted[:, 6:8] += self._growth * (at - foot)[:, :2]
        wanted[:, 9:12] = self._turn_foot(reference, swing_velocity[:, 3:])
        arms = self._simulations.qpos[:, ARMS + 1]
        wanted[:, 12:] = _spring(self._arms, 0.0, arms, velocities[:, ARMS], ARM_GAINS)

    def _turn(self, reference: Reference, velocity: np.ndarray) -> np.ndarray:
        """(N, 3): angular acceleration of the torso, in its own frame."""
        pitch, yaw, own = reference.pitch, reference.yaw, self._rotation.transpose(0, 2, 1)
        cosine, sine = np.cos(yaw[:, 0]), np.sin(yaw[:, 0])
        lean_cosine, lean_sine = np.cos(pitch[:, 0]), np.sin(pitch[:, 0])
        aim = _columns(
            (cosine * lean_cosine, sine * lean_cosine, -lean_sine),
            (-sine, cosine, 0 * sine),
            (cosine * lean_sine, sine * lean_sine, lean_cosine),
        )
        turning = np.stack([-sine[:, None] * pitch, cosine[:, None] * pitch, yaw], axis=1)
        rate, acceleration = (own @ turning[:, :, order : order + 1] for order in (1, 2))
        found: np.ndarray = acceleration[:, :, 0] + _spring(
            _angles(own @ aim), rate[:, :, 0], 0.0, velocity, TURN_GAINS
        )
        return found

    def _turn_foot(self, reference: Reference, velocity: np.ndarray) -> np.ndarray:
        """(N, 3): angular acceleration of the swing foot, towards the heading and the plane of the other foot."""
        frames, rows = self.dynamics.terms["frames"], self._rows
        up = frames[rows, reference.stance][:, :, 2]
        yaw = reference.yaw
        ahead = np.stack([np.cos(yaw[:, 0]), np.sin(yaw[:, 0]), np.zeros(len(yaw))], axis=1)
        ahead -= (ahead * up).sum(axis=1)[:, None] * up
        ahead /= np.sqrt((ahead * ahead).sum(axis=1))[:, None]
        own = frames[rows, 1 - reference.stance]
        aim = np.stack([ahead, np.cross(up, ahead), up], axis=2)
        error = (own @ _angles(own.transpose(0, 2, 1) @ aim)[:, :, None])[:, :, 0]
        rate = np.zeros_like(error)
        rate[:, 2] = yaw[:, 1]
        found: np.ndarray = _spring(error, rate, 0.0, velocity, TURN_GAINS)
        return found


class Solver:
    """The quadratic programmes of N robots; each begins with the constraints that were active in its last one."""

    def __init__(self, count: int) -> None:
        self.active = np.zeros((count, TORQUES + CONE_ROWS), np.int8)
        """(N, 37): constraints active in the last solution, 1 at their upper bound and -1 at their lower one."""
        self._hessian, self._gradient = np.eye(TASKS), np.zeros(TASKS)
        self._soft = np.append(np.zeros(TORQUES, np.int32), np.full(CONE_ROWS, SOFT, np.int32))

    def solve(self, n: int, problem: Any, upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray | None, bool]:
        """Return x (20,) of robot `n`, and whether it keeps to all limits; None if there is none; of a `PROBLEM`."""
        offset = problem["offset"]
        bounds = upper - offset, np.maximum(lower - offset, -UNBOUNDED)
        given = self._hessian, self._gradient, problem["rows"], *bounds
        x, _, flag, info = daqp.solve(*given, ACTIVE[self.active[n]])
        kept = flag > 0
        if not kept:
            x, _, flag, info = daqp.solve(*given, self._soft)
        self.active[n] = np.sign(info["lam"]) if kept else 0
        return (x if flag > 0 else None), kept


def _spring(aim: Any, rate: Any, value: Any, velocity: np.ndarray, gains: tuple[float, float]) -> np.ndarray:
    """Kp (aim - value) + Kd (rate - velocity)."""
    found: np.ndarray = gains[0] * (aim - value) + gains[1] * (rate - velocity)
    return found


def _rotations(quaternions: np.ndarray) -> np.ndarray:
    """(N, 3, 3) of unit quaternions (N, 4), real part first."""
    w, x, y, z = quaternions.T
    return _columns(
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )


def _columns(*columns: tuple[np.ndarray, ...]) -> np.ndarray:
    """(N, 3, 3) of columns of entries (N,)."""
    entries = np.array(columns)  # (column, row, N)
    found: np.ndarray = entries.transpose(2, 1, 0)
    return found


def _angles(rotations: np.ndarray) -> np.ndarray:
    """(N, 3): sine of the angle about the axis, of rotations (N, 3, 3)."""
    turned = rotations.transpose(0, 2, 1)
    skew = (rotations - turned) / 2
    return np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)


def _empty(count: int) -> Posture:
    point, feet = (count, 3), (count, 2, 3)
    shapes = (point, point, point, point, point, point, feet, feet, (count, 2), (count, 2))
    return Posture(*(np.zeros(shape) for shape in shapes))
