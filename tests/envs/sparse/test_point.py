"""The point robot against its formula, its tasks, and the best that can be done."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pytest

from spreeze.envs import environment
from spreeze.envs.sparse.point import PointVector, near_noise, reward, tasks
from spreeze.envs.sparse.tasks import FamilyOptions
from spreeze.errors import CheckpointError, EnvironmentFault
from spreeze.spaces import probe

NAMES = ("point-robot-sparse", "point-robot-noise")


def points(count: int = 3, seed: int = 0, noisy: bool = False, options: FamilyOptions | None = None) -> PointVector:
    return PointVector("points", tasks(noisy), options or FamilyOptions(), count, seed, noisy)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ((0.0, 1.0), 1.0),
        ((0.0, 0.75), 0.75),
        ((0.18, 0.76), 0.7),
        ((0.3, 1.0), 0.7),
        ((0.3001, 1.0), 0.0),
        ((0.0, 0.0), 0.0),
    ],
)
def test_the_reward_is_one_less_the_distance_near_the_goal(position: tuple[float, float], expected: float) -> None:
    given = reward(np.array([position]), np.array([[0.0, 1.0]]))
    assert given == pytest.approx([expected], abs=1e-12)


def test_an_episode_is_stepped_as_by_hand() -> None:
    envs = points(1)
    goal = tasks(False).values[0]
    seen = envs.begin(np.zeros(1, np.int64))
    np.testing.assert_array_equal(seen, np.zeros((1, 2)))
    for step in range(1, 33):
        transition = envs.step(np.array([[0.05, 0.2]]))
        position = np.array([0.05 * step, 0.1 * step])
        np.testing.assert_allclose(transition.observation[0], position, atol=1e-6)
        distance = np.linalg.norm(position - goal)
        assert transition.reward[0] == pytest.approx(1 - distance if distance <= 0.3 else 0, abs=1e-6)
        assert (bool(transition.truncated[0]), bool(transition.terminated[0])) == (step == 32, False)
    again = envs.step(np.array([[0.1, 0.1]]))
    assert (again.reward[0], again.truncated[0]) == (0, False)
    np.testing.assert_array_equal(again.observation[0], [0, 0])


def test_who_knows_the_goals_gains_26() -> None:
    everything = tasks(False).values
    envs = points(len(everything))
    position, gained = envs.begin(np.arange(len(everything))), np.zeros(len(everything))
    for _ in range(32):
        position, reward_now, _, _ = envs.step(np.clip(everything - position, -0.1, 0.1))
        gained += reward_now
    assert gained.mean() == pytest.approx(26.0, abs=0.05)
    assert gained.min() > 24.6 and gained.max() < 27.6


@pytest.mark.parametrize("name", NAMES)
def test_nothing_observed_tells_the_task_outside_its_reward(name: str) -> None:
    envs = environment(name).make_vector(FamilyOptions(), 20, 0)
    counts = environment(name).tasks(FamilyOptions())  # type: ignore[misc]
    envs.begin(np.zeros(20, np.int64))  # type: ignore[attr-defined]
    seen = []
    for task in (np.zeros(20, np.int64), np.arange(20) + counts.train):
        envs.load_state({**envs.state(), "task": task, "episode": np.zeros(20, np.int64)})
        seen.append([envs.reset().copy(), *(envs.step(np.full((20, 2), 0.03)).observation.copy() for _ in range(5))])
    np.testing.assert_array_equal(np.stack(seen[0])[:, :, :2], np.stack(seen[1])[:, :, :2])
    assert probe(environment(name), FamilyOptions())[0].shape == ((3,) if "noise" in name else (2,))


@pytest.mark.parametrize(("noisy", "train"), [(False, 40), (True, 80)])
def test_tasks_are_frozen_and_those_held_out_are_others(noisy: bool, train: int) -> None:
    found = tasks(noisy)
    assert found.counts == (counts := environment(NAMES[noisy]).tasks(FamilyOptions()))  # type: ignore[misc]
    assert (counts.train, counts.test, counts.episode_steps) == (train, 20, 32)
    rows = [tuple(goal) for goal in found.values.round(9)]
    assert len(set(rows)) == len(rows) == train + 20
    np.testing.assert_allclose(np.linalg.norm(found.values, axis=1), 1)
    assert (found.values[:, 1] >= 0).all()


def test_the_goals_are_those_of_today() -> None:
    digest = hashlib.sha256(tasks(False).values.round(9).astype("<f8").tobytes()).hexdigest()
    assert digest.startswith("6a60baf1852c704f")


def test_of_which_split_a_task_is_drawn_is_an_option_and_depends_on_the_seed() -> None:
    def played(seed: int, options: FamilyOptions) -> np.ndarray:
        envs = points(50, seed, options=options)
        envs.reset()
        return envs.assignment.number.copy()

    train, held_out = played(0, FamilyOptions()), played(0, FamilyOptions("test"))
    assert train.max() < 40 <= held_out.min() and held_out.max() < 60
    assert len(set(train)) > 10
    np.testing.assert_array_equal(train, played(0, FamilyOptions()))
    assert (train != played(1, FamilyOptions())).any()


def test_a_task_once_given_is_kept_through_episodes() -> None:
    envs = points(3)
    envs.begin(np.array([5, 41, 7]))
    for _ in range(40):
        envs.step(np.zeros((3, 2)))
    assert envs.assignment.number.tolist() == [5, 41, 7]
    with pytest.raises(ValueError, match="give one of 0 to 59 for each of 3"):
        envs.begin(np.array([1, 2, 60]))


def test_noise_is_seen_near_its_place_alone_and_says_nothing() -> None:
    envs = points(2, noisy=True)
    envs.begin(np.array([0, 50]))
    noise = []
    for step in range(32):
        seen = envs.step(np.tile([0.0, -0.1 if step < 10 else 0.0], (2, 1))).observation
        near = near_noise(seen[:, :2].astype(np.float64))
        assert (seen[~near, 2] == 0).all()
        noise += seen[near, 2].tolist()
    assert len(noise) > 40 and 0 <= min(noise) < 0.5 and 3.5 < max(noise) <= 4
    assert near_noise(np.array([[0, -0.71], [0, -0.69]])).tolist() == [True, False]


def rollout(envs: PointVector, random: np.random.Generator, steps: int) -> np.ndarray:
    moves = random.uniform(-0.1, 0.1, (steps, envs.count, 2))
    return np.stack([np.column_stack((t.observation, t.reward)) for t in map(envs.step, moves)])


@pytest.mark.parametrize("noisy", [False, True])
def test_a_saved_state_goes_on_to_the_bit(noisy: bool) -> None:
    one, other = points(3, 1, noisy), points(3, 2, noisy)
    one.reset()
    rollout(one, np.random.default_rng(0), 50)
    other.load_state(one.state())
    np.testing.assert_array_equal(
        rollout(one, np.random.default_rng(1), 50), rollout(other, np.random.default_rng(1), 50)
    )


def test_a_state_of_something_else_is_refused() -> None:
    state: Mapping[str, np.ndarray] = points(3).state()
    with pytest.raises(CheckpointError, match="does not fit 2 x 'points'"):
        points(2).load_state(state)


def test_an_action_that_is_not_finite_is_named() -> None:
    envs = points(2)
    envs.reset()
    with pytest.raises(
        EnvironmentFault, match=r"environment 'points', index 1, .*the action it was given is not finite"
    ):
        envs.step(np.array([[0, 0], [0, np.nan]]))


def test_the_picture_shows_point_and_goal() -> None:
    picture = environment("point-robot-sparse").make_rendered(FamilyOptions())
    picture.reset(seed=3)
    frame = np.asarray(picture.render())
    assert frame.shape == (256, 256, 3) and frame.dtype == np.uint8
    assert {(200, 0, 0), (0, 130, 0), (215, 240, 215)} <= {tuple(pixel) for pixel in frame.reshape(-1, 3)}
    before = frame.copy()
    picture.step(np.array([0.1, 0.1]))
    assert (np.asarray(picture.render()) != before).any()
