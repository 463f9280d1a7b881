"""What `spreeze dataset list` says of every dataset on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spreeze.envs.datasets import SHIPPED, find_dataset, known_datasets, local_root
from spreeze.envs.datasets.description import Folder, summarize
from spreeze.errors import DatasetError

READ_BYTES = 16 << 20
"""Of a dataset without card, the largest file that is read for its mean return."""


@dataclass(frozen=True)
class Line:
    """One dataset; `problem` tells why it cannot be read."""

    name: str
    """What `--dataset` takes."""
    where: str
    environment: str = ""
    kind: str = ""
    episodes: int = 0
    steps: int = 0
    bytes: int = 0
    mean_return: float | None = None
    """None where only reading a large file would tell."""
    score: float | None = None
    """None without reference."""
    problem: str = ""


def lines(here: Path) -> list[Line]:
    """A line for every dataset that is shipped, in Minari's folder, or under `here` as ENVIRONMENT/KIND-v0."""
    found: dict[Path, tuple[str, str]] = {}
    for known in known_datasets():
        root = SHIPPED if known.place == "shipped" else local_root()
        found[(root / known.name).resolve()] = (known.name, known.place)
    for path in recorded(here):
        found.setdefault(path.resolve(), (str(path), f"{here}/"))
    return [line(name, where, path) for path, (name, where) in found.items()]


def recorded(here: Path) -> Iterator[Path]:
    """Folders of `here` that hold a dataset, whole or cut."""
    yield from (path.parent.parent for path in sorted(here.glob("*/*/data/metadata.json")))


def line(name: str, where: str, path: Path) -> Line:
    """The line of the dataset in `path`."""
    try:
        folder = Folder.at(path)
        if folder is None:
            return Line(name, where, problem="it holds no data/metadata.json")
        about, size = summarize(folder, name), folder.main.stat().st_size
        mean = mean_return(folder, name, size)
    except DatasetError as error:
        return Line(name, where, problem=str(error))
    score = None if mean is None or about.reference is None else about.reference.score(mean)
    return Line(name, where, about.environment, about.kind, about.episodes, about.steps, size, mean, score)


def mean_return(folder: Folder, name: str, size: int) -> float | None:
    """Mean return of the episodes, from the card if it tells."""
    told = (folder.card() or {}).get("mean_return")
    if isinstance(told, int | float):
        return float(told)
    if size > READ_BYTES:
        return None
    returns = [float(episode.reward.sum()) for episode in find_dataset(name).episodes()]
    return sum(returns) / len(returns) if returns else None
