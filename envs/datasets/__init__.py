"""Logged data by name: what is shipped, Minari's local folder, a folder in Minari's format, a D4RL file.

Opening reads a description, not the rows, and imports neither h5py nor minari for what has a card.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spreeze.dataset import Dataset
from spreeze.envs.datasets.description import Folder, summarize
from spreeze.envs.datasets.minari_folder import open_folder
from spreeze.errors import DatasetError

SHIPPED = Path(__file__).resolve().parent / "shipped"
"""Where shipped datasets lie, as <environment>/<kind>-v0."""

_ID = re.compile(r"[\w-]+(/[\w-]+)*-v\d+")
_DEPTH = 6
"""Folders within folders that Minari's folder is searched through."""


@dataclass(frozen=True)
class Listed:
    """One line of `spreeze dataset list`."""

    name: str
    place: Literal["shipped", "local"]
    environment: str = ""
    kind: str = ""
    steps: int = 0
    episodes: int = 0
    problem: str = ""
    """Why it cannot be read; all above is then unknown."""


def open_dataset(name: str | None, environment_id: str) -> Dataset | None:
    """Return the dataset called `name`, recorded in the environment of that Gymnasium id.

    A name is, in this order, one that is shipped (`hopper/medium-replay-v0`), the path of a D4RL file
    (`hopper_medium_replay-v2.hdf5`), the path of a folder in Minari's format, or the id of a dataset in Minari's local
    folder. None gives the dataset that is shipped for exactly this environment, medium-replay first, or None.

    Raises:
        DatasetError: there is none, it cannot be read, or it was recorded in another environment or version of it.
    """
    wanted = environment_id.rpartition(":")[2]
    if name is None:
        return _default(wanted)
    dataset = find_dataset(name)
    _refuse_other_environment(dataset, wanted)
    return dataset


def find_dataset(name: str) -> Dataset:
    """Return the dataset called `name`, as `open_dataset` does, in whatever environment it was recorded."""
    path = Path(name).expanduser()
    shipped = dict(_folders(SHIPPED))
    if name in shipped:
        return open_folder(shipped[name], name)
    if path.suffix.lower() in (".hdf5", ".h5") or path.is_file():
        from spreeze.envs.datasets.d4rl import open_file

        return open_file(path)
    folder = Folder.at(path)
    if folder is None and _ID.fullmatch(name):
        folder = Folder.at(local_root() / name)
    if folder is not None:
        return open_folder(folder, name)
    raise DatasetError(_unknown(name))


def known_datasets() -> list[Listed]:
    """Return what is shipped and what lies in Minari's local folder, by name; what is broken with its problem."""
    shipped = [_listed(name, "shipped", folder) for name, folder in _folders(SHIPPED)]
    return shipped + [_listed(name, "local", folder) for name, folder in _folders(local_root())]


def local_root() -> Path:
    """Return Minari's local folder: $MINARI_DATASETS_PATH, or ~/.minari/datasets."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def download(name: str) -> Path:
    """Fetch a Minari dataset into the local folder, if it is not there, and return where it is.

    Raises:
        DatasetError: the id is malformed, there is no network, or the server has no such dataset.
    """
    if not _ID.fullmatch(name):
        raise DatasetError(f"'{name}' is no Minari id; they look like mujoco/hopper/medium-v0")
    import minari

    try:
        minari.download_dataset(name)
    except ImportError as error:
        missing = str(error).rstrip(".")
        raise DatasetError(f"cannot download '{name}': {missing}, then try again with a network") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DatasetError(
            f"cannot download '{name}' ({reason}); is there a network, and a dataset of that id?"
        ) from error
    return local_root() / name


def _unknown(name: str) -> str:
    names = [listed.name for listed in known_datasets() if not listed.problem]
    fetch = f"; fetch it by `spreeze dataset download {name}`" if _ID.fullmatch(name) else ""
    return f"no dataset '{name}': neither a name nor a path{fetch}. Available: {', '.join(names) or 'none'}"


def _default(environment: str) -> Dataset | None:
    found = [open_folder(folder, name) for name, folder in _folders(SHIPPED)]
    fitting = [dataset for dataset in found if dataset.environment == environment]
    return min(fitting, key=lambda dataset: (dataset.kind != "medium-replay", dataset.name), default=None)


def _refuse_other_environment(dataset: Dataset, wanted: str) -> None:
    recorded = dataset.environment
    base, _, version = recorded.rpartition("-v")
    physics, note = recorded, ""
    if version == "2":
        physics, note = f"{base}-v4", f", whose physics only {base}-v4 has"
    if wanted != physics:
        raise DatasetError(
            f"dataset '{dataset.name}' was recorded in {recorded}{note}; this is {wanted}: give --env {physics}"
        )


def _listed(name: str, place: Literal["shipped", "local"], folder: Folder) -> Listed:
    try:
        about = summarize(folder, name)
    except DatasetError as error:
        return Listed(name, place, problem=str(error))
    return Listed(name, place, about.environment, about.kind, about.steps, about.episodes)


def _folders(root: Path, above: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, Folder]]:
    """Name and folder of every dataset under `root`, links to folders not followed."""
    try:
        entries = sorted(entry.name for entry in os.scandir(root / above) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    if above and (folder := Folder.at(root / above)):
        yield above, folder
    elif depth:
        for entry in (entry for entry in entries if not entry.startswith(".")):
            yield from _folders(root, f"{above}/{entry}" if above else entry, depth - 1)
