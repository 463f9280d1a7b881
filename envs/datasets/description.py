"""What a dataset says of itself: the card that spreeze writes beside it, and the metadata of Minari, both as data."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from spreeze.dataset import Reference
from spreeze.errors import DatasetError

MAIN, METADATA, CARD = "main_data.hdf5", "metadata.json", "card.json"
_MAX_TEXT = 16 << 20
"""Bytes that a file of JSON may have."""
_MAX_SCORE = 1e30
"""Beyond it a number is no return; JSON knows whole numbers that no float can hold."""
_LOOKS = frozenset({"render_mode", "width", "height", "camera_id", "camera_name", "default_camera_config", "max_geom"})
"""Arguments of an environment that change nothing but its pictures."""


class Folder(NamedTuple):
    """A dataset in the layout of Minari."""

    root: Path
    """Where the card stands, if there is one."""
    data: Path
    """Where `main_data.hdf5` and `metadata.json` stand."""

    @staticmethod
    def at(path: Path) -> Folder | None:
        """The dataset whose folder, or folder `data`, is `path`; None if there is none."""
        path = path.resolve()
        if (path / METADATA).is_file():
            return Folder(path.parent if path.name == "data" else path, path)
        if (path / "data" / METADATA).is_file():
            return Folder(path, path / "data")
        return None

    @property
    def main(self) -> Path:
        """The file of the episodes."""
        return self._inside(self.data / MAIN)

    def metadata(self) -> dict[str, Any]:
        """What Minari says; raises `DatasetError`."""
        return read_json(self._inside(self.data / METADATA))

    def card(self) -> dict[str, Any] | None:
        """What spreeze says, None without a card; raises `DatasetError`."""
        path = self.root / CARD
        return read_json(self._inside(path)) if path.exists() or path.is_symlink() else None

    def _inside(self, path: Path) -> Path:
        """A regular file that really lies in the folder."""
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise DatasetError(f"{path} leads out of its folder to {path.resolve()}; copy the data there")
        if not path.is_file():
            raise DatasetError(f"{self.root} is no whole dataset: {path.relative_to(self.root)} is missing")
        return path


class Summary(NamedTuple):
    """What a card or the metadata say, each checked for its type."""

    name: str
    environment: str
    kind: str
    steps: int
    episodes: int
    reference: Reference | None
    digest: str | None
    """None where it must be computed."""


def summarize(folder: Folder, name: str) -> Summary:
    """What `folder` says of itself, the card before Minari's metadata; `name` is what it is called without a card.

    Raises:
        DatasetError: something is missing, of a wrong type, or contradicts itself.
    """
    card = folder.card()
    return of_metadata(folder.metadata(), name, folder.root) if card is None else of_card(card, folder.root)


def of_card(card: dict[str, Any], where: Path) -> Summary:
    """The summary that a card gives."""
    name, environment, kind, digest = (text(card, key, where) for key in ("name", "environment", "kind", "digest"))
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise DatasetError(f"{where}: the digest of the card is {digest!r:.100}, which is no SHA-256 in hexadecimal")
    reference = None
    if isinstance(scores := card.get("reference"), dict):
        source = str(scores.get("source", f"card of {name}"))
        reference = reference_of(scores.get("minimum"), scores.get("maximum"), source)
    steps, episodes = count(card, "steps", where), count(card, "episodes", where)
    return Summary(name, environment, kind, steps, episodes, reference, digest)


def of_metadata(metadata: dict[str, Any], name: str, where: Path) -> Summary:
    """The summary that Minari's metadata give; the kind is unknown, since Minari's names mean other policies."""
    if metadata.get("data_format", "hdf5") != "hdf5":
        raise DatasetError(f"{where} is in Minari's format {metadata['data_format']!r:.40}; read is hdf5")
    source = f"Minari dataset {metadata.get('dataset_id', name)}"
    reference = reference_of(metadata.get("ref_min_score"), metadata.get("ref_max_score"), source)
    steps, episodes = count(metadata, "total_steps", where), count(metadata, "total_episodes", where)
    return Summary(name, environment_of(metadata, where), "", steps, episodes, reference, None)


def environment_of(metadata: dict[str, Any], where: Path) -> str:
    """The id in the environment's description, of which nothing is imported or made.

    Raises:
        DatasetError: there is none, or the environment was changed by arguments.
    """
    encoded = metadata.get("env_spec")
    if not isinstance(encoded, str):
        raise DatasetError(f"{where} does not say in which environment it was recorded (no `env_spec`, no card)")
    spec = parse(encoded, where / METADATA)
    arguments = spec.get("kwargs") or {}
    if not isinstance(arguments, dict):
        raise DatasetError(f"{where}: the arguments of its environment are {arguments!r:.100}, not an object")
    changed = {key: value for key, value in arguments.items() if key not in _LOOKS}
    if changed:
        raise DatasetError(f"{where} was recorded in {spec.get('id')} with {changed!r:.200}; no environment here is so")
    return text(spec, "id", where)


def reference_of(minimum: Any, maximum: Any, source: str) -> Reference | None:
    """The reference of two numbers; None where they are none, or do not span anything."""
    if not all(isinstance(v, int | float) and abs(v) < _MAX_SCORE for v in (minimum, maximum)) or maximum <= minimum:
        return None
    return Reference(float(minimum), float(maximum), source)


def text(values: dict[str, Any], key: str, where: Path) -> str:
    """A string of a description; raises `DatasetError`."""
    value = values.get(key)
    if not isinstance(value, str):
        raise DatasetError(f"{where}: `{key}` is {value!r:.100}, not a text")
    return value


def count(values: dict[str, Any], key: str, where: Path) -> int:
    """A whole number from 0 on; raises `DatasetError`."""
    value = values.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1 << 53 or value != int(value):
        raise DatasetError(f"{where}: `{key}` is {value!r:.100}, not a count")
    return int(value)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; raises `DatasetError`."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TEXT + 1)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > _MAX_TEXT:
        raise DatasetError(f"{path} is longer than {_MAX_TEXT >> 20} MiB")
    return parse(content, path)


def parse(content: str | bytes, where: Path) -> dict[str, Any]:
    """The object that JSON gives; raises `DatasetError`."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where} holds no JSON: {error}") from error
    if not isinstance(value, dict):
        raise DatasetError(f"{where} holds {type(value).__name__}, not an object")
    return value


def digest_of(path: Path) -> str:
    """SHA-256 of a file; computed once for a file that stays as it is.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        about = path.stat()
        return _digest(path, about.st_size, about.st_mtime_ns, about.st_ino)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
