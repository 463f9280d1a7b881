"""Digit's controller: its torques do what was asked for, within what motors and ground can give."""

from typing import Any

import daqp
import mujoco
import numpy as np
import pytest

from spreeze.envs.bipeds import _native
from spreeze.envs.bipeds.digit import ARM, LEG, MASS_HEIGHT, ROBOT
from spreeze.envs.bipeds.digit_control import FRICTION, LEAST_FORCE, WEIGHTS, Solver, WholeBody
from spreeze.envs.bipeds.digit_dynamics import (
    ARMS,
    CONE_ROWS,
    HALF_LENGTH,
    HALF_WIDTH,
    KNEES,
    LEGS,
    PROBLEM,
    TARSI,
    TERMS,
    TOES,
    TORQUES,
    Dynamics,
    cone,
    forces,
)
from spreeze.envs.bipeds.robot import Reference
from spreeze.envs.native.batch import BatchSimulations

SCALE = 1 / np.sqrt(WEIGHTS)
NO_LIMIT = np.full(TORQUES + CONE_ROWS, 1e30)


@pytest.fixture(scope="module")
def model() -> Any:
    return mujoco.MjModel.from_xml_path(str(ROBOT.model))


def states(count: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random states about the pose at rest, which keep the linkages."""
    random = np.random.default_rng(seed)
    positions = np.tile(np.concatenate([[0.3, -0.2, 1.0, 1, 0, 0, 0], LEG, ARM, -LEG, -ARM]), (count, 1))
    positions[:, 3:] += spread * random.normal(size=(count, 26))
    positions[:, 3:7] /= np.linalg.norm(positions[:, 3:7], axis=1)[:, None]
    velocities = 5 * spread * random.normal(size=(count, 28))
    positions[:, TARSI + 1], velocities[:, TARSI] = -positions[:, KNEES + 1], -velocities[:, KNEES]
    return positions, velocities


def motion(model: Any, position: np.ndarray, velocity: np.ndarray, torques: np.ndarray, stance: int) -> Any:
    """Forward dynamics by MuJoCo's matrices, foot held and linkages kept: (28,), (6,), Jacobians, drifts."""
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:], data.ctrl[:] = position, velocity, torques
    mujoco.mj_forward(model, data)
    mass = np.zeros((28, 28))
    mujoco.mj_fullM(model, data, mass)
    jacobian, rate, linkage = np.zeros((2, 6, 28)), np.zeros((2, 6, 28)), np.zeros((2, 28))
    for foot, name in enumerate(("left_sole", "right_sole")):
        site, body = data.site(name).xpos, model.site(name).bodyid[0]
        mujoco.mj_jac(model, data, jacobian[foot, :3], jacobian[foot, 3:], site, body)
        mujoco.mj_jacDot(model, data, rate[foot, :3], rate[foot, 3:], site, body)
    linkage[[0, 1], KNEES], linkage[[0, 1], TARSI] = 1, 1
    held = np.concatenate([jacobian[stance], linkage])
    system = np.block([[mass, -held.T], [held, np.zeros((8, 8))]])
    force = data.qfrc_actuator - data.qfrc_bias - model.dof_damping * velocity
    right = np.concatenate([force, -rate[stance] @ velocity, np.zeros(2)])
    found = np.linalg.solve(system, right)
    return found[:28], found[28:34], jacobian, rate @ velocity


@pytest.mark.parametrize("stance", [0, 1])
def test_where_nothing_limits_the_torques_give_the_accelerations_that_were_asked_for(model: Any, stance: int) -> None:
    positions, velocities = states(5, 0.1)
    random = np.random.default_rng(3)
    wanted, toes = random.normal(size=(5, 20)), random.normal(size=(5, 2))
    dynamics = _native.dynamics(model, 5)
    dynamics.evaluate(positions, velocities)
    dynamics.pose(np.full(5, stance), wanted, toes, SCALE, cone(FRICTION, LEAST_FORCE))
    for n in range(5):
        torques = dynamics.problems["offset"][n, :TORQUES]
        acceleration, wrench, jacobian, drift = motion(model, positions[n], velocities[n], torques, stance)
        swing = jacobian[1 - stance] @ acceleration + drift[1 - stance]
        got = [acceleration[2:6], swing, acceleration[13:17], acceleration[24:28]]
        assert np.abs(np.concatenate(got) - wanted[n, 2:]).max() < 1e-8
        ankle = 4 + 10 * stance
        np.testing.assert_allclose(np.linalg.solve(TOES.T, torques[ankle : ankle + 2]), toes[n], atol=1e-9)
        frame = dynamics.terms["frames"][n, stance]
        local = np.concatenate([frame.T @ wrench[:3], frame.T @ wrench[3:], [1]])
        pressed = cone(FRICTION, LEAST_FORCE) @ local
        np.testing.assert_allclose(dynamics.problems["offset"][n, TORQUES:], pressed, atol=1e-7)


