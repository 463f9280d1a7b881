"""Digit's model against the numbers that the maker's one gives: masses, frames, limits, symmetry, linkages."""

from typing import Any

import mujoco
import numpy as np
import pytest

from spreeze.envs.bipeds.digit import ARM, LEG, ROBOT
from spreeze.envs.bipeds.digit_dynamics import KNEES, TARSI, TOES

MAKERS_LEG = [0.3615, 0.0008, 0.2860, 0.3734, -0.3460, 0.0914, -0.0136]
"""The maker's pose at rest, whose springs are loaded, so that the tarsus is not the negative of the knee."""
FRAMES = {
    "hip_roll": ((-0.001, 0.091, 0), (-1, 0, 0), (-0.001, 0.091, 0), (-1, 0, 0)),
    "hip_yaw": ((-0.045, 0.1095, -0.047), (0, 0.3665, -0.9304), (-0.045, 0.0917, -0.0505), (0, 0.0137, -0.9999)),
    "hip_pitch": ((-0.045, 0.1382, -0.1088), (0, 0.9304, 0.3665), (-0.045, 0.0966, -0.1184), (0.0008, 0.9999, 0.0137)),
    "knee": ((0.0399, 0.1651, -0.1894), (0, -0.9304, -0.3665), (0.0125, 0.0935, -0.2238), (-0.0008, -0.9999, -0.0137)),
    "tarsus": (
        (-0.2628, 0.3109, -0.5597),
        (0, -0.9304, -0.3665),
        (-0.2543, 0.0996, -0.6467),
        (-0.0008, -0.9999, -0.0137),
    ),
    "toe_pitch": (
        (0.062, 0.4026, -0.7924),
        (0, -0.9304, -0.3665),
        (-0.0043, 0.1038, -0.9715),
        (-0.0008, -0.9999, -0.0137),
    ),
    "toe_roll": (
        (0.062, 0.4026, -0.7924),
        (0.7688, -0.2344, 0.5949),
        (-0.0043, 0.1038, -0.9715),
        (0.8645, -0.0076, 0.5025),
    ),
    "shoulder_roll": ((-0.001, 0.12, 0.4), (-1, 0, 0), (-0.001, 0.12, 0.4), (-1, 0, 0)),
    "shoulder_pitch": (
        (-0.0565, 0.1086, 0.3988),
        (0, 0.9945, 0.1045),
        (-0.0565, 0.1089, 0.3971),
        (0, 0.9676, 0.2526),
    ),
    "shoulder_yaw": (
        (0.0602, 0.2202, 0.2932),
        (0.7071, 0.0739, -0.7032),
        (-0.1063, 0.2454, 0.2702),
        (-0.302, 0.2408, -0.9224),
    ),
    "elbow": ((0.191, 0.2722, 0.1671), (0, 0.9945, 0.1045), (-0.1621, 0.3272, 0.1092), (0.0016, 0.9677, 0.2521)),
}
"""By joint: origin and axis in the torso's frame with all joints at 0, then in the maker's pose at rest."""
TORQUES = {
    "hip_roll": 113.0,
    "hip_yaw": 79.2,
    "hip_pitch": 216.9,
    "knee": 231.3,
    "toe_a": 42.0,
    "toe_b": 42.0,
    "shoulder_roll": 113.0,
    "shoulder_pitch": 113.0,
    "shoulder_yaw": 79.2,
    "elbow": 113.0,
}
"""What the motors give at most [N m], to 0.1."""


@pytest.fixture(scope="module")
def model() -> Any:
    return mujoco.MjModel.from_xml_path(str(ROBOT.model))


def posed(model: Any, leg: Any, arm: Any) -> Any:
    """The state with the torso at the origin and mirrored sides."""
    data = mujoco.MjData(model)
    side = np.concatenate([leg, arm])
    data.qpos[:] = np.concatenate([[0, 0, 0, 1, 0, 0, 0], side, -side])
    mujoco.mj_forward(model, data)
    return data


def test_it_has_the_makers_mass_and_28_velocities_of_which_20_are_driven(model: Any) -> None:
    assert model.body_mass.sum() == pytest.approx(47.925414, abs=1e-4)
    assert (model.nv, model.nu, model.neq) == (28, 20, 2)
    assert model.opt.timestep == 1e-3


def test_the_mass_center_at_rest_is_the_makers_to_a_millimetre(model: Any) -> None:
    data = posed(model, MAKERS_LEG, ARM)
    np.testing.assert_allclose(data.subtree_com[1], [-0.0421, 0.0001, -0.0463], atol=1e-3)


