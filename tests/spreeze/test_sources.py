"""The default source and evaluation against environments stepped by hand."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest
import torch
from torch import Tensor

from spreeze.contract import Draw, EvaluationSetup, Field, Recurrent, SourceSetup, Step, Store, Transition
from spreeze.envs import environment
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.envs.vector import episode_seed
from spreeze.sources import EnvironmentSource, evaluate_episodes
from spreeze.spaces import ActionScale, action_field, observation_field
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import COMMIT, StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader

SEED, COUNT, STEPS, BLOCKS, LIMIT = 5, 3, 7, 12, 20
"""LIMIT: an episode is truncated after so many steps; blocks end in the middle of episodes."""
NAMES = {"pendulum": "Pendulum-v1", "cartpole": "CartPole-v1"}
"""The episodes of the first end by truncation, most of the second's by termination."""
every_environment = pytest.mark.parametrize("name", NAMES)


class Told(NamedTuple):
    """A policy whose choice is a function of the observation; it stores what it is told and how old it is."""

    space: gymnasium.Space[Any]

    def initial_state(self, batch: int) -> Recurrent:
        return (torch.zeros(batch),)

    def choose(self, observation: Tensor) -> Tensor:
        """Actions that vary, and push the pole over."""
        if isinstance(self.space, gymnasium.spaces.Discrete):
            return (observation[:, 0] > 0).long()
        return torch.sin(31 * observation.sum(-1, keepdim=True))

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        [age] = state
        told = {"told_action": step.previous_action, "told_reward": step.previous_reward, "age": age}
        return self.choose(step.observation), (age + 1,), told


class Row(NamedTuple):
    """One transition of an episode."""

    observation: np.ndarray
    action: Any
    reward: float
    terminated: bool
    truncated: bool
    next_observation: np.ndarray


def make_envs(name: str, count: int = COUNT, seed: int = SEED) -> Any:
    return environment(name).make_vector(GymnasiumOptions(LIMIT), count, seed)


def episode_by_hand(name: str, index: int, episode: int) -> Iterator[Row]:
    """One episode of one environment under the policy, stepped with Gymnasium alone."""
    env = gymnasium.make(NAMES[name], max_episode_steps=LIMIT)
    policy, scale, over = Told(env.action_space), ActionScale(env.action_space), False
    seen = env.reset(seed=episode_seed(SEED, index, episode))[0].astype(np.float32)
    while not over:
        action = policy.choose(torch.from_numpy(seen)[None])[0].numpy()
        after, reward, terminated, truncated, _ = env.step(scale.to_env(action))
        after, over = after.astype(np.float32), terminated or truncated
        yield Row(seen, action, float(reward), terminated, truncated, after)
        seen = after


def episodes_by_hand(name: str, index: int, rows: int) -> list[Row]:
    """At least `rows` transitions, episode after episode."""
    found: list[Row] = []
    episode = 0
    while len(found) < rows:
        found += episode_by_hand(name, index, episode)
        episode += 1
    return found


def store_of(name: str, segment: int = 0) -> Store:
    space = make_envs(name, 1).action_space
    flags = {"terminated": Field((), "bool"), "truncated": Field((), "bool"), "is_first": Field((), "bool")}
    told = {"told_action": action_field(space), "told_reward": Field(), "age": Field()}
    step = {"observation": observation_field(make_envs(name, 1).observation_space), "action": action_field(space)}
    head = {"state0": Field()} if segment else {}
    return Store("replay", step | flags | told | {"reward": Field()}, capacity=10_000, segment=segment, head=head)


class Collected:
    """A source and the store that it fills."""

    def __init__(self, name: str, segment: int = 0) -> None:
        self.store = store_of(name, segment)
        self.memory = StoreMemory.create("replay", StoreLayout.of(self.store, 1, COUNT))
        self.source, self.writer = new_source(name, self.store), LaneWriter(self.memory, 0)
        self.episodes: list[tuple[float, int]] = []
        for _ in range(BLOCKS):
            for block in self.source.collect("explore"):
                self.writer.write(block)
                self.episodes += block.episodes

    def column(self, index: int) -> np.ndarray:
        """The rows of one environment, in the order in which they were made, the open one included."""
        return self.memory.rows[0, : self.memory.words[0, COMMIT] + 1, index]


def new_source(name: str, store: Store) -> EnvironmentSource:
    policy = Told(make_envs(name, 1).action_space)
    make = partial(make_envs, name)
    return EnvironmentSource(SourceSetup(policy, {}, make, {"replay": store}, {}, {}, COUNT, STEPS, SEED))


@every_environment
def test_every_valid_row_and_its_successor_equal_those_of_an_environment_stepped_by_hand(name: str) -> None:
    collected = Collected(name)
    for index in range(COUNT):
        rows = collected.column(index)
        valid = np.flatnonzero(rows["valid"][:-1])
        expected = episodes_by_hand(name, index, len(valid))
        assert sum(row.terminated or row.truncated for row in expected[: len(valid)]) >= 3
        for at, row in zip(valid, expected, strict=False):
            np.testing.assert_array_equal(rows["observation"][at], row.observation)
            np.testing.assert_array_equal(rows["observation"][at + 1], row.next_observation)
            np.testing.assert_array_equal(rows["action"][at], row.action)
            np.testing.assert_allclose(rows["reward"][at], row.reward, rtol=1e-6)
            assert (rows["terminated"][at], rows["truncated"][at]) == (row.terminated, row.truncated)