def test_misses_change_torques_and_wrench_as_the_rows_say(model: Any) -> None:
    positions, velocities = states(1, 0.1)
    dynamics, random = Dynamics(model, 1), np.random.default_rng(4)
    dynamics.evaluate(positions, velocities)
    wanted, toes, x = random.normal(size=(1, 20)), np.zeros((1, 2)), random.normal(size=20)
    limits = cone(FRICTION, LEAST_FORCE)
    dynamics.pose(np.array([0]), wanted, toes, SCALE, limits)
    predicted = dynamics.problems["rows"][0] @ x + dynamics.problems["offset"][0]
    missed = SCALE * x
    dynamics.pose(np.array([0]), wanted + missed, toes + missed[:2], SCALE, limits)
    np.testing.assert_allclose(dynamics.problems["offset"][0], predicted, atol=1e-7)


@pytest.mark.skipif(_native.library() is None, reason="no C compiler")
def test_the_library_computes_what_numpy_does(model: Any) -> None:
    library = _native.library()
    assert library is not None
    positions, velocities = states(6, 0.2)
    random = np.random.default_rng(5)
    stance, wanted, toes = random.integers(0, 2, 6), random.normal(size=(6, 20)), random.normal(size=(6, 2))
    both = Dynamics(model, 6), _native.NativeDynamics(library, model, 6)
    for dynamics in both:
        dynamics.evaluate(positions, velocities)
        dynamics.pose(stance, wanted, toes, SCALE, cone(FRICTION, LEAST_FORCE))
    for name in TERMS.names or ():
        np.testing.assert_allclose(both[1].terms[name], both[0].terms[name], atol=1e-10)
    for name in PROBLEM.names or ():
        np.testing.assert_allclose(both[1].problems[name], both[0].problems[name], atol=1e-8)


@pytest.mark.usefixtures("no_library")
def test_without_a_library_numpy_does_it(model: Any) -> None:
    assert type(_native.dynamics(model, 1)) is Dynamics


def test_the_cone_is_what_forces_at_the_corners_of_a_sole_can_give() -> None:
    random, rows = np.random.default_rng(6), cone(FRICTION, 0.0)
    corners = [(x, y, 0.0) for x in (HALF_LENGTH, -HALF_LENGTH) for y in (HALF_WIDTH, -HALF_WIDTH)]
    by_force = np.concatenate([np.concatenate([np.eye(3), skew(np.array(p))]) for p in corners], axis=1)
    pyramid = np.kron(
        np.eye(4), [[1, 0, -FRICTION], [-1, 0, -FRICTION], [0, 1, -FRICTION], [0, -1, -FRICTION], [0, 0, -1]]
    )
    seen = []
    for _ in range(300):
        share = random.uniform(-1.5, 1.5, 5)
        reach = [FRICTION, FRICTION, HALF_WIDTH, HALF_LENGTH, FRICTION * (HALF_LENGTH + HALF_WIDTH) / 2]
        wrench = np.array([share[0] * reach[0], share[1] * reach[1], 1, *(share[2:] * reach[2:])])
        matrix = np.concatenate([by_force, pyramid])
        upper, lower = np.append(wrench, np.zeros(20)), np.append(wrench, np.full(20, -1e30))
        sense = np.array([5] * 6 + [0] * 20, np.int32)
        flag = daqp.solve(np.eye(12), np.zeros(12), matrix, upper, lower, sense)[2]
        margin = (rows @ np.append(wrench, 1.0)).max()
        if abs(margin) > 1e-4:
            assert (flag > 0) == (margin < 0)
            seen.append(flag > 0)
    assert 0.02 < np.mean(seen) < 0.5


def skew(point: np.ndarray) -> np.ndarray:
    """The matrix of the cross product with `point`."""
    x, y, z = point
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def hard(model: Any, count: int) -> Any:
    """Problems whose wanted accelerations no motor and no ground can give."""
    positions, velocities = states(count, 0.05, seed=7)
    dynamics = _native.dynamics(model, count)
    dynamics.evaluate(positions, velocities)
    wanted = 100 * np.random.default_rng(8).normal(size=(count, 20))
    dynamics.pose(np.zeros(count, int), wanted, np.zeros((count, 2)), SCALE, cone(FRICTION, LEAST_FORCE))
    return dynamics


def bounds(model: Any) -> tuple[np.ndarray, np.ndarray]:
    limit = model.actuator_ctrlrange[:, 1]
    return np.append(limit, np.zeros(CONE_ROWS)), np.append(-limit, np.full(CONE_ROWS, -np.inf))


