"""Rigid-body terms of one Digit, as its controller's model has them, and what its torques do to its tasks.

Legend. Reduced velocities (26): torso (6: linear in the world, angular in its own frame), left leg (6: hip roll, yaw,
pitch, knee, toe pitch, roll), left arm (4), right leg (6), right arm (4). The tarsus is gone: it turns by the negative
of the knee. A foot is its sole: the middle of the rectangle that is to lie on the ground. Vectors are in the world.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

FREE, LEG, ARM = 6, 6, 4
LEGS = (slice(6, 12), slice(16, 22))
"""Columns of the legs, left and right, among reduced velocities."""
ARMS = (slice(12, 16), slice(22, 26))
REDUCED = 26
TORQUES = 20
TASKS = 20
"""Reduced accelerations but for those of the foot that stands, which has none."""
KNEES, TARSI = np.array([9, 20]), np.array([10, 21])
"""Joints among MuJoCo's 28 velocities."""
KEPT = np.delete(np.arange(28), TARSI)
TOES = np.array([[-0.526, 0.519], [1.656, 1.656]])
"""d(pitch, roll) / d(a, b) of the toes' transmission."""
HALF_LENGTH, HALF_WIDTH = 0.1175, 0.04
"""Of a sole [m]."""
CONE_ROWS = 17


TERMS = np.dtype(
    [
        ("mass", float, (REDUCED, REDUCED)),
        ("bias", float, (REDUCED,)),
        ("torso", float, (2, 6, FREE)),
        ("leg", float, (2, 6, LEG)),
        ("drift", float, (2, 6)),
        ("frames", float, (2, 3, 3)),
        ("soles", float, (2, 3)),
        ("sole_velocity", float, (2, 6)),
        ("mass_center", float, (3,)),
        ("mass_velocity", float, (3,)),
        ("momentum", float, (3,)),
    ]
)
"""Rigid-body terms of one state.

mass: M; bias: h, so that M a + h = torques + J' wrench (gravity, velocities and damping, no dry friction); torso, leg:
J of each sole (linear, angular) by the velocities of torso and leg; drift: acceleration of each sole where all
reduced accelerations are 0; frames: axes of the soles, in columns forward, left, up; soles [m]; sole_velocity [m/s,
rad/s]; mass_center [m]; mass_velocity [m/s]; momentum: angular, about the mass centre [kg m^2/s].
"""

PROBLEM = np.dtype([("rows", float, (TORQUES + CONE_ROWS, TASKS)), ("offset", float, (TORQUES + CONE_ROWS,))])
"""20 motors [N m], then the friction cone, to be at most 0: rows @ x + offset, x the weighted misses of the tasks."""


def cone(friction: float, least: float) -> np.ndarray:
    """(17, 7): rows C and offset c, so that C w + c <= 0 for wrenches w that flat ground gives to a sole.

    The sole's corners give forces in a pyramid of that coefficient of `friction`, at least `least` [N] together; w is
    (force, moment about the middle) in the sole's frame. Closed form of Caron, Pham and Nakamura, ICRA 2015.
    """
    length, width = HALF_LENGTH, HALF_WIDTH
    signs = [(i, j) for i in (1, -1) for j in (1, -1)]
    rows = [[s, 0, -friction, 0, 0, 0] for s in (1, -1)] + [[0, s, -friction, 0, 0, 0] for s in (1, -1)]
    rows += [[0, 0, -width, s, 0, 0] for s in (1, -1)] + [[0, 0, -length, 0, s, 0] for s in (1, -1)]
    reach = friction * (length + width)
    for i, j in signs:
        rows.append([i * width, j * length, -reach, -i * friction, -j * friction, -1])
        rows.append([i * width, j * length, -reach, i * friction, j * friction, 1])
    rows.append([0, 0, -1, 0, 0, 0])
    return np.column_stack([rows, np.append(np.zeros(len(rows) - 1), least)])


