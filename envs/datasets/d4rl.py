"""D4RL's HDF5 files of Gym-MuJoCo, version 2, read with h5py.

An episode ends after a terminal, after a timeout, where the stored next observation is not the following row, and at
the end of the file; only a terminal is a termination. A file without `next_observations` does not hold the state that
an episode ended in: its last row is then left out, with a warning that counts them; where terminals are among them,
the file is refused, since nothing could be learned of how episodes end.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spreeze.dataset import Dataset, Episode, Reference
from spreeze.envs.datasets.description import digest_of
from spreeze.envs.datasets.hdf5 import DataFile, require
from spreeze.errors import DatasetError

NAME = re.compile(
    r"(?P<environment>hopper|halfcheetah|walker2d|ant)[_-]"
    r"(?P<kind>random|medium|expert|medium[_-]replay|medium[_-]expert|full[_-]replay)-v(?P<version>\d+)\.hdf5"
)
SOURCE = "D4RL, v2 environments"


class Known(NamedTuple):
    """One of D4RL's environments."""

    identifier: str
    """Without version."""
    observation: int
    """Numbers of an observation; 111 for an ant, whose contact forces its version 4 leaves out."""
    action: int
    """Numbers of an action, each within [-1, 1]."""
    reference: Reference


KNOWN = {
    "hopper": Known("Hopper", 11, 3, Reference(-20.272305, 3234.3, SOURCE)),
    "halfcheetah": Known("HalfCheetah", 17, 6, Reference(-280.178953, 12135.0, SOURCE)),
    "walker2d": Known("Walker2d", 17, 6, Reference(1.629008, 4592.3, SOURCE)),
    "ant": Known("Ant", 27, 8, Reference(-325.6, 3879.7, SOURCE)),
}
"""Scores as D4RL's `infos.py` has them, the same for all kinds and versions."""


class Rows(NamedTuple):
    """The arrays of a file, N rows each."""

    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    terminal: np.ndarray
    timeout: np.ndarray
    following: np.ndarray | None
    """Next observations."""


def open_file(path: Path) -> Dataset:
    """Return the dataset in a file that is called as D4RL calls it: `hopper_medium_replay-v2.hdf5`.

    Raises:
        DatasetError: the name says no known dataset, or the file is none.
    """
    match = NAME.fullmatch(path.name.lower())
    if match is None:
        example = "hopper_medium_replay-v2.hdf5"
        raise DatasetError(f"cannot tell the environment of {path}: call it as D4RL does, such as {example}")
    if match["version"] != "2":
        raise DatasetError(f"{path} is of D4RL's version {match['version']}; read are those of version 2")
    known, kind = KNOWN[match["environment"]], match["kind"].replace("_", "-")
    with DataFile(path) as file:
        steps = transitions(file, known)
    about = str(path), f"{known.identifier}-v2", kind, digest_of(path)
    return Dataset(*about, steps, known.reference, partial(episodes, path, known, about[3]))


def transitions(file: DataFile, known: Known) -> int:
    """Number of transitions of which everything is known; raises `DatasetError` as `episodes` does."""
    count, *width = file.shape("observations")
    wanted = [known.observation]
    require(width == wanted, f"{file.path}: observations are {width}, of {known.identifier}-v4 they are {wanted}")
    if "next_observations" in file:
        return count
    return count - int(ends(read_flags(file, count)).sum())


def episodes(path: Path, known: Known, digest: str) -> Iterator[Episode]:
    """Read the file and cut it into episodes.

    Raises:
        DatasetError: the data are damaged, changed, lead out of the file, or lack the states that episodes ended in.
    """
    require(digest_of(path) == digest, f"{path} was changed since it was opened")
    with DataFile(path) as file:
        rows = read(file, known)
    last = np.flatnonzero(ends(rows))
    if rows.following is None:
        warnings.warn(
            f"{path} holds no next_observations: {len(last)} last steps of episodes are left out", stacklevel=2
        )
    yield from cut(rows, last)


def cut(rows: Rows, last: np.ndarray) -> Iterator[Episode]:
    """The episodes that end with the rows `last`, the final observation from the next observations if there are any."""
    begin = 0
    for end in (last + 1).tolist():
        seen, following = rows.observation[begin:end], rows.following
        if following is not None:
            seen = np.concatenate([seen, following[end - 1 : end]])
        steps = slice(begin, begin + len(seen) - 1)
        if len(seen) > 1:
            yield Episode(seen, rows.action[steps], rows.reward[steps], rows.terminal[steps])
        begin = end


def ends(rows: Rows) -> np.ndarray:
    """(N,) bool: after which rows an episode ends."""
    last: np.ndarray = rows.terminal | rows.timeout
    last[-1:] = True
    if rows.following is not None:
        here, there = rows.following[:-1], rows.observation[1:]
        last[:-1] |= ~np.isclose(here, there, rtol=1e-4, atol=1e-5).all(-1)
    return last


def read(file: DataFile, known: Known) -> Rows:
    """Every array that is used, checked against each other; raises `DatasetError`."""
    observation = _matrix(file, "observations", known.observation)
    action = np.clip(_matrix(file, "actions", known.action, len(observation)), -1, 1)
    flags = read_flags(file, len(observation))
    reward = _column(file, "rewards", len(observation)).astype(np.float32)
    following = None
    if "next_observations" in file:
        following = _matrix(file, "next_observations", known.observation, len(observation))
    return flags._replace(observation=observation, action=action, reward=reward, following=following)


def read_flags(file: DataFile, count: int) -> Rows:
    """Terminals and timeouts only, the latter being none where the file has none; raises `DatasetError`."""
    terminal = _column(file, "terminals", count).astype(bool)
    timeout = np.zeros(count, bool)
    if "timeouts" in file:
        timeout = _column(file, "timeouts", count).astype(bool)
    lost = 0 if "next_observations" in file else int(terminal.sum())
    lacks = f"{file.path} lacks next_observations, so that the states of {lost} terminal rows are unknown"
    require(lost == 0, f"{lacks}; use a file of D4RL's version 2 as it was published")
    return Rows(np.empty(0), np.empty(0), np.empty(0), terminal, timeout, None)


def _matrix(file: DataFile, name: str, width: int, count: int | None = None) -> np.ndarray:
    """(N, width) float32."""
    shape = file.shape(name)
    wanted = (shape[0] if count is None else count, width)
    require(shape == wanted, f"{file.path}: '{name}' is {shape}, expected is {wanted}")
    return file.array(name).astype(np.float32)


def _column(file: DataFile, name: str, count: int) -> np.ndarray:
    """(N,), of what may be (N, 1)."""
    shape = file.shape(name)
    require(shape in ((count,), (count, 1)), f"{file.path}: '{name}' is {shape}, expected is {(count,)}")
    return file.array(name).reshape(count)