@pytest.mark.parametrize("joint", FRAMES)
def test_joints_are_where_the_makers_are(model: Any, joint: str) -> None:
    origin, axis, origin_at_rest, axis_at_rest = FRAMES[joint]
    for data, at, along in (
        (posed(model, np.zeros(7), np.zeros(4)), origin, axis),
        (posed(model, MAKERS_LEG, ARM), origin_at_rest, axis_at_rest),
    ):
        np.testing.assert_allclose(data.joint(f"left_{joint}").xanchor, at, atol=1e-4)
        np.testing.assert_allclose(data.joint(f"left_{joint}").xaxis, along, atol=1e-4)


def test_the_lowest_corner_of_a_foot_is_where_the_makers_is(model: Any) -> None:
    data = posed(model, MAKERS_LEG, ARM)
    box, half = data.geom("left_foot"), model.geom("left_foot").size
    signs = np.array(np.meshgrid([1, -1], [1, -1], [1, -1])).reshape(3, 8)
    corners = box.xpos[:, None] + box.xmat.reshape(3, 3) @ (half[:, None] * signs)
    assert corners[2].min() == pytest.approx(-1.0340, abs=2e-4)
    lowest = [data.geom(f"left_{x}_{y}").xpos[2] - 0.01 for x in ("front", "back") for y in ("left", "right")]
    assert min(lowest) == pytest.approx(corners[2].min(), abs=2e-4)


def test_the_keyframe_stands_on_eight_corners(model: Any) -> None:
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    assert data.ncon == 8
    assert np.abs(data.contact.dist).max() < 1e-3
    np.testing.assert_allclose(data.qpos[7:], np.concatenate([LEG, ARM, -LEG, -ARM]), atol=5e-5)


@pytest.mark.parametrize("motor", TORQUES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_motors_have_the_makers_limits(model: Any, motor: str, side: str) -> None:
    np.testing.assert_allclose(
        model.actuator(f"{side}_{motor}").ctrlrange, [-TORQUES[motor], TORQUES[motor]], atol=0.051
    )


def test_ranges_of_the_right_side_are_those_of_the_left_mirrored(model: Any) -> None:
    for joint in FRAMES:
        left, right = model.joint(f"left_{joint}").range, model.joint(f"right_{joint}").range
        np.testing.assert_allclose(right, [-left[1], -left[0]])
    np.testing.assert_allclose(np.degrees(model.joint("left_knee").range), [-80, 58.4])


def test_toe_motors_share_their_limits_between_pitch_and_roll(model: Any) -> None:
    data = posed(model, LEG, ARM)
    pitch, roll = (model.joint(f"left_toe_{axis}").dofadr[0] for axis in ("pitch", "roll"))
    torques = np.array([12.0, -3.0])
    data.ctrl[model.actuator("left_toe_a").id], data.ctrl[model.actuator("left_toe_b").id] = TOES.T @ torques
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.qfrc_actuator[[pitch, roll]], torques, rtol=1e-5)
    most = 42.0 / np.abs(TOES.T @ np.eye(2)).max(axis=0)
    np.testing.assert_allclose(most, [80, 25], rtol=0.02)


def test_a_mirrored_pose_is_the_mirror_image(model: Any) -> None:
    random = np.random.default_rng(0)
    left, right = random.uniform(-0.5, 0.5, (2, 11))
    pictures = []
    for sides in ((left, right), (-right, -left)):
        data = mujoco.MjData(model)
        data.qpos[:] = np.concatenate([[0, 0, 0, 1, 0, 0, 0], *sides])
        mujoco.mj_forward(model, data)
        pictures.append((data.site("left_sole").xpos, data.site("right_sole").xpos, data.qfrc_bias[6:].copy()))
    mirror = np.array([1, -1, 1])
    np.testing.assert_allclose(pictures[0][0], mirror * pictures[1][1], atol=1e-9)
    np.testing.assert_allclose(pictures[0][1], mirror * pictures[1][0], atol=1e-9)
    np.testing.assert_allclose(pictures[0][2], -np.roll(pictures[1][2], 11), atol=1e-6)


def test_the_tarsus_follows_the_knee(model: Any) -> None:
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    worst = 0.0
    for step in range(400):
        data.ctrl[[3, 13]] = 80 * np.sin(step / 30)
        mujoco.mj_step(model, data)
        worst = max(worst, np.abs(data.qpos[KNEES + 1] + data.qpos[TARSI + 1]).max())
    assert worst < np.radians(0.5)
