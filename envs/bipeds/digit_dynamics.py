"""Rigid-body terms of one Digit, as its controller's model has them, and what its torques do to its tasks.

Legend. Reduced velocities (26): torso (6: linear in the world, angular in the torso's frame), left leg (6: hip roll, yaw and
pitch, knee, toe pitch and roll), left arm (4), right leg (6), right arm (4). The tarsus is gone: it turns by the negative of
the knee. A foot is its sole: the middle of the rectangle that is meant to lie on the ground. Vectors are in the world.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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


class Terms(NamedTuple):
    """Rigid-body terms of one state."""

    mass: np.ndarray
    """(26, 26): M."""
    bias: np.ndarray
    """(26,): h, so that M a + h = torques + J' wrench; gravity, velocities and damping, but no dry friction."""
    torso: np.ndarray
    """(2, 6, 6): J of each sole by the torso's velocities: linear, then angular."""
    leg: np.ndarray
    """(2, 6, 6): J of each sole by the velocities of its leg."""
    drift: np.ndarray
    """(2, 6): acceleration of each sole where all reduced accelerations are 0."""
    frames: np.ndarray
    """(2, 3, 3): of the soles, columns forward, left, up."""
    soles: np.ndarray
    """(2, 3) [m]."""
    sole_velocity: np.ndarray
    """(2, 6) [m/s, rad/s]."""
    mass_center: np.ndarray
    """(3,) [m]."""
    mass_velocity: np.ndarray
    """(3,) [m/s]."""
    momentum: np.ndarray
    """(3,): angular momentum about the mass centre [kg m^2/s]."""


class Problem(NamedTuple):
    """Torques and wrench as functions of x (20), the weighted miss of the tasks: rows @ x + offset."""

    rows: np.ndarray
    """(37, 20): 20 motors, then the rows of the friction cone, which are to be at most 0."""
    offset: np.ndarray
    """(37,)."""


def cone(friction: float, least: float) -> tuple[np.ndarray, np.ndarray]:
    """(17, 6), (17,): rows C and offset c, so that C w + c <= 0 for wrenches w that flat ground gives to a sole.

    The sole's corners give forces within a pyramid of that coefficient of `friction`, at least `least` [N] together; w is
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
    return np.array(rows, float), np.append(np.zeros(len(rows) - 1), least)


class Dynamics:
    """Evaluates `Terms` with a model of its own, which knows of no payload."""

    def __init__(self, model: Any) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._feet = [model.site(f"{side}_sole") for side in ("left", "right")]
        self._full, self._bias = np.zeros((model.nv, model.nv)), np.zeros(model.nv)
        self._jacobian, self._rate = np.zeros((2, 6, model.nv)), np.zeros((6, model.nv))

    def terms(self, positions: np.ndarray, velocities: np.ndarray) -> Terms:
        """Evaluate at `positions` (29,) and `velocities` (28,) of MuJoCo."""
        model, data = self._model, self._data
        data.qpos[:], data.qvel[:] = positions, velocities
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_crb(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_rne(model, data, 0, self._bias)
        mujoco.mj_subtreeVel(model, data)
        mujoco.mj_fullM(model, data, self._full)
        drift = np.stack([self._sole(foot) for foot in (0, 1)])
        jacobian = _reduced(self._jacobian)
        soles = [data.site(f"{side}_sole") for side in ("left", "right")]
        return Terms(
            mass=_reduced(_reduced(self._full).T),
            bias=_reduced(self._bias + model.dof_damping * velocities),
            torso=jacobian[:, :, :FREE],
            leg=np.stack([jacobian[foot, :, LEGS[foot]] for foot in (0, 1)]),
            drift=drift,
            frames=np.stack([sole.xmat.reshape(3, 3) for sole in soles]),
            soles=np.stack([sole.xpos for sole in soles]),
            sole_velocity=self._jacobian @ velocities,
            mass_center=data.subtree_com[1].copy(),
            mass_velocity=data.subtree_linvel[1].copy(),
            momentum=data.subtree_angmom[1].copy(),
        )

    def _sole(self, foot: int) -> np.ndarray:
        """Fill the Jacobian of a sole; return its drift (6,)."""
        model, data, rate = self._model, self._data, self._rate
        jacobian, point, body = self._jacobian[foot], data.site_xpos[self._feet[foot].id], self._feet[foot].bodyid[0]
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


def accelerations(terms: Terms, stance: int) -> tuple[np.ndarray, np.ndarray]:
    """(26, 20), (26,): reduced accelerations, A y + a, of the tasks y.

    y is torso (6), swing foot (6: linear, angular), left arm (4), right arm (4); the foot `stance` has no acceleration.
    """
    by_task, at_rest = np.zeros((REDUCED, TASKS)), np.zeros(REDUCED)
    by_task[:FREE, :FREE] = np.eye(FREE)
    for foot in (0, 1):
        inverse = np.linalg.inv(terms.leg[foot])
        by_task[LEGS[foot], :FREE] = -inverse @ terms.torso[foot]
        at_rest[LEGS[foot]] = -inverse @ terms.drift[foot]
        by_task[ARMS[foot], 12 + ARM * foot : 16 + ARM * foot] = np.eye(ARM)
        if foot != stance:
            by_task[LEGS[foot], 6:12] = inverse
    return by_task, at_rest


def forces(terms: Terms, stance: int) -> tuple[np.ndarray, np.ndarray]:
    """(26, 20), (26,): the wrench on the foot that stands (6) and the joints' torques (20), G y + g, of the tasks y."""
    by_task, at_rest = accelerations(terms, stance)
    total = np.concatenate([terms.mass @ by_task, (terms.mass @ at_rest + terms.bias)[:, None]], axis=1)
    wrench = np.linalg.solve(terms.torso[stance].T, total[:FREE])
    total[LEGS[stance]] -= terms.leg[stance].T @ wrench
    total[:FREE] = wrench
    return total[:, :-1], total[:, -1]


