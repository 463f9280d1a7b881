"""`SyncVector` against environments stepped by hand, and against itself after a continuation."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from spreeze.environment import Transition, VectorEnv
from spreeze.envs import environment
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.envs.vector import episode_seed
from spreeze.errors import CheckpointError, UnsupportedSpace

IDS = ["Hopper-v5", "Pendulum-v1", "CartPole-v1"]
LIMIT = 25
"""Steps of an episode at most, so that truncations are met too."""


def vector(name: str, count: int = 3, seed: int = 7, limit: int | None = LIMIT) -> VectorEnv:
    return environment(name).make_vector(GymnasiumOptions(limit), count, seed)


def random_actions(envs: VectorEnv, seed: int = 0) -> Iterator[np.ndarray]:
    """Endless actions for all environments, from a generator of their own."""
    space = gymnasium.vector.utils.batch_space(envs.action_space, envs.count)
    space.seed(seed)
    while True:
        yield np.asarray(space.sample())


def run(envs: VectorEnv, actions: Iterator[np.ndarray], steps: int) -> list[Transition]:
    return [Transition(*(array.copy() for array in envs.step(next(actions)))) for _ in range(steps)]


class ByHand:
    """One environment, stepped and reset one call at a time as the documentation of `VectorEnv` says."""

    def __init__(self, name: str, seed: int, index: int) -> None:
        self.env = gymnasium.make(name, max_episode_steps=LIMIT)
        self.seed, self.index, self.episode, self.ended = seed, index, -1, True

    def begin(self) -> Any:
        self.episode, self.ended = self.episode + 1, False
        return self.env.reset(seed=episode_seed(self.seed, self.index, self.episode))[0]

    def step(self, action: Any) -> tuple[Any, Any, bool, bool]:
        if self.ended:
            return self.begin(), 0.0, False, False
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self.ended = terminated or truncated
        return observation, reward, terminated, truncated


def assert_same(one: Transition, other: Transition) -> None:
    for name, left, right in zip(Transition._fields, one, other, strict=True):
        assert left.dtype == right.dtype, name
        assert left.tobytes() == right.tobytes(), name


@pytest.mark.parametrize("name", IDS)
def test_every_step_equals_that_of_environments_stepped_by_hand(name: str) -> None:
    envs, single = vector(name), [ByHand(name, 7, index) for index in range(3)]
    first = np.stack([env.begin() for env in single]).astype(np.float32)
    assert envs.reset().tobytes() == first.tobytes()
    for _, actions in zip(range(120), random_actions(envs), strict=False):
        rows = [env.step(action) for env, action in zip(single, actions, strict=True)]
        observations, rewards, terminated, truncated = map(np.array, zip(*rows, strict=True))
        expected = Transition(observations.astype(np.float32), rewards.astype(np.float32), terminated, truncated)
        assert_same(envs.step(actions), expected)
    assert all(env.episode >= 2 for env in single)
    envs.close()


@pytest.mark.parametrize("name", IDS)
def test_first_episodes_equal_those_of_gymnasiums_own_vector(name: str) -> None:
    envs = vector(name)
    makers = [lambda: gymnasium.make(name, max_episode_steps=LIMIT)] * 3
    theirs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.NEXT_STEP)
    seen, _ = theirs.reset(seed=[episode_seed(7, index, 0) for index in range(3)])
    np.testing.assert_array_equal(envs.reset(), seen.astype(np.float32))
    running, actions = np.ones(3, bool), random_actions(envs)
    while running.any():
        batch = next(actions)
        ours, (observation, reward, terminated, truncated, _) = envs.step(batch), theirs.step(batch)
        expected = (observation.astype(np.float32), reward.astype(np.float32), terminated, truncated)
        for mine, their in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(mine[running], their[running])
        running &= ~(terminated | truncated)
    theirs.close()


def test_the_step_after_an_end_returns_the_first_observation_of_the_next_episode() -> None:
    envs = vector("Pendulum-v1", limit=4)
    envs.reset()
    final, first = run(envs, random_actions(envs), 5)[3:]
    assert final.truncated.all()
    assert not (first.terminated | first.truncated).any()
    assert (first.reward == 0).all()
    expected = [gymnasium.make("Pendulum-v1").reset(seed=episode_seed(7, n, 1))[0] for n in range(3)]
    np.testing.assert_array_equal(first.observation, expected)


def test_the_action_of_a_reset_step_has_no_effect() -> None:
    one, other = vector("Pendulum-v1", limit=4), vector("Pendulum-v1", limit=4)
    actions = [np.full((3, 1), value, np.float32) for value in (0.5, -0.5, 1.0, 2.0, -1.0, 1.5)]
    one.reset(), other.reset()
    for step, action in enumerate(actions):
        assert_same(one.step(action), other.step(-action if step == 4 else action))


def test_a_second_reset_begins_the_next_episode() -> None:
    envs = vector("Pendulum-v1")
    first, second = envs.reset().copy(), envs.reset().copy()
    expected = [gymnasium.make("Pendulum-v1").reset(seed=episode_seed(7, n, 1))[0] for n in range(3)]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(second, expected)


def test_a_reset_after_an_end_leaves_no_reset_due() -> None:
    envs = vector("Pendulum-v1", limit=2)
    envs.reset()
    assert run(envs, random_actions(envs), 2)[-1].truncated.all()
    envs.reset()
    assert (envs.step(next(random_actions(envs))).reward < 0).all()


def test_an_episode_seed_depends_on_seed_index_and_episode_alone() -> None:
    keys = [(seed, index, episode) for seed in (0, 1, 2**62) for index in range(4) for episode in range(4)]
    seeds = [episode_seed(*key) for key in keys]
    assert seeds == [episode_seed(*key) for key in keys]
    assert len(set(seeds)) == len(keys)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_an_episode_at_its_limit_is_truncated_and_not_terminated() -> None:
    envs = vector("Pendulum-v1", limit=6)
    envs.reset()
    steps = run(envs, random_actions(envs), 6)
    assert [step.truncated.all() for step in steps] == [False] * 5 + [True]
    assert not any(step.terminated.any() for step in steps)


def test_a_fallen_hopper_is_terminated_and_not_truncated() -> None:
    envs = vector("Hopper-v5", limit=None)
    envs.reset()
    steps = run(envs, random_actions(envs), 120)
    assert any(step.terminated.any() for step in steps)
    assert not any(step.truncated.any() for step in steps)


def test_a_transition_stays_as_it_is_during_the_next_step() -> None:
    envs = vector("Hopper-v5")
    envs.reset()
    actions = random_actions(envs)
    for _ in range(40):
        before = envs.step(next(actions))
        kept = Transition(*(array.copy() for array in before))
        envs.step(next(actions))
        assert_same(before, kept)


@pytest.mark.parametrize("name", [*IDS, "tests.envs.faulty:test/choices-v0"])
def test_a_continuation_is_exact_at_any_step(name: str) -> None:
    for steps in [0, 24, 25, 26, *np.random.default_rng(3).integers(1, 90, 3)]:
        original, heir = vector(name), vector(name, seed=1234)
        seen = original.reset()
        actions = random_actions(original)
        for transition in run(original, actions, int(steps)):
            seen = transition.observation
        heir.reset()
        np.testing.assert_array_equal(heir.load_state(original.state()), seen)
        rest = [next(actions) for _ in range(60)]
        for mine, theirs in zip(run(heir, iter(rest), 60), run(original, iter(rest), 60), strict=True):
            assert_same(mine, theirs)


def test_a_continuation_of_a_continuation_is_exact() -> None:
    original = vector("Hopper-v5")
    original.reset()
    actions = random_actions(original)
    heir = original
    for _ in range(3):
        run(heir, actions, 10)
        following = vector("Hopper-v5", seed=0)
        following.load_state(heir.state())
        for name, value in heir.state().items():
            np.testing.assert_array_equal(following.state()[name], value)
        heir = following


def test_the_state_holds_no_more_than_the_running_episodes() -> None:
    envs = vector("Pendulum-v1", limit=10)
    envs.reset()
    run(envs, random_actions(envs), 500)
    state = envs.state()
    assert state["actions"].shape[1] == state["lengths"].max() <= 10


def test_a_state_of_another_number_of_environments_is_refused() -> None:
    one, other = vector("Pendulum-v1", count=2), vector("Pendulum-v1", count=3)
    one.reset()
    with pytest.raises(CheckpointError, match="3 x 'Pendulum-v1'"):
        other.load_state(one.state())


def test_choices_reach_the_environment_as_python_ints() -> None:
    envs = vector("tests.envs.faulty:test/choices-v0")
    assert envs.reset().dtype == np.int64
    step = envs.step(np.array([2, 3, 4], np.int32))
    np.testing.assert_array_equal(step.observation, [2, 3, 4])
    assert step.observation.dtype == np.int64
    assert step.reward.dtype == np.float32


def test_pixels_keep_their_dtype_and_actions_are_the_callers_own() -> None:
    envs = vector("tests.envs.faulty:test/spoiler-v0", count=2)
    assert (envs.reset() == 255).all()
    actions = np.array([[0.5, 0.0], [-0.5, 0.0]])
    step = envs.step(actions)
    assert step.observation.dtype == np.uint8
    np.testing.assert_array_equal(step.observation[:, 0, 0, 0], [150, 50])
    assert np.isfinite(actions).all()
    assert np.isfinite(envs.state()["actions"]).all()


def test_actions_of_a_wrong_shape_are_refused() -> None:
    envs = vector("Pendulum-v1")
    envs.reset()
    with pytest.raises(ValueError, match=r"\(3,\), 'Pendulum-v1' takes \(3, 1\)"):
        envs.step(np.zeros(3))


def test_a_dictionary_is_observed_as_one_array() -> None:
    named, plain = vector("tests.envs.faulty:test/named-v0"), vector("tests.envs.faulty:test/choices-v0")

    def flat(seen: np.ndarray) -> np.ndarray:
        return np.concatenate([np.eye(5)[seen], np.eye(2)[(seen > 1).astype(int)]], 1)

    np.testing.assert_array_equal(named.reset(), flat(plain.reset()))
    actions = random_actions(plain)
    for _ in range(5):
        action = next(actions)
        after, gain = plain.step(action)[:2]
        observed, reward = named.step(action)[:2]
        np.testing.assert_array_equal(observed, flat(after))
        np.testing.assert_array_equal(reward, gain)


@pytest.mark.parametrize("name", ["tests.envs.faulty:test/paired-v0", "Blackjack-v1"])
def test_spaces_that_are_not_one_array_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedSpace, match="FlattenObservation"):
        vector(name)
