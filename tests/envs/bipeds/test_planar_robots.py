"""Masses, mass centres, forward kinematics, limits and mirror symmetry of the planar robots, against the tables."""

import mujoco
import numpy as np
import pytest

from spreeze.envs.bipeds.robot import TICK_S
from tests.envs.bipeds.planar import PLANAR, foot, loaded, random_state

MASSES = {
    "rabbit": {"torso": 12.0, "left-thigh": 6.8, "left-shin": 3.2},
    "walker2d": {"torso": 3.665, "left-thigh": 4.058, "left-leg": 2.781, "left-foot": 3.167},
}
TOTALS = {"rabbit": 32.0, "walker2d": 23.677}
CENTERS = {"rabbit": -0.085, "walker2d": 0.585 - 1.05}
"""Height of the mass centre over the hips with straight legs [m]."""
SOLES = {"rabbit": -0.8, "walker2d": 0.04 - 1.05}
LIMITS = {"rabbit": 150.0, "walker2d": 100.0}
RANGES = {
    "rabbit": {"left-hip": (2 - np.pi, 5 - np.pi), "left-knee": (0.0, 2.2)},
    "walker2d": {
        "left-hip": (-2 * np.pi / 3, np.pi / 3),
        "left-knee": (0, 5 * np.pi / 6),
        "left-ankle": (-0.7854, 0.7854),
    },
}
every_robot = pytest.mark.parametrize("name", PLANAR)


@every_robot
def test_masses_are_those_of_the_table(name: str) -> None:
    robot, _ = PLANAR[name]
    model, _ = loaded(robot)
    for body, mass in MASSES[name].items():
        np.testing.assert_allclose(model.body(body).mass, mass, atol=5e-4)
        if body != "torso":
            np.testing.assert_allclose(model.body(body.replace("left", "right")).mass, mass, atol=5e-4)
    np.testing.assert_allclose([model.body_mass.sum(), robot.mass], TOTALS[name], atol=5e-4)


@every_robot
def test_the_mass_center_and_the_soles_of_straight_legs_are_where_the_table_has_them(name: str) -> None:
    robot, feet = PLANAR[name]
    model, data = loaded(robot)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.subtree_com[1][2], CENTERS[name], atol=1e-3)
    place, _ = foot(model, data, feet, 0)
    np.testing.assert_allclose(place[2] - robot.sole, SOLES[name], atol=1e-9)


def test_inertia_and_reflected_rotors_of_rabbit() -> None:
    model, _ = loaded(PLANAR["rabbit"][0])
    np.testing.assert_allclose(
        model.body_inertia[1:, :2], np.array([[1.33], [0.47], [0.2], [0.47], [0.2]]).repeat(2, 1)
    )
    np.testing.assert_allclose(model.dof_armature, [0, 0, 0, *[0.83] * 4])
    np.testing.assert_allclose(model.body("torso").ipos, [0, 0, 0.24])
    np.testing.assert_allclose(model.body("left-thigh").ipos, [0, 0, -0.11])
    np.testing.assert_allclose(model.body("left-shin").ipos, [0, 0, -0.24])


@every_robot
def test_forward_kinematics_of_a_bent_leg_by_hand(name: str) -> None:
    robot, feet = PLANAR[name]
    model, data = loaded(robot)
    data.joint("left-hip").qpos, data.joint("left-knee").qpos = -0.5, 0.9
    mujoco.mj_forward(model, data)
    thigh, shin = (0.4, 0.38) if name == "rabbit" else (0.45, 0.5)
    expected = np.array([-thigh * np.sin(-0.5) - shin * np.sin(0.4), -thigh * np.cos(-0.5) - shin * np.cos(0.4)])
    if name == "walker2d":
        expected += [0.05 * np.cos(0.4) - 0.06 * np.sin(0.4), -0.05 * np.sin(0.4) - 0.06 * np.cos(0.4)]
    np.testing.assert_allclose(foot(model, data, feet, 0)[0][::2], expected, atol=1e-12)


@every_robot
def test_limits_are_the_same_on_both_sides(name: str) -> None:
    model, _ = loaded(PLANAR[name][0])
    np.testing.assert_array_equal(model.actuator_ctrlrange, [[-LIMITS[name], LIMITS[name]]] * model.nu)
    for joint, span in RANGES[name].items():
        np.testing.assert_allclose(model.joint(joint).range, span, atol=1e-4)
        np.testing.assert_allclose(model.joint(joint.replace("left", "right")).range, span, atol=1e-4)


@every_robot
def test_exchanging_the_legs_exchanges_nothing_else(name: str) -> None:
    robot, feet = PLANAR[name]
    model, data = loaded(robot)
    qpos, qvel = random_state(robot, np.random.default_rng(0), model.nv)
    legs = (model.nv - 3) // 2
    swapped = [0, 1, 2, *range(3 + legs, 3 + 2 * legs), *range(3, 3 + legs)]
    found = []
    for order in (list(range(model.nv)), swapped):
        data.qpos[:], data.qvel[:] = qpos[order], qvel[order]
        mujoco.mj_forward(model, data)
        found.append((data.qfrc_bias[order].copy(), [foot(model, data, feet, side)[0] for side in (0, 1)]))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1][::-1], atol=1e-12)


@every_robot
def test_a_tick_is_a_step_of_the_physics(name: str) -> None:
    assert loaded(PLANAR[name][0])[0].opt.timestep == TICK_S
