"""Small datasets that tests make: hoppers' episodes in Minari's format with a card, and files as D4RL writes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
from gymnasium.spaces import Box

from spreeze.dataset import Episode, Reference
from spreeze.envs.datasets.writing import DatasetWriter, minari_metadata

WIDTH, ACTIONS = 11, 3
LENGTHS = (5, 1, 7)
"""Of the episodes of every Minari dataset made here; the second is terminated."""
REFERENCE = Reference(-20.0, 3000.0, "this test")
SPACES = (Box(-np.inf, np.inf, (WIDTH,), np.float64), Box(-2.0, 1.0, (ACTIONS,), np.float32))


def episode(index: int) -> Episode:
    """Episode `index`: step k has observations 100 index + k and reward k, actions are random."""
    steps = LENGTHS[index]
    observation = np.repeat(100.0 * index + np.arange(steps + 1)[:, None], WIDTH, axis=1).astype(np.float32)
    action = np.random.default_rng(index).uniform(-1, 1, (steps, ACTIONS)).astype(np.float32)
    terminated = np.zeros(steps, bool)
    terminated[-1] = index == 1
    return Episode(observation, action, np.arange(steps, dtype=np.float32), terminated)


def metadata(environment: str) -> dict[str, Any]:
    """What Minari is told of the dataset."""
    return minari_metadata("hopper/medium-v0", environment, SPACES, None, REFERENCE, {})


def folder_at(path: Path, environment: str = "Hopper-v5", name: str = "hopper/medium-v0", kind: str = "medium") -> Path:
    """A whole dataset with its card."""
    writer = DatasetWriter(path, metadata(environment), SPACES[1])
    writer.add([episode(index) for index in range(len(LENGTHS))])
    scores = {"minimum": REFERENCE.minimum, "maximum": REFERENCE.maximum, "source": REFERENCE.source}
    versions = {"gymnasium": gymnasium.__version__}
    writer.finish({"name": name, "environment": environment, "kind": kind, "reference": scores, "versions": versions})
    return path


def foreign_folder_at(path: Path, environment: str = "Hopper-v5") -> Path:
    """A dataset that has no card, as one that Minari made."""
    folder_at(path, environment)
    (path / "card.json").unlink()
    return path


def rows(count: int = 9, width: int = WIDTH) -> dict[str, np.ndarray]:
    """Rows as D4RL has them: terminal after row 3, timeout after row 6, the last trajectory without a flag."""
    observation = np.repeat(np.arange(count, dtype=np.float32)[:, None], width, axis=1)
    following = observation + 1
    following[[3, 6]] += 0.5
    flags = np.arange(count)
    return {
        "observations": observation,
        "next_observations": following,
        "actions": np.random.default_rng(3).uniform(-1, 1, (count, ACTIONS)).astype(np.float32),
        "rewards": np.arange(count, dtype=np.float32),
        "terminals": flags == 3,
        "timeouts": flags == 6,
    }


def d4rl_at(path: Path, arrays: Mapping[str, np.ndarray] | None = None) -> Path:
    """A file of these arrays, compressed as D4RL's are, with texts that are no rows."""
    with h5py.File(path, "w") as file:
        for name, array in (rows() if arrays is None else arrays).items():
            file.create_dataset(name, data=array, compression="gzip")
        file["metadata/algorithm"] = "SAC"
        file["infos/qpos"] = np.zeros((9, 6))
    return path
