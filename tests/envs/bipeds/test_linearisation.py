"""The closed forms are MuJoCo's, and with the torques found the outputs accelerate as they are meant to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest

from spreeze.envs.bipeds._native.planar import linearisation
from spreeze.envs.bipeds.chain import Chain
from spreeze.envs.bipeds.linearisation import Feet, Linearisation, within
from spreeze.envs.bipeds.robot import Reference
from spreeze.envs.native.simulations import Simulations
from tests.envs.bipeds.planar import PLANAR, Point, foot, loaded, point, random_state, simulations

every_robot = pytest.mark.parametrize("name", PLANAR)
in_both = pytest.mark.parametrize("made", [Linearisation, linearisation], ids=["numpy", "library"])
Made = Callable[[Simulations, Feet, float], Linearisation]
STATES = 20


def mass_matrix(model: Any, data: Any) -> np.ndarray:
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    return full


@every_robot
def test_mass_matrix_and_forces_are_those_of_mujoco(name: str) -> None:
    robot, _ = PLANAR[name]
    model, data = loaded(robot)
    chain, random = Chain(model), np.random.default_rng(0)
    for _ in range(STATES):
        data.qpos[:], data.qvel[:] = random_state(robot, random, model.nv)
        mujoco.mj_forward(model, data)
        motion, joints = chain.motion(data.qpos[None], data.qvel[None]), chain.from_joints
        own = joints.T @ chain.mass_matrix(motion)[0] @ joints
        np.testing.assert_allclose(own, mass_matrix(model, data)[2:, 2:], atol=1e-12)
        np.testing.assert_allclose(joints.T @ chain.bias(motion)[0], data.qfrc_bias[2:], atol=1e-12)


def mass_center(model: Any, data: Any) -> Point:
    parts = [point(model, data, data.xipos[body], body) for body in range(1, model.nbody)]
    shares = model.body_mass[1:] / model.body_mass.sum()
    held = sum(share * part.held for share, part in zip(shares, parts, strict=True))
    return Point(sum(share * part.jacobian for share, part in zip(shares, parts, strict=True)), held)


def turning(model: Any, body: int) -> np.ndarray:
    """(nv,): the rate at which a body turns."""
    row = np.zeros(model.nv)
    while body:
        first = model.body_dofadr[body]
        row[first + model.body_dofnum[body] - 1] = 1
        body = model.body_parentid[body]
    return row


def accelerations(model: Any, data: Any, feet: Feet, stance: int, torques: np.ndarray, ahead: float) -> np.ndarray:
    """Outputs' accelerations of MuJoCo's equations of motion with the stance foot rolling, or fixed `ahead` of it."""
    stands, swings = (point(model, data, *foot(model, data, feet, side)) for side in (stance, 1 - stance))
    pressed = point(model, data, *foot(model, data, replace(feet, point=feet.point + ahead), stance))
    leg, other = (turning(model, feet.links[side] + 1) for side in (stance, 1 - stance))
    rows = pressed.jacobian - np.outer([feet.radius, 0], leg)
    full = mass_matrix(model, data)
    force = -data.qfrc_bias + data.qfrc_passive
    force[3:] += torques
    system = np.block([[full, -rows.T], [rows, np.zeros((2, 2))]])
    found = np.linalg.solve(system, np.concatenate([force, -pressed.held]))[: model.nv]
    center = mass_center(model, data)
    outputs = [
        found[2],
        -(stands.jacobian[1] - np.eye(model.nv)[1]) @ found - stands.held[1],
        (swings.jacobian[0] - center.jacobian[0]) @ found + swings.held[0] - center.held[0],
        (swings.jacobian[1] - stands.jacobian[1]) @ found + swings.held[1] - stands.held[1],
    ]
    return np.array(outputs + ([other @ found, leg @ found] if feet.flat else []))


@in_both
@every_robot
@pytest.mark.parametrize("stance", [0, 1])
def test_outputs_accelerate_as_wanted(made: Made, name: str, stance: int) -> None:
    robot, feet = PLANAR[name]
    model, data = loaded(robot)
    batch, random = simulations(robot, STATES), np.random.default_rng(1)
    controller = made(batch, feet, 40.0)
    for index in range(STATES):
        batch.qpos[index], batch.qvel[index] = random_state(robot, random, model.nv)
    controller.posture()
    controller.pressure[:] = random.uniform(-0.05, 0.1, STATES) if feet.flat else 0.0
    wanted = random.normal(size=(STATES, 5 if feet.flat else 4)) * 10
    torques, gains, failed = controller.torques(np.full(STATES, stance), wanted)
    assert not failed.any()
    more = random.normal(size=wanted.shape)
    changed, _, _ = controller.torques(np.full(STATES, stance), wanted + more)
    np.testing.assert_allclose(changed, torques + (gains @ more[:, :, None])[:, :, 0], atol=1e-9)
    for index in range(STATES):
        data.qpos[:], data.qvel[:] = batch.qpos[index], batch.qvel[index]
        mujoco.mj_forward(model, data)
        found = accelerations(model, data, feet, stance, torques[index], controller.pressure[index])
        expected = [*wanted[index], 0.0] if feet.flat else wanted[index]
        assert np.abs(found - expected).max() < 1e-8


@in_both
@every_robot
def test_momentum_about_the_foot_is_that_of_mujoco(made: Made, name: str) -> None:
    robot, feet = PLANAR[name]
    model, data = loaded(robot)
    batch = simulations(robot, 1)
    controller = made(batch, feet, 40.0)
    data.qpos[:], data.qvel[:] = random_state(robot, np.random.default_rng(2), model.nv)
    batch.qpos[0], batch.qvel[0] = data.qpos, data.qvel
    mujoco.mj_forward(model, data)
    mujoco.mj_subtreeVel(model, data)
    place = foot(model, data, feet, 1)[0] - [0, 0, feet.radius]
    arm = data.subtree_com[1] - place
    expected = np.cross(arm, robot.mass * data.subtree_linvel[1]) + data.subtree_angmom[1]
    controller.posture()
    np.testing.assert_allclose(controller.momentum(np.array([1]))[0, 1], expected[1], rtol=1e-4)


LIMITED = {
    "within the limits": ([50, 10], [[1, 0], [0, 1]], [50, 10], False),
    "one output pays": ([150, 20], [[1, 0], [0, 1]], [100, 20], True),
    "two outputs share: x = (-20, -20)": ([140, 20], [[1, 1], [1, -1]], [100, 20], True),
    "the one that may miss more pays more: x = (-24, -8)": ([180, 20], [[3, 1], [1, -3]], [100, 20], True),
    "the second limit holds with the first: x = (-40, 0)": ([140, 130], [[1, 0], [1, 1]], [100, 90], True),
    "what nothing changes is clipped": ([-300, 0], [[0, 0], [0, 1]], [-100, 0], True),
}


@pytest.mark.parametrize("case", LIMITED)
def test_beyond_the_limits_outputs_miss_by_as_little_as_can_be(case: str) -> None:
    full, rows, expected, changed = LIMITED[case]
    torques, saturated = within(np.array([full], float), np.array([rows], float), np.array([100.0, 100.0]))
    assert saturated.tolist() == [changed]
    np.testing.assert_allclose(torques, [expected], atol=1e-5)


@in_both
def test_a_singular_system_fails_alone_and_keeps_its_torques(made: Made) -> None:
    robot, feet = PLANAR["rabbit"]
    batch, random = simulations(robot, 2), np.random.default_rng(3)
    controller = made(batch, feet, 40.0)
    for index in range(2):
        batch.qpos[index], batch.qvel[index] = random_state(robot, random, 7)
    batch.qpos[1, 2:] = 0.0
    posture = controller.posture()
    torques, _, failed = controller.torques(np.zeros(2, np.int64), np.zeros((2, 4)))
    np.testing.assert_array_equal(failed, [False, True])
    assert np.isfinite(torques).all()
    batch.ctrl[:] = 7.0
    level = np.zeros((2, 3))
    nowhere = Reference(np.zeros(2, np.int64), np.zeros((2, 3, 3)), level, level, level, np.zeros(2), np.zeros(2))
    np.testing.assert_array_equal(controller.track(posture, nowhere).failed, [False, True])
    assert (batch.ctrl[0] != 7.0).all() and (batch.ctrl[1] == 7.0).all()
