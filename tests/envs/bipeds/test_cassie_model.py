"""Cassie's model against the numbers that the maker's one gives: masses, ranges, motors, loops, symmetry, standing."""

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

import spreeze.envs.bipeds

MODEL = Path(spreeze.envs.bipeds.__file__).with_name("cassie.xml")
SIDES = ("left", "right")
MASSES = {
    "hip_roll": 1.82,
    "hip_yaw": 1.171,
    "hip_pitch": 5.52,
    "achilles_rod": 0.1567,
    "knee": 0.7578,
    "knee_spring": 0.186,
    "shin": 0.577,
    "tarsus": 0.782,
    "heel_spring": 0.126,
    "foot_crank": 0.1261,
    "plantar_rod": 0.1186,
    "foot": 0.1498,
}
"""Of one leg [kg]."""
PELVIS, PELVIS_ASIDE = 10.33, 0.000346
"""Its mass [kg], and how far its mass centre is to the left [m]."""
RANGES = {
    "hip_roll": (-15, 22.5),
    "hip_yaw": (-22.5, 22.5),
    "hip_pitch": (-50, 80),
    "knee": (-164, -37),
    "shin": (-20, 20),
    "tarsus": (50, 170),
    "foot_crank": (-140, -30),
    "foot": (-140, -30),
}
"""Of the left leg [degrees]."""
MOTORS = {
    "hip_roll": (25, 4.5, 0.038125, 2900),
    "hip_yaw": (25, 4.5, 0.038125, 2900),
    "hip_pitch": (16, 12.2, 0.09344, 1300),
    "knee": (16, 12.2, 0.09344, 1300),
    "foot": (50, 0.9, 0.01225, 5500),
}
"""Gear, limit before it [N m], armature [kg m^2], greatest speed [1/min]."""
REST = {"hip_roll": 0.0045, "hip_yaw": 0.0, "hip_pitch": 0.4973, "knee": -1.1997, "foot": -1.5968}
"""Of the left leg's motors [rad]; the right one's roll is negative."""
STIFFNESS = np.array([80.0, 80.0, 110.0, 110.0, 50.0] * 2)
DAMPING = np.array([8.0, 8.0, 10.0, 10.0, 5.0] * 2)
"""Of the servos of Duan et al. [N m/rad, N m s/rad]."""
LOAD = np.array([0.4, 0.0, -5.2, 40.0, -4.8, -0.4, 0.0, -5.2, 40.0, -4.8])
"""Torques that carry the weight at rest, by very stiff servos [N m] (ours)."""
LEG_SIGNS = np.array([-1, -1, 1, 1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1])
"""Of a leg's 14 positions when sides are exchanged; the rod's are a quaternion."""
RATE_SIGNS = np.array([-1, -1, 1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1])
"""Of its 13 velocities; the rod's are about its own axes."""


@pytest.fixture
def model() -> Any:
    return mujoco.MjModel.from_xml_path(str(MODEL))


def at_rest(model: Any) -> Any:
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_forward(model, data)
    return data


def gap(data: Any) -> float:
    """How far the ends of the loops are apart at most, along an axis [m]."""
    return float(np.abs(data.efc_pos[: data.ne]).max())


def mirrored(position: Any, velocity: Any) -> tuple[Any, Any]:
    """Positions (35,) and velocities (32,) with left and right exchanged."""
    base, left, right = position[:7], position[7:21], position[21:]
    moved, one, other = velocity[:6], velocity[6:19], velocity[19:]
    places = [base * [1, -1, 1, 1, -1, 1, -1], LEG_SIGNS * right, LEG_SIGNS * left]
    return np.concatenate(places), np.concatenate([moved * [1, -1, 1, -1, 1, -1], RATE_SIGNS * other, RATE_SIGNS * one])


def foot_ends(model: Any, data: Any, side: str) -> tuple[Any, Any]:
    """Toe and heel: the ends of the foot's capsule."""
    foot = data.geom(f"{side}_foot")
    half = foot.xmat.reshape(3, 3)[:, 2] * model.geom(f"{side}_foot").size[1]
    ends = foot.xpos + half, foot.xpos - half
    return ends if ends[0][0] > ends[1][0] else ends[::-1]


def test_it_has_35_positions_32_velocities_ten_motors_and_four_ends_of_loops(model: Any) -> None:
    assert (model.nq, model.nv, model.nu, model.neq) == (35, 32, 10, 4)
    assert (model.eq_type == mujoco.mjtEq.mjEQ_CONNECT).all()


def test_masses_are_the_makers(model: Any) -> None:
    assert model.body_mass.sum() == pytest.approx(33.312, abs=1e-6)
    assert model.body("pelvis").mass[0] == PELVIS
    for name, mass in MASSES.items():
        assert [model.body(f"{side}_{name}").mass[0] for side in SIDES] == [mass, mass]


