"""What goes on around the physics: clock, command, reward, curriculum."""

import numpy as np
import pytest

from spreeze.envs.terrain import make_vector, planar_rewards
from spreeze.envs.terrain.clock import Clock
from spreeze.envs.terrain.curriculum import STEP, Curriculum
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.planar_rewards import WEIGHTS, Measured
from tests.envs.terrain.rewarded import changed, still


def test_the_command_changes_once_between_decisions_200_and_250() -> None:
    options = TerrainOptions(terrain="flat", senses="blind", speed=(0.2, 0.6))
    vector = make_vector("walker2d-terrain", options, 16, 0)
    vector.reset()
    commands = [vector.senses.command.copy()]
    for decision in range(260):
        vector._elapsed[:] = decision
        vector._command()
        commands.append(vector.senses.command.copy())
    changes = np.diff(commands, axis=0) != 0
    assert (changes.sum(axis=0) == 1).all()
    assert changes.argmax(axis=0).min() >= 200 and changes.argmax(axis=0).max() <= 250


def test_feet_stand_in_the_first_half_of_their_period_and_swing_in_the_second() -> None:
    clock = Clock(1, 0.7, 0.02)
    swings = []
    for phase in np.arange(0, 1, 0.01):
        clock.phase[:] = phase
        swings.append(clock.swing()[0])
    left, right = np.array(swings).T
    np.testing.assert_allclose(left[6:44], 0, atol=1e-12)
    np.testing.assert_allclose(left[56:94], 1)
    np.testing.assert_allclose(left[50], 0.5)
    np.testing.assert_allclose(right, np.roll(left, 50), atol=1e-9)
    clock.phase[:] = 0.25
    np.testing.assert_allclose(clock.signals(), [[1, 0, -1, 0]], atol=1e-12)


def test_a_period_takes_35_decisions() -> None:
    clock = Clock(1, 0.7, 0.02)
    for _ in range(35):
        clock.advance(None, np.ones(1, bool))
    np.testing.assert_allclose(np.minimum(clock.phase, 1 - clock.phase), 0, atol=1e-9)


def perfect() -> Measured:
    return Measured(np.zeros(1), np.zeros((1, 3)), still())


def test_a_decision_gives_at_most_1() -> None:
    np.testing.assert_allclose(planar_rewards.reward(perfect()), 1)


@pytest.mark.parametrize(
    ("name", "change", "term"),
    [
        ("speed_error", np.array([0.5]), "speed"),
        ("force", np.array([[100.0, 0.0]]), "left_force"),
        ("foot_speed", np.array([[0.0, 2.0]]), "right_speed"),
        ("effort", np.array([1.5]), "effort"),
    ],
)
def test_each_miss_costs_its_own_term(name: str, change: np.ndarray, term: str) -> None:
    seen = changed(perfect(), **{name: change})
    weight, scale = WEIGHTS[term]
    lost = weight * (1 - np.exp(-scale * change.max())) / sum(w for w, _ in WEIGHTS.values())
    np.testing.assert_allclose(1 - planar_rewards.reward(seen), lost)


def test_a_standing_foot_may_be_loaded_and_a_swinging_one_may_move() -> None:
    seen = changed(perfect(), force=np.array([[0.0, 300.0]]), foot_speed=np.array([[3.0, 0.0]]))
    np.testing.assert_allclose(planar_rewards.reward(seen), 1)


def test_difficulty_follows_success_of_each_environment() -> None:
    curriculum, random = Curriculum(3, (0.1, 0.8), True), np.random.default_rng(0)
    assert curriculum.draw(0, random) == 0.1
    ended, success, share = np.array([True, True, False]), np.array([True, False, True]), np.ones(3)
    for _ in range(3):
        curriculum.judge(ended, success, share)
    np.testing.assert_allclose(curriculum.level, [0.1 + 3 * STEP, 0.1, 0.1])
    assert all(0.1 <= curriculum.draw(0, random) <= 0.1 + 3 * STEP for _ in range(50))
    for _ in range(30):
        curriculum.judge(ended, success, np.array([1.0, 1.0, 1.0]))
    np.testing.assert_allclose(curriculum.level, [0.8, 0.1, 0.1])
    curriculum.judge(ended, success, np.array([0.1, 1.0, 1.0]))
    np.testing.assert_allclose(curriculum.level[0], 0.8)  # Standing is no success, and no fall either.


def test_without_a_curriculum_the_whole_interval_is_drawn_from() -> None:
    curriculum, random = Curriculum(1, (0.2, 0.6), False), np.random.default_rng(0)
    drawn = [curriculum.draw(0, random) for _ in range(200)]
    assert 0.2 <= min(drawn) < 0.22 and 0.58 < max(drawn) <= 0.6
    curriculum.judge(np.ones(1, bool), np.zeros(1, bool), np.ones(1))
    np.testing.assert_allclose(curriculum.level, 0.6)
