"""Records episodes until it is killed, telling after each that it is written. Arguments: folder, episodes at once."""

import sys
from pathlib import Path

import numpy as np
from gymnasium.spaces import Box

from spreeze.dataset import Episode
from spreeze.envs.datasets.writing import DatasetWriter, minari_metadata

ACTION = Box(np.array([-2, 0], np.float32), np.array([2, 1], np.float32))
OBSERVATION = Box(-np.inf, np.inf, (3,), np.float32)


def episode(index: int) -> Episode:
    """Episode `index`, the same in every process: 1 to 60 steps, every third one terminated."""
    random = np.random.default_rng(index)
    steps = int(random.integers(1, 61))
    terminated = np.zeros(steps, bool)
    terminated[-1] = index % 3 == 0
    observation = random.normal(size=(steps + 1, 3)).astype(np.float32)
    action = random.uniform(-1, 1, (steps, 2)).astype(np.float32)
    return Episode(observation, action, random.normal(size=steps).astype(np.float32), terminated)


def writer(folder: Path) -> DatasetWriter:
    """A writer of these episodes, which no environment made."""
    metadata = minari_metadata("toy/random-v0", "Pendulum-v1", (OBSERVATION, ACTION), None, None, {})
    return DatasetWriter(folder, metadata, ACTION)


def main() -> None:
    """Record."""
    recording, batch = writer(Path(sys.argv[1])), int(sys.argv[2])
    while True:
        recording.add([episode(recording.episodes + k) for k in range(batch)])
        sys.stdout.write(f"{recording.episodes}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
