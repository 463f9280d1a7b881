"""Recording datasets in Minari's format, one file of episodes that is whole at every moment."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import minari
import numpy as np
from gymnasium.spaces import Space
from minari.serialization import serialize_space

from spreeze.dataset import Episode, Reference
from spreeze.errors import DatasetError
from spreeze.spaces import ActionScale

MAIN, METADATA, CARD = "main_data.hdf5", "metadata.json", "card.json"
AHEAD, BEHIND, PACKED = ".ahead.hdf5", ".behind.hdf5", ".packed.hdf5"
PARTS = ("observations", "actions", "rewards", "terminations", "truncations")
FORMAT = ("v110", "v110")
"""Of HDF5: the first with an index of a few bytes for data in one chunk, which saves 13 kB an episode."""


class DatasetWriter:
    """Writes episodes into `folder`/data, as Minari keeps them.

    1. The file that readers see is never changed. `add` completes a second copy, which is one step behind, and
       exchanges the two by renaming: killed at any moment, the writer leaves every episode added before readable.
    2. The metadata follow the data, so that they never promise an episode that is not there.
    3. `finish` packs the file, one write in the order of the episodes, and seals it with the card: the same episodes
       give the same digest. A folder without card is a recording that was cut.
    """

    def __init__(self, folder: Path, metadata: Mapping[str, Any], action: Space[Any]) -> None:
        """Begin in a new or empty folder; `action` is the space of the environment, `metadata` what Minari is told.

        Raises:
            DatasetError: the folder holds something, or cannot be written.
        """
        self.folder, self.data = folder, folder / "data"
        self.episodes = self.steps = 0
        self.returns = 0.0
        self._metadata, self._scale = dict(metadata), ActionScale(action)
        self._behind: list[tuple[int, dict[str, np.ndarray]]] = []
        try:
            if folder.exists() and any(folder.iterdir()):
                raise DatasetError(f"{folder} holds something; remove it or choose another --out")
            self.data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(f"cannot write a dataset to {folder}: {error.strerror or error}") from error

    def add(self, episodes: Sequence[Episode]) -> None:
        """Write whole episodes; they are on the disk, and readable, when this returns.

        Raises:
            DatasetError: an episode has parts of different lengths, or the disk does not take it.
        """
        new = [(index, columns(episode, self._scale)) for index, episode in enumerate(episodes, self.episodes)]
        try:
            with self._ahead() as file:
                for index, values in (*self._behind, *new):
                    put(file, index, values)
            sync(self.data / AHEAD)
            self._exchange()
        except (OSError, RuntimeError) as error:  # h5py raises either where the disk is full
            kept = f"the {self.episodes} episodes before stay readable"
            raise DatasetError(f"cannot write an episode to {self.data} ({error}); {kept}") from error
        self._behind = new
        self.episodes += len(new)
        self.steps += sum(len(episode.reward) for episode in episodes)
        self.returns += sum(float(episode.reward.sum(dtype=np.float64)) for episode in episodes)
        self._write_metadata()

    def finish(self, card: Mapping[str, Any]) -> str:
        """Pack the file and write `card` with what was counted; return the digest of the data."""
        main, packed = self.data / MAIN, self.data / PACKED
        if self.episodes == 0:
            raise DatasetError(f"no whole episode was recorded into {self.folder}")
        with h5py.File(main, "r") as source, h5py.File(packed, "w", libver=FORMAT) as target:
            for index in range(self.episodes):
                group = source[f"episode_{index}"]
                put(target, index, {name: group[name][()] for name in PARTS})
        sync(packed)
        packed.replace(main)
        for name in (AHEAD, BEHIND):
            (self.data / name).unlink(missing_ok=True)
        self._metadata["dataset_size"] = round(main.stat().st_size / 1e6, 1)
        self._write_metadata()
        digest = sha256(main)
        counted = {"steps": self.steps, "episodes": self.episodes, "mean_return": self.returns / self.episodes}
        replace_text(self.folder / CARD, json.dumps({**card, "digest": digest, **counted}, indent=1) + "\n")
        return digest

    def _ahead(self) -> h5py.File:
        """The copy that will be shown next: one step behind, or made of the shown one, or new."""
        ahead, main = self.data / AHEAD, self.data / MAIN
        try:
            if ahead.exists() or not main.exists():
                return h5py.File(ahead, "a", libver=FORMAT)
        except OSError:
            ahead.unlink(missing_ok=True)  # a reader has had it open since it was shown
        shutil.copyfile(main, ahead)
        self._behind = []
        return h5py.File(ahead, "a", libver=FORMAT)

    def _exchange(self) -> None:
        """Show the copy that is ahead; what was shown is one step behind from now on."""
        main, ahead, behind = (self.data / name for name in (MAIN, AHEAD, BEHIND))
        linked = main.exists() and link(main, behind)
        ahead.replace(main)
        if linked:
            behind.replace(ahead)
        sync(self.data)

    def _write_metadata(self) -> None:
        counted = {"total_episodes": self.episodes, "total_steps": self.steps}
        replace_text(self.data / METADATA, json.dumps(self._metadata | counted))


def put(file: h5py.File, index: int, values: Mapping[str, np.ndarray]) -> None:
    """Write one episode as a group of its own, each part in one compressed chunk."""
    group = file.create_group(f"episode_{index}")
    group.create_group("infos")  # without it Minari cannot print an episode
    group.attrs["id"], group.attrs["total_steps"] = index, len(values["rewards"])
    for name, array in values.items():
        options = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "track_times": False}
        group.create_dataset(name, data=array, chunks=array.shape, **options)


def columns(episode: Episode, scale: ActionScale) -> dict[str, np.ndarray]:
    """What Minari keeps of an episode: T + 1 observations, actions in the units of the environment.

    Raises:
        DatasetError: the episode is empty or its parts have different lengths.
    """
    steps = len(episode.reward)
    lengths = (len(episode.observation) - 1, len(episode.action), len(episode.terminated))
    if steps == 0 or any(length != steps for length in lengths):
        raise DatasetError(f"an episode of {steps} rewards has {lengths} next observations, actions, terminations")
    truncated = np.zeros(steps, bool)
    truncated[-1] = not episode.terminated[-1]
    return {
        "observations": np.asarray(episode.observation),
        "actions": scale.to_env(episode.action),
        "rewards": np.asarray(episode.reward, np.float32),
        "terminations": np.asarray(episode.terminated, bool),
        "truncations": truncated,
    }


def minari_metadata(
    name: str,
    environment: str,
    spaces: tuple[Space[Any], Space[Any]],
    max_episode_steps: int | None,
    reference: Reference | None,
    about: Mapping[str, str],
) -> dict[str, Any]:
    """What Minari is told of a dataset: `about` holds `algorithm_name`, `description` and their like.

    The environment can be recovered from it where Gymnasium knows `environment`.
    """
    observation, action = (serialize_space(space) for space in spaces)
    metadata = {"dataset_id": name, "minari_version": minari.__version__, "data_format": "hdf5", **about}
    metadata |= {"jpeg_encoding": False, "observation_space": observation, "action_space": action}
    if environment in gymnasium.registry:
        spec = copy.deepcopy(gymnasium.spec(environment))  # the registry keeps its own
        spec.max_episode_steps = max_episode_steps or spec.max_episode_steps
        metadata["env_spec"] = spec.to_json()
    if reference is not None:
        metadata |= {"ref_min_score": reference.minimum, "ref_max_score": reference.maximum}
    return metadata


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link(path: Path, name: Path) -> bool:
    """Give a file a second name; return False where the file system has no such thing."""
    name.unlink(missing_ok=True)
    try:
        os.link(path, name)
    except OSError:
        return False
    return True


def replace_text(path: Path, text: str) -> None:
    """Write a file anew, in one step."""
    part = path.with_name(f".{path.name}")
    part.write_text(text)
    sync(part)
    part.replace(path)


def sync(path: Path) -> None:
    """Have a file or folder on the disk when this returns."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
