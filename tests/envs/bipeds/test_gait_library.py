"""The library's gait goes as the one in NumPy, which goes where there is none."""

import numpy as np
import pytest

from spreeze.envs.bipeds import _native, digit, rabbit, walker2d
from spreeze.envs.bipeds._native.gait import NativeGait, gait
from spreeze.envs.bipeds.gait import Gait
from spreeze.envs.bipeds.robot import Posture, Robot

ROBOTS = {"rabbit": rabbit.ROBOT, "walker2d": walker2d.ROBOT, "digit": digit.ROBOT}
COUNT, TICKS = 16, 1200
compiles = pytest.mark.skipif(_native.library() is None, reason="no C compiler")


def posture(random: np.random.Generator) -> Posture:
    """Feet that seldom touch the ground: now before half a step, now after it, now too late."""
    points, feet = random.normal(size=(6, COUNT, 3)) * 0.1, random.normal(size=(2, COUNT, 2, 3)) * 0.1
    touches = random.uniform(0, 1, (COUNT, 2)) < 0.004
    soles = random.normal(size=(COUNT, 2)) * 0.1
    return Posture(*points, *feet, np.where(touches, 50.0, 1.0), soles)  # type: ignore[call-arg]


def pair(robot: Robot) -> tuple[Gait, NativeGait]:
    """Both gaits, at the same begin of an episode."""
    library = _native.library()
    assert library is not None
    both = Gait(robot, COUNT), NativeGait(library, robot, COUNT)
    for one in both:
        one.begin(np.arange(COUNT), np.arange(COUNT) % 2, posture(np.random.default_rng(0)))
        one.heading[:], one.heading_rate[:] = 0.3, 0.2
    return both


@compiles
@pytest.mark.parametrize("name", ROBOTS)
def test_references_memory_and_slips_are_those_of_numpy(name: str) -> None:
    robot = ROBOTS[name]
    plain, native = pair(robot)
    random, steps, slips, late = np.random.default_rng(1), 0, 0, 0
    for tick in range(TICKS):
        seen, decision = posture(random), random.uniform(robot.low, robot.high, (COUNT, len(robot.low)))
        before = plain.stance.copy()
        if tick % 30 == 0:
            pace = random.uniform(0.4, 1.6, COUNT)
            plain.decide(decision, pace)
            native.decide(decision, pace)
        for left, right in zip(plain.advance(seen), native.advance(seen), strict=True):
            np.testing.assert_allclose(right, left, rtol=1e-12, atol=1e-11)
        slip = plain.slips(seen)
        np.testing.assert_array_equal(native.slips(seen), slip)
        steps, slips = steps + (plain.stance != before).sum(), slips + slip.sum()
        late += (plain.since > robot.step_time).sum()
    for key, value in plain.memory.items():
        np.testing.assert_allclose(native.memory[key], value, rtol=1e-12, atol=1e-11)
    assert min(steps, slips, late) > COUNT


@compiles
def test_a_gait_goes_on_to_the_bit_from_its_memory() -> None:
    first, (_, second) = pair(rabbit.ROBOT)[1], pair(rabbit.ROBOT)
    random = np.random.default_rng(2)
    for _ in range(200):
        first.advance(posture(random))
    for key, value in first.memory.items():
        second.memory[key][...] = value
    for _ in range(400):
        seen = posture(random)
        for left, right in zip(first.advance(seen), second.advance(seen), strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.usefixtures("no_library")
def test_without_a_library_numpy_does_it() -> None:
    assert type(gait(rabbit.ROBOT, 1)) is Gait
