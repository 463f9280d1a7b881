"""Datasets in Minari's HDF5 format, read by themselves.

Minari makes the environment that the metadata name where a space is missing, which imports what an entry point says;
so its own loader is not used on files that others made.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spreeze.dataset import Dataset, Episode
from spreeze.envs.datasets.description import METADATA, Folder, Summary, digest_of, parse, summarize
from spreeze.errors import DatasetError

if TYPE_CHECKING:
    from spreeze.envs.datasets.hdf5 import DataFile
    from spreeze.spaces import ActionScale


class Layout(NamedTuple):
    """What one step of a dataset holds."""

    observation: tuple[int, ...]
    action: tuple[int, ...]
    scale: ActionScale


def open_folder(folder: Folder, name: str) -> Dataset:
    """Return the dataset in `folder`; with a card, nothing but the card is read until its episodes are.

    Raises:
        DatasetError: the folder does not describe a dataset that can be read.
    """
    summary = summarize(folder, name)
    digest = summary.digest or digest_of(folder.main)
    rows = partial(episodes, folder, summary._replace(digest=digest))
    about = summary.name, summary.environment, summary.kind
    return Dataset(*about, digest, summary.steps, summary.reference, rows)


def episodes(folder: Folder, summary: Summary) -> Iterator[Episode]:
    """Read the episodes one by one, after the digest was compared.

    Raises:
        DatasetError: the data are damaged, lead out of the file, or are not those of the summary.
    """
    from spreeze.envs.datasets.hdf5 import DataFile, require
    from spreeze.spaces import ActionScale, action_field

    metadata = folder.metadata()
    action_space = _space(metadata, "action_space", folder.root)
    layout = Layout(
        observation_shape(metadata, folder.root), action_field(action_space).shape, ActionScale(action_space)
    )
    digest = digest_of(folder.main)
    require(digest == summary.digest, f"{folder.main} is not the file of its card: SHA-256 {digest}")
    steps = 0
    with DataFile(folder.main) as file:
        present = sum(name.startswith("episode_") for name in file.names())
        require(present >= summary.episodes, f"{folder.main} holds {present} episodes of {summary.episodes}")
        for index in range(summary.episodes):
            parts = _parts(file, f"episode_{index}", layout)
            steps += len(parts.reward)
            yield from split(parts)
    require(steps == summary.steps, f"{folder.main} holds {steps} steps, its description says {summary.steps}")


def split(episode: Episode) -> Iterator[Episode]:
    """Cut an episode after every step that ended it, so that only the last step of a piece may be terminated."""
    begin, steps = 0, len(episode.reward)
    for end in sorted({*(np.flatnonzero(episode.terminated) + 1).tolist(), steps}):
        if end > begin:
            parts = (part[begin:end] for part in episode[1:])
            yield Episode(episode.observation[begin : end + 1], *parts)
        begin = end


def observation_shape(metadata: dict[str, Any], where: Path) -> tuple[int, ...]:
    """Shape of one observation; raises `DatasetError` unless it is an array of floats."""
    space = _space(metadata, "observation_space", where)
    if space.shape is None or space.dtype is None or space.dtype.kind != "f":
        raise DatasetError(f"{where}: observations are {space!r:.200}; read are arrays of floats")
    return tuple(space.shape)


def _parts(file: DataFile, group: str, layout: Layout) -> Episode:
    """One episode of the file, its parts of one length."""
    names = ("observations", "actions", "rewards", "terminations", "truncations")
    values = [file.array(f"{group}/{name}") for name in names]
    steps = len(values[2])
    wanted = [(steps + 1, *layout.observation), (steps, *layout.action), *[(steps,)] * 3]
    for name, value, shape in zip(names, values, wanted, strict=True):
        if value.shape != shape:
            raise DatasetError(f"{file.path}: '{group}/{name}' is {value.shape}, expected is {shape}")
    seen, acted, reward, terminated, _ = values
    action = layout.scale.from_env(acted)
    return Episode(seen.astype(np.float32), action, reward.astype(np.float32), terminated.astype(bool))


def _space(metadata: dict[str, Any], key: str, where: Path) -> Any:
    """A space of the metadata; only plain kinds are made."""
    from gymnasium.spaces import Box, Discrete, MultiDiscrete

    encoded = metadata.get(key)
    if not isinstance(encoded, str):
        raise DatasetError(f"{where / METADATA} holds no `{key}`; download or write the dataset with a newer Minari")
    try:
        match parse(encoded, where / METADATA):
            case {"type": "Box", "low": low, "high": high, "shape": list(shape), "dtype": ("float32" | "float64") as t}:
                bounds = np.broadcast_to(np.array(low, t), shape), np.broadcast_to(np.array(high, t), shape)
                return Box(*bounds, dtype=np.dtype(t).type)
            case {"type": "Discrete", "n": int(n), "start": int(start)}:
                return Discrete(n, start=start)
            case {"type": "MultiDiscrete", "nvec": list(nvec), "start": list(start)}:
                return MultiDiscrete(nvec, start=start)
    except (ValueError, TypeError, OverflowError, AssertionError, MemoryError) as error:
        raise DatasetError(f"{where / METADATA}: `{key}` makes no sense: {error}") from error
    raise DatasetError(f"{where}: the {key.replace('_', ' ')} is {encoded:.200}; read are Box of floats and Discrete")
