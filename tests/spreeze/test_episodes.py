"""Episodes out of replay stores and environments are those that were played: whole, in order, nothing lost or mixed."""

from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, Space

from spreeze import registry
from spreeze.checkpoint import Checkpoint
from spreeze.contract import Block, Episode, Field, Store
from spreeze.episodes import UniformPolicy, played, replayed, runs
from spreeze.errors import CheckpointError, UnsupportedSpace, UsageError
from spreeze.store_files import StoreFiles
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import StoreLayout, StoreMemory

FIELDS = {"observation": Field((2,)), "action": Field((1,)), "reward": Field(), "terminated": Field()}
STREAMS = 3
LENGTHS = (4, 7, 5)
"""Steps of every episode of each stream; those of stream 1 are truncated."""


def play_into(memory: StoreMemory, lane: int, blocks: int, steps: int = 5) -> None:
    """Write blocks of episodes: observation (episode, step), reward = step, an autoreset row after each."""
    writer, clock = LaneWriter(memory, lane), np.zeros(STREAMS, int)
    for _ in range(blocks):
        fields = {name: np.zeros((steps, STREAMS, *field.shape), np.float32) for name, field in FIELDS.items()}
        valid = np.zeros((steps, STREAMS), np.uint8)
        for t in range(steps):
            for n, length in enumerate(LENGTHS):
                episode, step = divmod(int(clock[n]), length + 1)
                fields["observation"][t, n] = episode, step
                fields["action"][t, n], fields["reward"][t, n] = lane, step
                fields["terminated"][t, n] = n != 1 and step == length - 1
                valid[t, n] = step < length
                clock[n] += 1
        following = np.array([divmod(int(clock[n]), length + 1) for n, length in enumerate(LENGTHS)], np.float32)
        writer.write(Block("replay", fields, valid, following))


def saved(folder: Path, capacity: int, blocks: int, lanes: int = 2) -> tuple[Checkpoint, dict[str, Store]]:
    """A checkpoint's worth of a store that was filled by `play_into`."""
    store = Store("replay", FIELDS, capacity)
    memory = StoreMemory.create("replay", StoreLayout.of(store, lanes, STREAMS))
    files = StoreFiles(folder / "stores", {"replay": memory})
    for lane in range(lanes):
        play_into(memory, lane, blocks)
    sizes = {"samplers": lanes, "envs_per_sampler": STREAMS}
    checkpoint = Checkpoint(folder / "checkpoint-00000001", {"stores": files.snapshot(), "sizes": sizes})
    memory.memory.close()
    return checkpoint, {"replay": store}


def assert_whole(episode: Episode) -> tuple[int, int, int]:
    """The episode is one that was played, from its first step to its final observation; return which."""
    lane, number, length = int(episode.action[0, 0]), int(episode.observation[0, 0]), len(episode.reward)
    assert length in LENGTHS
    assert episode.observation.tolist() == [[number, step] for step in range(length + 1)]
    assert episode.reward.tolist() == list(range(length))
    assert (episode.action == lane).all()
    assert episode.terminated.tolist() == [False] * (length - 1) + [length != LENGTHS[1]]
    return lane, length, number


