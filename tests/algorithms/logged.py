"""Toy datasets for the algorithms that learn from logged data."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from gymnasium.spaces import Box

from spreeze.contract import Dataset, EnvironmentSpec, Episode, LearnerSetup, Stage
from spreeze.learning import Batches, JointUpdates
from spreeze.transport.lane import fill
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader

CPU = torch.device("cpu")
OBSERVATION, ACTION = Box(-np.inf, np.inf, (2,), np.float32), Box(-1.0, 1.0, (1,), np.float32)


def spec_of(read: Callable[[], Iterable[Episode]]) -> EnvironmentSpec:
    """Two observations, one action, and a dataset whose episodes `read` gives."""
    return EnvironmentSpec(OBSERVATION, ACTION, None, Dataset("toy", "Toy-v0", "random", "0" * 64, 0, None, read))


def episode_of(action: Sequence[float], reward: Sequence[float], terminated: bool = True) -> Episode:
    """An episode whose observations are (step, 10 step)."""
    steps = np.arange(len(action) + 1, dtype=np.float32)
    end = (np.arange(len(action)) == len(action) - 1) & terminated
    actions, rewards = np.array(action, np.float32)[:, None], np.array(reward, np.float32)
    return Episode(np.stack((steps, 10 * steps), 1), actions, rewards, end)


def setup_of(seed: int = 0) -> LearnerSetup:
    """Everything on the CPU."""
    return LearnerSetup({"*": CPU}, seed, {})


def learn(stage: Stage, updates: int, seed: int = 0) -> JointUpdates:
    """Make updates of a stage that learns from a dataset alone, with the framework's own store and draws."""
    stores, readers = dict(stage.stores), {}
    for name, store in stores.items():
        assert store.load is not None
        episodes = [dict(episode) for episode in store.load()]
        rows = sum(len(episode["observation"]) for episode in episodes)
        layout = StoreLayout.of(store, 1, 1)
        memory = StoreMemory.create(name, StoreLayout(layout.kind, layout.row, layout.head, 1, rows + 2, 1, 0))
        fill(memory, episodes)
        readers[name] = StoreReader(memory)
    parts = stage.make_learner(setup_of(seed))
    learning = JointUpdates(parts, Batches(readers, stores, seed), dict.fromkeys(parts, CPU))
    for _ in range(updates):
        learning.step()
    return learning