class Dynamics:
    """Evaluates N robots with a model of its own, which knows of no payload."""

    def __init__(self, model: Any, count: int) -> None:
        self.model, self._data = model, mujoco.MjData(model)
        self.sites = np.array([model.site(f"{side}_sole").id for side in ("left", "right")])
        self.terms, self.problems = np.zeros(count, TERMS), np.zeros(count, PROBLEM)
        self._full, self._bias = np.zeros((model.nv, model.nv)), np.zeros(model.nv)
        self._jacobian, self._rate = np.zeros((2, 6, model.nv)), np.zeros((6, model.nv))

    def evaluate(self, positions: np.ndarray, velocities: np.ndarray) -> None:
        """Fill `terms` at `positions` (N, 29) and `velocities` (N, 28) of MuJoCo."""
        for terms, position, velocity in zip(self.terms, positions, velocities, strict=True):
            self._evaluate(terms, position, velocity)

    def pose(
        self, stance: np.ndarray, wanted: np.ndarray, toes: np.ndarray, scale: np.ndarray, cone: np.ndarray
    ) -> None:
        """Fill `problems`: `stance` (N,), `wanted` (N, 20), `toes` (N, 2), the rest as `problem` says."""
        for n, terms in enumerate(self.terms):
            rows, offset = problem(terms, int(stance[n]), wanted[n], toes[n], scale, cone)
            self.problems["rows"][n], self.problems["offset"][n] = rows, offset

    def settle(self, upper: np.ndarray, lower: np.ndarray, active: np.ndarray, torques: np.ndarray) -> np.ndarray:
        """Solve the programmes min |x|^2, `lower` <= rows @ x + offset <= `upper` (37,), of `problems` that are easy.

        Easy is where x = 0 keeps to all limits. Fills the `active` constraints (N, 37: 1 at the upper limit, -1 at the
        lower one) and `torques` (N, 20) of these; returns which they are (N,).
        """
        offset = self.problems["offset"]
        settled = np.asarray(((offset <= upper) & (offset >= lower)).all(axis=1))
        torques[settled], active[settled] = offset[settled, :TORQUES], 0
        return settled

    def _evaluate(self, terms: Any, position: np.ndarray, velocity: np.ndarray) -> None:
        model, data = self.model, self._data
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_crb(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_rne(model, data, 0, self._bias)
        mujoco.mj_subtreeVel(model, data)
        mujoco.mj_fullM(model, data, self._full)
        terms["drift"] = [self._sole(foot) for foot in (0, 1)]
        jacobian = _reduced(self._jacobian)
        terms["mass"] = _reduced(_reduced(self._full).T)
        terms["bias"] = _reduced(self._bias + model.dof_damping * velocity)
        terms["torso"] = jacobian[:, :, :FREE]
        terms["leg"] = [jacobian[foot, :, LEGS[foot]] for foot in (0, 1)]
        terms["frames"] = data.site_xmat[self.sites].reshape(2, 3, 3)
        terms["soles"] = data.site_xpos[self.sites]
        terms["sole_velocity"] = self._jacobian @ velocity
        terms["mass_center"] = data.subtree_com[1]
        terms["mass_velocity"] = data.subtree_linvel[1]
        terms["momentum"] = data.subtree_angmom[1]

    def _sole(self, foot: int) -> np.ndarray:
        """Fill the Jacobian of a sole; return its drift (6,)."""
        model, data, rate, site = self.model, self._data, self._rate, self.sites[foot]
        jacobian, point, body = self._jacobian[foot], data.site_xpos[site], model.site_bodyid[site]
        mujoco.mj_jac(model, data, jacobian[:3], jacobian[3:], point, body)
        mujoco.mj_jacDot(model, data, rate[:3], rate[3:], point, body)
        drift: np.ndarray = rate @ data.qvel
        return drift


def _reduced(values: np.ndarray) -> np.ndarray:
    """(..., 28) -> (..., 26): the knee's column less the tarsus's."""
    merged = values.copy()
    merged[..., KNEES] -= values[..., TARSI]
    found: np.ndarray = merged[..., KEPT]
    return found


def accelerations(terms: Any, stance: int) -> tuple[np.ndarray, np.ndarray]:
    """(26, 20), (26,): reduced accelerations, A y + a, of the tasks y.

    y is torso (6), swing foot (6: linear, angular), left arm (4), right arm (4); the foot `stance` has no acceleration.
    """
    by_task, at_rest = np.zeros((REDUCED, TASKS)), np.zeros(REDUCED)
    by_task[:FREE, :FREE] = np.eye(FREE)
    for foot in (0, 1):
        inverse = np.linalg.inv(terms["leg"][foot])
        by_task[LEGS[foot], :FREE] = -inverse @ terms["torso"][foot]
        at_rest[LEGS[foot]] = -inverse @ terms["drift"][foot]
        by_task[ARMS[foot], 12 + ARM * foot : 16 + ARM * foot] = np.eye(ARM)
        if foot != stance:
            by_task[LEGS[foot], 6:12] = inverse
    return by_task, at_rest


def forces(terms: Any, stance: int) -> tuple[np.ndarray, np.ndarray]:
    """(26, 20), (26,): the wrench on the foot that stands (6) and the joints' torques (20), G y + g, of the tasks y."""
    by_task, at_rest = accelerations(terms, stance)
    total = np.concatenate([terms["mass"] @ by_task, (terms["mass"] @ at_rest + terms["bias"])[:, None]], axis=1)
    wrench = np.linalg.solve(terms["torso"][stance].T, total[:FREE])
    total[LEGS[stance]] -= terms["leg"][stance].T @ wrench
    total[:FREE] = wrench
    return total[:, :-1], total[:, -1]


def problem(
    terms: Any, stance: int, wanted: np.ndarray, toes: np.ndarray, scale: np.ndarray, cone: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (37, 20) and offset (37,) of a `PROBLEM`.

    Horizontal acceleration of the torso is no task: the first two tasks are the torques of the toes
    that stand instead, as small as they may be. So tasks are `toes` + x_0:2 scale_0:2 and `wanted` + x_2: scale_2:.

    Args:
        terms: Of the present state, a `TERMS`.
        stance: The foot that stands.
        wanted: (20,): accelerations of the tasks; the first two are not used.
        toes: (2,) [N m].
        scale: (20,): one over the root of the weight of each task.
        cone: (17, 7), of `cone`.
    """
    by_task, offset = forces(terms, stance)
    ankle = slice(LEGS[stance].start + 4, LEGS[stance].stop)
    at_wanted = offset + by_task[:, 2:] @ wanted[2:]
    horizontal = by_task[:, :2] @ np.linalg.inv(by_task[ankle, :2])
    both = np.empty((REDUCED, TASKS + 1))
    both[:, :2] = horizontal * scale[:2]
    both[:, 2:TASKS] = (by_task[:, 2:] - horizontal @ by_task[ankle, 2:]) * scale[2:]
    both[:, TASKS] = at_wanted + horizontal @ (toes - at_wanted[ankle])
    found = _limited(both, terms["frames"][stance], cone)
    return found[:, :-1], found[:, -1]


def _limited(both: np.ndarray, frame: np.ndarray, cone: np.ndarray) -> np.ndarray:
    """(26, 21) -> (37, 21): wrench and joints' torques become what has limits, motors and the cone."""
    local = np.concatenate([frame.T @ both[:3], frame.T @ both[3:6]])
    motors = both[6:].copy()
    for start in (4, 14):
        motors[start : start + 2] = TOES.T @ both[6 + start : 8 + start]
    cones = cone[:, :6] @ local
    cones[:, -1] += cone[:, 6]
    return np.concatenate([motors, cones])