def test_every_whole_episode_of_a_replay_store_is_found_once(tmp_path: Path) -> None:
    episodes = replayed(*saved(tmp_path, capacity=10_000, blocks=20))
    found = sorted(assert_whole(episode) for episode in episodes)
    expected = [(lane, length, k) for lane in (0, 1) for length in LENGTHS for k in range(100 // (length + 1))]
    assert found == sorted(expected)


def test_episodes_come_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    order = [assert_whole(episode) for episode in replayed(*saved(tmp_path, capacity=10_000, blocks=20, lanes=1))]
    ends = [(number + 1) * (length + 1) for _, length, number in order]
    assert ends == sorted(ends)


def test_a_replay_as_it_stood_earlier_holds_what_had_ended_by_then(tmp_path: Path) -> None:
    checkpoint, stores = saved(tmp_path, capacity=10_000, blocks=20)
    lanes, half = 2, 50
    early = sorted(assert_whole(e) for e in replayed(checkpoint, stores, until=half * lanes * STREAMS))
    expected = [(lane, n, k) for lane in range(lanes) for n in LENGTHS for k in range(100) if k * (n + 1) + n <= half]
    assert early == sorted(expected)


def test_what_the_ring_has_overwritten_is_left_out(tmp_path: Path) -> None:
    episodes = replayed(*saved(tmp_path, capacity=2 * STREAMS * 30, blocks=20))
    found = sorted(assert_whole(episode) for episode in episodes)
    first = 100 + 1 - (30 + 2)
    expected = [
        (lane, length, k)
        for lane in (0, 1)
        for length in LENGTHS
        for k in range(100 // (length + 1))
        if k * (length + 1) > first
    ]
    assert found == sorted(expected)


def test_a_missing_part_of_the_store_is_told(tmp_path: Path) -> None:
    checkpoint, stores = saved(tmp_path, capacity=10_000, blocks=20)
    manifest: Any = checkpoint.manifest
    manifest["stores"]["replay"]["files"].pop()
    with pytest.raises(CheckpointError, match="lacks 100 steps of lane 1"):
        replayed(checkpoint, stores)


def test_a_run_without_a_replay_of_steps_is_refused(tmp_path: Path) -> None:
    checkpoint, stores = saved(tmp_path, capacity=100, blocks=2)
    with pytest.raises(UsageError, match="holds 0 replay stores of single steps"):
        replayed(checkpoint, {"replay": Store("queue", FIELDS, 100, segment=5)})
    assert replayed(checkpoint, stores)


def test_rows_of_a_stream_without_any_end_hold_no_episode() -> None:
    rows = np.zeros(
        5,
        [("observation", "f4", (2,)), ("action", "f4", (1,)), ("reward", "f4"), ("terminated", "f4"), ("valid", "u1")],
    )
    rows["valid"] = 1
    assert list(runs(rows, True)) == []


def pendulum(count: int, limit: int) -> Any:
    environment = registry.environment("pendulum")
    return environment.make_vector(environment.options(max_episode_steps=limit), count, 7)


def test_played_episodes_are_those_of_the_environment() -> None:
    with closing(pendulum(3, 20)) as envs:
        policy = UniformPolicy(envs.action_space, torch.Generator().manual_seed(1))
        episodes = [episode for batch in played(envs, policy, "random", 100) for episode in batch]
    assert sum(len(episode.reward) for episode in episodes) >= 100
    env = gymnasium.make("Pendulum-v1", max_episode_steps=20)
    for episode in episodes:
        assert episode.observation.shape == (21, 3) and not episode.terminated.any()
        env.reset(seed=0)
        cosine, sine, speed = episode.observation[0].astype(np.float64)
        env.unwrapped.state = np.array([np.arctan2(sine, cosine), speed])  # type: ignore[attr-defined]
        for step, action in enumerate(episode.action):
            observation, reward, *_ = env.step(2 * action)
            np.testing.assert_allclose(observation, episode.observation[step + 1], atol=1e-3)
            assert float(reward) == pytest.approx(float(episode.reward[step]), abs=1e-3)


def test_every_stream_is_played_to_the_end_of_an_episode() -> None:
    """Stopping all streams at once would prefer short episodes: here, equally many of each stream are kept."""
    for steps in (1, 59, 60, 61):
        with closing(pendulum(3, 20)) as envs:
            policy = UniformPolicy(envs.action_space, torch.Generator().manual_seed(1))
            count = sum(len(batch) for batch in played(envs, policy, "random", steps))
        assert count == 3 * -(-steps // 60)


@pytest.mark.parametrize(("space", "low", "high"), [(Box(-2, 2, (4,)), -1, 1), (Discrete(5, start=3), 0, 4)])
def test_uniform_actions_fill_their_space(space: Space[Any], low: float, high: float) -> None:
    from spreeze.contract import Step

    policy = UniformPolicy(space, torch.Generator().manual_seed(0))
    shape = (1000, 4) if isinstance(space, Box) else (1000,)
    previous = torch.zeros(shape, dtype=torch.float32 if isinstance(space, Box) else torch.int64)
    action, *_ = policy.act(Step(torch.zeros(1000, 1), previous, torch.zeros(1000), torch.zeros(1000)), (), "random")
    assert action.shape == shape
    assert abs(float(action.min()) - low) < 0.01 and abs(float(action.max()) - high) < 0.01
    assert abs(float(action.double().mean()) - (low + high) / 2) < 0.2


def test_a_space_without_uniform_law_is_refused() -> None:
    for space in (MultiBinary(3), Box(-np.inf, np.inf, (2,))):
        with pytest.raises(UnsupportedSpace, match="random actions need"):
            UniformPolicy(space, torch.Generator())