@every_environment
def test_rows_without_a_transition_are_those_of_final_observations(name: str) -> None:
    collected = Collected(name)
    for index in range(COUNT):
        rows = collected.column(index)[:-1]
        ended = rows["terminated"] | rows["truncated"]
        np.testing.assert_array_equal(rows["valid"][1:] == 0, ended[:-1])
        np.testing.assert_array_equal(rows["is_first"][1:], rows["valid"][:-1] == 0)
        assert rows["is_first"][0]
        assert not rows["reward"][rows["valid"] == 0].any()


@every_environment
def test_a_batch_pairs_every_observation_with_its_true_successor(name: str) -> None:
    collected = Collected(name)
    truth = {
        (row.observation.tobytes(), row.next_observation.tobytes())
        for index in range(COUNT)
        for row in episodes_by_hand(name, index, BLOCKS * STEPS)
    }
    batch = StoreReader(collected.memory).draw(Draw("replay", rows=5000), np.random.default_rng(0))
    pairs = zip(batch["observation"], batch["next_observation"], strict=True)
    drawn = {(before.tobytes(), after.tobytes()) for before, after in pairs}
    assert drawn <= truth
    assert len(drawn) == sum(int(collected.column(index)["valid"][:-1].sum()) for index in range(COUNT))


@every_environment
def test_a_policy_is_told_its_last_action_and_reward_and_remembers_its_episode(name: str) -> None:
    collected = Collected(name)
    for index in range(COUNT):
        rows = collected.column(index)[:-1]
        first = rows["is_first"]
        assert not rows["told_action"][first].any()
        assert not rows["told_reward"][first].any()
        np.testing.assert_array_equal(rows["told_action"][1:][~first[1:]], rows["action"][:-1][~first[1:]])
        np.testing.assert_array_equal(rows["told_reward"][1:][~first[1:]], rows["reward"][:-1][~first[1:]])
        since = np.arange(len(rows)) - np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
        np.testing.assert_array_equal(rows["age"], since)


@every_environment
def test_the_source_reports_return_and_length_of_every_episode_that_ended(name: str) -> None:
    collected = Collected(name)
    expected = []
    for index in range(COUNT):
        valid = int(collected.column(index)["valid"][:-1].sum())
        rewards: list[float] = []
        for row in episodes_by_hand(name, index, valid)[:valid]:
            rewards.append(row.reward)
            if row.terminated or row.truncated:
                expected.append((sum(rewards), len(rewards)))
                rewards = []
    assert len(collected.episodes) == len(expected) > 2 * COUNT
    np.testing.assert_allclose(sorted(collected.episodes), sorted(expected), rtol=1e-5)


@every_environment
def test_the_head_of_a_segment_is_the_memory_before_its_first_row(name: str) -> None:
    collected = Collected(name, segment=STEPS)
    assert collected.memory.heads is not None
    stride = STEPS + 1
    for segment in range(BLOCKS):
        rows = collected.memory.rows[0, segment * stride : (segment + 1) * stride]
        head = collected.memory.heads["state0"][0, segment]
        np.testing.assert_array_equal(np.where(rows["is_first"][0], 0, head), rows["age"][0])
        assert not rows["valid"][-1].any(), "the row that closes a segment holds the successor of its last one"
        if segment:
            before = collected.memory.rows[0, segment * stride - 1]
            np.testing.assert_array_equal(before["observation"], rows["observation"][0])


@every_environment
def test_a_source_goes_on_where_another_one_stood_to_the_bit(name: str) -> None:
    collected = Collected(name)
    follower = new_source(name, collected.store)
    follower.load_state({key: array.copy() for key, array in collected.source.state().items()})
    for _ in range(BLOCKS):
        [one], [other] = collected.source.collect("explore"), follower.collect("explore")
        assert one.continues
        assert other.continues
        assert one.episodes == other.episodes
        pairs = [(one.fields[key], other.fields[key]) for key in one.fields]
        pairs += [(one.valid, other.valid), (one.next_observation, other.next_observation)]
        assert all(left.tobytes() == right.tobytes() for left, right in pairs)


@every_environment
def test_an_evaluation_returns_what_episodes_run_by_hand_return(name: str) -> None:
    policy, count = Told(make_envs(name, 1).action_space), 4
    setup = EvaluationSetup(policy, {}, partial(make_envs, name), "exploit", count, SEED)
    result = evaluate_episodes(setup)
    by_hand = [list(episode_by_hand(name, index, 0)) for index in range(count)]
    assert list(result.lengths) == [len(episode) for episode in by_hand]
    np.testing.assert_allclose(result.returns, [sum(row.reward for row in rows) for rows in by_hand], rtol=1e-5)


class Aged:
    """Environments that measure how old their episodes are."""

    def __init__(self, name: str, count: int, seed: int) -> None:
        self._envs, self.ages, self._ended = make_envs(name, count, seed), np.zeros(count), np.zeros(count, bool)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._envs, name)

    def step(self, actions: np.ndarray) -> Transition:
        moment: Transition = self._envs.step(actions)
        self.ages = np.where(self._ended, 0, self.ages + 1)
        self._ended = moment.terminated | moment.truncated
        return moment

    def metrics(self) -> dict[str, np.ndarray]:
        return {"age": self.ages, "negative": -self.ages}


def test_an_evaluation_reports_the_means_of_what_environments_measure_of_the_same_episodes() -> None:
    name = "cartpole"
    policy = Told(make_envs(name, 1).action_space)
    setup = EvaluationSetup(policy, {}, partial(Aged, name), "exploit", 30, SEED)
    result = evaluate_episodes(setup)
    assert len(set(result.lengths)) > 1, "episodes that end later must not count those that began meanwhile"
    assert result.metrics == {"age": np.mean(result.lengths), "negative": -np.mean(result.lengths)}
    assert evaluate_episodes(setup._replace(make_envs=partial(make_envs, name))).metrics == {}