def test_the_mass_centre_at_rest_is_above_the_feet_and_in_the_middle_but_for_the_pelvis(model: Any) -> None:
    data = at_rest(model)
    x, y, z = data.subtree_com[0]
    toe, heel = foot_ends(model, data, "left")
    assert heel[0] + 0.05 < x < toe[0] - 0.05 and 0.8 < z < 0.9
    assert y == pytest.approx(PELVIS_ASIDE * PELVIS / 33.312, abs=1e-7)


@pytest.mark.parametrize("joint", RANGES)
def test_ranges_are_the_makers_and_mirrored(model: Any, joint: str) -> None:
    low, high = RANGES[joint]
    np.testing.assert_allclose(np.degrees(model.joint(f"left_{joint}").range), [low, high])
    expected = (-high, -low) if joint == "hip_roll" else (low, high)
    np.testing.assert_allclose(np.degrees(model.joint(f"right_{joint}").range), expected)


@pytest.mark.parametrize("side", SIDES)
def test_reference_angles_springs_and_damping_are_the_makers(model: Any, side: str) -> None:
    references = {"knee": -45, "tarsus": 58, "hip_pitch": 0, "shin": 0, "foot": 0}
    for joint, degrees in references.items():
        np.testing.assert_allclose(np.degrees(model.joint(f"{side}_{joint}").qpos0), degrees, atol=1e-9)
    assert [model.joint(f"{side}_{name}").stiffness[0] for name in ("shin", "heel_spring")] == [1500, 1250]
    assert np.count_nonzero(model.jnt_stiffness) == 4
    for damping, joints in {1: [*MOTORS, "foot_crank"], 0.1: ["shin", "tarsus"], 0.01: ["achilles_rod"]}.items():
        for joint in joints:
            assert (model.joint(f"{side}_{joint}").damping == damping).all()


@pytest.mark.parametrize("motor", MOTORS)
@pytest.mark.parametrize("side", SIDES)
def test_motors_are_the_makers(model: Any, side: str, motor: str) -> None:
    gear, limit, armature, speed = MOTORS[motor]
    found = model.actuator(f"{side}_{motor}")
    assert found.gear[0] == gear and found.user[0] == speed
    assert found.ctrlrange.tolist() == [-limit, limit]
    assert model.joint(f"{side}_{motor}").armature[0] == armature


def test_rods_have_the_makers_lengths_and_loops_are_closed_in_the_posture_drawn(model: Any) -> None:
    lengths = {model.equality(i).name: model.eq_data[i, :3].tolist() for i in range(4)}
    for side in SIDES:
        assert lengths[f"{side}_plantar_rod"] == [0.35012, 0, 0]
        assert lengths[f"{side}_achilles_rod"] == [0.5012, 0, 0]
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert gap(data) < 1e-9


def test_at_rest_it_stands_on_the_ends_of_both_feet_below_a_pelvis_at_1006_mm(model: Any) -> None:
    data = at_rest(model)
    assert data.body("pelvis").xpos[2] == pytest.approx(1.006, abs=1e-3)
    for side, y in zip(SIDES, (0.135, -0.135), strict=True):
        toe, heel = foot_ends(model, data, side)
        np.testing.assert_allclose([toe, heel], [[0.08, y, 0.02], [-0.08, y, 0.02]], atol=5e-4)
        for joint, angle in REST.items():
            expected = angle if side == "left" or joint != "hip_roll" else -angle
            assert data.joint(f"{side}_{joint}").qpos[0] == pytest.approx(expected, abs=1e-4)
    assert data.ncon == 4 and gap(data) < 2e-3


def test_axes_at_rest_roll_forward_yaw_up_and_pitch_to_the_right(model: Any) -> None:
    data = at_rest(model)
    for side in SIDES:
        for joint, axis in {"hip_roll": (1, 0, 0), "hip_yaw": (0, 0, 1)}.items():
            np.testing.assert_allclose(data.joint(f"{side}_{joint}").xaxis, axis, atol=6e-3)
        for joint in ("hip_pitch", "knee", "shin", "tarsus", "foot_crank", "foot"):
            np.testing.assert_allclose(data.joint(f"{side}_{joint}").xaxis, (0, -1, 0), atol=6e-3)


def test_loops_stay_closed_while_the_legs_move(model: Any) -> None:
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    model.opt.gravity[:] = 0
    moved = []
    for step in range(1000):
        data.ctrl[:] = np.array([0.3, 0.3, 1.0, 1.5, 0.1] * 2) * np.sin(step / 60 + np.arange(10))
        mujoco.mj_step(model, data)
        if step > 100:
            assert gap(data) < 3e-3
        moved.append(data.qpos[[14, 16, 20]].copy())
    assert (np.ptp(moved, axis=0) > 0.2).all()