def problem(
    terms: Terms,
    stance: int,
    wanted: np.ndarray,
    toes: np.ndarray,
    scale: np.ndarray,
    cone_rows: np.ndarray,
    cone_offset: np.ndarray,
) -> Problem:
    """Return torques and friction as functions of the weighted miss x.

    Horizontal acceleration of the torso is no task: the first two of the tasks are the torques (pitch, roll) of the toes
    that stand instead, as small as they may be. So tasks are `toes` + x_0:2 scale_0:2 and `wanted` + x_2: scale_2:.

    Args:
        terms: Of the present state.
        stance: The foot that stands.
        wanted: (20,): accelerations of the tasks; the first two are not used.
        toes: (2,) [N m].
        scale: (20,): one over the root of the weight of each task.
        cone_rows: (17, 6), of `cone`.
        cone_offset: (17,).
    """
    by_task, offset = forces(terms, stance)
    ankle = slice(LEGS[stance].start + 4, LEGS[stance].stop)
    at_wanted = offset + by_task[:, 2:] @ wanted[2:]
    inverse = np.linalg.inv(by_task[ankle, :2])
    horizontal = by_task[:, :2] @ inverse
    rows = np.concatenate([horizontal, by_task[:, 2:] - horizontal @ by_task[ankle, 2:]], axis=1) * scale
    constant = at_wanted + horizontal @ (toes - at_wanted[ankle])
    return _limited(rows, constant, terms.frames[stance], cone_rows, cone_offset)


def _limited(
    rows: np.ndarray, constant: np.ndarray, frame: np.ndarray, cone_rows: np.ndarray, cone_offset: np.ndarray
) -> Problem:
    """Turn wrench and joints' torques into what has limits: motors and the cone."""
    both = np.concatenate([rows, constant[:, None]], axis=1)
    local = np.concatenate([frame.T @ both[:3], frame.T @ both[3:6]])
    motors = both[6:].copy()
    for start in (4, 14):
        motors[start : start + 2] = TOES.T @ both[6 + start : 8 + start]
    all_rows = np.concatenate([motors, cone_rows @ local])
    all_rows[TORQUES:, -1] += cone_offset
    return Problem(all_rows[:, :-1], all_rows[:, -1])