def test_solutions_keep_to_motors_and_friction_and_a_warm_start_changes_nothing(model: Any) -> None:
    dynamics, solver, found = hard(model, 20), Solver(20), 0
    upper, lower = bounds(model)
    for n in range(20):
        problem = dynamics.problems[n]
        if ((problem["offset"] <= upper) & (problem["offset"] >= lower)).all():
            continue
        cold, kept = solver.solve(n, problem, upper, lower)
        if not kept:
            continue
        found += 1
        assert solver.active[n].any()
        warm, _ = solver.solve(n, problem, upper, lower)
        assert cold is not None
        assert warm is not None
        np.testing.assert_allclose(warm, cold, atol=1e-7)
        reached = problem["rows"] @ cold + problem["offset"]
        assert (reached < upper + 1e-5).all()
        assert (reached > lower - 1e-5).all()
    assert found > 5


@pytest.mark.skipif(_native.library() is None, reason="no C compiler")
@pytest.mark.parametrize("begun", ["cold", "warm", "wrong"])
def test_what_the_library_settles_is_what_the_solver_finds(model: Any, begun: str) -> None:
    """All programmes that can be solved, from whatever constraints are thought to be active."""
    count = 200
    dynamics, solver, (upper, lower) = hard(model, count), Solver(count), bounds(model)
    answers = [solver.solve(n, dynamics.problems[n], upper, lower) for n in range(count)]
    active = {"cold": np.zeros_like(solver.active), "warm": solver.active.copy(), "wrong": solver.active[::-1].copy()}
    began, torques = active[begun], np.zeros((count, TORQUES))
    settled = dynamics.settle(upper, lower, began, torques)
    assert settled.tolist() == [kept for _, kept in answers]
    for n in np.flatnonzero(settled):
        rows, offset = dynamics.problems["rows"][n, :TORQUES], dynamics.problems["offset"][n, :TORQUES]
        np.testing.assert_allclose(torques[n], rows @ answers[n][0] + offset, atol=1e-4)
    again = torques.copy()
    assert dynamics.settle(upper, lower, began, again)[settled].all(), "from the constraints that it has found active"
    np.testing.assert_allclose(again[settled], torques[settled], atol=1e-6)


def test_the_solution_is_the_least_miss(model: Any) -> None:
    dynamics, (upper, lower) = hard(model, 1), bounds(model)
    problem = dynamics.problems[0]
    best, kept_to = Solver(1).solve(0, problem, upper, lower)
    assert best is not None
    assert kept_to
    random, kept = np.random.default_rng(9), 0
    for _ in range(3000):
        other = best + 10 ** random.uniform(-3, 1) * random.normal(size=20)
        reached = problem["rows"] @ other + problem["offset"]
        if (reached <= upper).all() and (reached >= lower).all():
            kept += 1
            assert other @ other >= best @ best - 1e-6
    assert kept > 5


def at_rest(count: int, stance: int) -> Reference:
    still = np.zeros((count, 3))
    height, swing = still.copy(), np.zeros((count, 3, 3))
    height[:, 0], swing[:, 0, 1] = 1.0, -0.1 if stance == 0 else 0.1
    return Reference(np.full(count, stance), swing, height, still, still, *np.zeros((2, count)))


def test_torques_keep_to_the_motors_whatever_the_state(model: Any) -> None:
    simulations = BatchSimulations(model, 50, ROBOT.fields, 1)
    simulations.qpos[:], simulations.qvel[:] = states(50, 0.3)
    controller = WholeBody(simulations, MASS_HEIGHT)
    counts = controller.track(controller.posture(), at_rest(50, 0))
    assert (np.abs(simulations.ctrl) <= model.actuator_ctrlrange[:, 1]).all()
    assert counts.saturated.any()


def test_momentum_and_mass_center_are_those_of_the_model(model: Any) -> None:
    simulations = BatchSimulations(model, 1, ROBOT.fields, 1)
    simulations.qpos[:], simulations.qvel[:] = states(1, 0.1)
    controller = WholeBody(simulations, MASS_HEIGHT)
    posture = controller.posture()
    step, ahead = 1e-6, simulations.qpos.copy()
    mujoco.mj_integratePos(model, ahead[0], simulations.qvel[0], step)
    feet, center = posture.feet.copy(), posture.mass_center.copy()
    momentum = controller.momentum(np.array([1]))
    simulations.qpos[:] = ahead
    moved = controller.posture()
    np.testing.assert_allclose((moved.mass_center - center) / step, posture.mass_velocity, atol=1e-4)
    np.testing.assert_allclose((moved.feet - feet) / step, posture.feet_velocity, atol=1e-4)
    assert np.abs(momentum - np.cross(center - feet[:, 1], 47.925432 * posture.mass_velocity)).max() < 30


def test_forces_of_a_robot_at_rest_carry_its_weight(model: Any) -> None:
    positions, _ = states(1, 0.0)
    dynamics = Dynamics(model, 1)
    dynamics.evaluate(positions, np.zeros((1, 28)))
    _, offset = forces(dynamics.terms[0], 0)
    np.testing.assert_allclose(offset[:3], [0, 0, 47.925432 * 9.806], atol=1e-6)
    assert {part.stop - part.start for part in (*LEGS, *ARMS)} == {6, 4}