def test_the_tarsus_follows_the_knee_and_the_foot_its_crank(model: Any) -> None:
    """The heel's rod keeps their sum at 13 degrees, but for springs; crank, rod and foot are nearly a parallelogram."""
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    data.qpos[2] = 2
    for step in range(600):
        data.ctrl[[3, 8]] = 2 * np.sin(step / 40)
        mujoco.mj_step(model, data)
        if step > 100:
            for side in SIDES:
                knee, shin, tarsus, foot, crank = (
                    data.joint(f"{side}_{name}").qpos[0] for name in ("knee", "shin", "tarsus", "foot", "foot_crank")
                )
                assert knee + shin + tarsus == pytest.approx(np.radians(13), abs=np.radians(7))
                assert foot - crank == pytest.approx(REST["foot"] + 1.5244, abs=np.radians(7))


def test_mirrored_states_have_mirrored_feet_mass_matrices_and_forces(model: Any) -> None:
    random = np.random.default_rng(0)
    model.body_ipos[1, 1], model.body_iquat[1] = 0, [1, 0, 0, 0]
    states = []
    one = at_rest(model)
    one.qpos[:2] = 0
    scattered = random.uniform(-0.2, 0.2, 32)
    mujoco.mj_integratePos(model, one.qpos, scattered, 1.0)
    one.qvel[:] = random.uniform(-1, 1, 32)
    other = mujoco.MjData(model)
    other.qpos[:], other.qvel[:] = mirrored(one.qpos, one.qvel)
    for data in (one, other):
        mujoco.mj_forward(model, data)
        dense = np.zeros((32, 32))
        mujoco.mj_fullM(model, data, dense)
        states.append((data, dense, data.qfrc_bias + data.qfrc_passive))
    (left, matrix, force), (right, exchanged, mirror_force) = states
    turn = np.array([mirrored(np.zeros(35), row)[1] for row in np.eye(32)])
    for one_side, other_side in zip(SIDES, SIDES[::-1], strict=True):
        place = left.geom(f"{one_side}_foot").xpos * [1, -1, 1]
        np.testing.assert_allclose(place, right.geom(f"{other_side}_foot").xpos, atol=1e-9)
    np.testing.assert_allclose(exchanged, turn @ matrix @ turn.T, atol=1e-9)
    np.testing.assert_allclose(mirror_force, turn @ force, atol=1e-9)


def test_ground_is_for_all_but_rods_and_the_legs_touch_each_other(model: Any) -> None:
    on_ground = [bool(model.geom_contype[geom] & 1) for geom in range(1, model.ngeom)]
    assert sum(on_ground) == 3 + 2 * 8
    assert (model.geom("floor").contype[0], model.geom("floor").conaffinity[0]) == (0, 1)
    left, right = model.geom("left_tarsus"), model.geom("right_tarsus")
    assert left.contype[0] & right.conaffinity[0] and not left.contype[0] & left.conaffinity[0]
    assert not right.contype[0] & right.conaffinity[0]


def test_it_stands_for_eight_seconds_by_the_authors_servos_and_a_feedback_of_the_mass_centre(model: Any) -> None:
    """Servos alone cannot: 100 N m/rad at both ankles hold less than the 287 N m/rad by which gravity topples it."""
    data = at_rest(model)
    joints = model.actuator_trnid[:, 0]
    at, rate = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
    target, limit = data.qpos[at] + LOAD / STIFFNESS, model.actuator_ctrlrange[:, 1]
    for step in range(8000):
        wanted = target + balance(data)
        torque = STIFFNESS * (wanted - data.qpos[at]) - DAMPING * data.qvel[rate]
        data.ctrl[:] = np.clip(torque / model.actuator_gear[:, 0], -limit, limit)
        mujoco.mj_step(model, data)
        assert data.qpos[2] > 0.9 and (step < 1000 or gap(data) < 3e-3)
    assert np.abs(data.qvel).max() < 0.01
    assert np.abs(data.qpos[4:7]).max() < 0.05 and np.abs(data.qpos[at] - target).max() < 0.5
    assert data.sensordata.sum() == pytest.approx(33.312 * 9.81, rel=1e-2)


def balance(data: Any) -> Any:
    """(10,): changes of set-points that bring the mass centre back: both ankles, and one leg longer (ours)."""
    middle = (data.geom("left_foot").xpos + data.geom("right_foot").xpos) / 2
    away, speed = data.subtree_com[1] - middle, data.qvel[:2]
    ankle, longer = -4 * away[0] - 1.2 * speed[0], 4 * away[1] + speed[1]
    return np.array([0, 0, -longer / 2, longer, ankle, 0, 0, longer / 2, -longer, ankle])
