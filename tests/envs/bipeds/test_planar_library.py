"""The library for planar robots computes what NumPy does, and NumPy does it where there is none."""

import numpy as np
import pytest

from spreeze.envs.bipeds import _native
from spreeze.envs.bipeds._native.planar import NativeLinearisation, linearisation
from spreeze.envs.bipeds.linearisation import Linearisation
from spreeze.envs.bipeds.robot import Reference, Robot
from spreeze.envs.native.batch import BatchSimulations
from tests.envs.bipeds.planar import PLANAR, random_state, simulations

STATES = 200
FREQUENCIES = (5.0, 10.0, 40.0)
"""With which torques are beyond the limits seldom to always [rad/s]."""
every_robot = pytest.mark.parametrize("name", PLANAR)
compiles = pytest.mark.skipif(_native.library() is None, reason="no C compiler")


def pair(name: str, frequency: float) -> tuple[Linearisation, NativeLinearisation, BatchSimulations]:
    """Both controllers of the same simulations, in random states."""
    library = _native.library()
    assert library is not None
    robot, feet = PLANAR[name]
    batch, random = simulations(robot, STATES), np.random.default_rng(0)
    for index in range(STATES):
        batch.qpos[index], batch.qvel[index] = random_state(robot, random, batch.model.nv)
    batch.fields["sensordata"][:] = random.uniform(0, 100, (STATES, 2))
    return Linearisation(batch, feet, frequency), NativeLinearisation(library, batch, feet, frequency), batch


def reference(robot: Robot, random: np.random.Generator) -> Reference:
    """On either foot, near standing upright."""
    pitch, height, yaw = random.normal(size=(3, STATES, 3)) * 0.1
    height[:, 0] += robot.height
    swing, tilt = random.normal(size=(STATES, 3, 3)) * 0.1, random.normal(size=STATES) * 0.1
    pressure = random.uniform(-0.05, 0.1, STATES)
    return Reference(random.integers(0, 2, STATES), swing, height, pitch, yaw * 0, tilt, pressure)


@compiles
@every_robot
def test_posture_and_momentum_are_those_of_numpy(name: str) -> None:
    plain, native, _ = pair(name, 40.0)
    both = plain.posture(), native.posture()
    for left, right in zip(*both, strict=True):
        np.testing.assert_allclose(right, left, atol=1e-12)
    stance = np.arange(STATES) % 2
    np.testing.assert_allclose(native.momentum(stance), plain.momentum(stance), atol=1e-12)


@compiles
@every_robot
def test_torques_and_counts_are_those_of_numpy(name: str) -> None:
    seen = set[tuple[int, bool]]()
    for frequency in FREQUENCIES:
        plain, native, batch = pair(name, frequency)
        wanted = reference(PLANAR[name][0], np.random.default_rng(1))
        counts = plain.track(plain.posture(), wanted)
        expected = batch.ctrl.copy()
        batch.ctrl[:] = np.nan
        found = native.track(native.posture(), wanted)
        np.testing.assert_allclose(batch.ctrl, expected, atol=1e-4)  # daqp's own exactness, by the gains
        np.testing.assert_array_equal(found.saturated, counts.saturated)
        assert not counts.failed.any() and not found.failed.any()
        seen |= set(zip(wanted.stance.tolist(), counts.saturated.tolist(), strict=True))
    assert len(seen) == 4, "torques within the limits and beyond them, on either foot"


@compiles
@every_robot
def test_torques_for_accelerations_are_those_of_numpy(name: str) -> None:
    plain, native, _ = pair(name, 40.0)
    random = np.random.default_rng(2)
    stance = random.integers(0, 2, STATES)
    accelerations = random.normal(size=(STATES, 5 if PLANAR[name][1].flat else 4)) * 10
    plain.posture(), native.posture()
    for left, right in zip(plain.torques(stance, accelerations), native.torques(stance, accelerations), strict=True):
        np.testing.assert_allclose(right, left, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("no_library")
def test_without_a_library_numpy_does_it() -> None:
    robot, feet = PLANAR["rabbit"]
    assert type(linearisation(simulations(robot, 1), feet, 40.0)) is Linearisation
