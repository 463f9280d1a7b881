"""Checkpoints: folders that are either whole or not there, checked by digest, holding data and never code.

checkpoints/checkpoint-00000007/manifest.json       what it holds, with the digest of every file
                                part-*.safetensors  the learner
            checkpoint-00000008/...                 the last two are kept
            best-00000003/...                       the policy with the best evaluation
            stores/                                 rows, in files that several checkpoints share
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 2
READABLE = (1, FORMAT)
"""Format 1 has no digest of the manifest itself."""


@dataclass(frozen=True)
class Checkpoint:
    """One intact checkpoint."""

    folder: Path
    manifest: Mapping[str, Any]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(contents: Mapping[str, Any]) -> str:
    """A manifest as text, with a digest of all that it says."""
    plain = json.loads(json.dumps({"format": FORMAT, **contents}))
    return json.dumps({**plain, "digest": content_digest(plain)})


def content_digest(contents: Mapping[str, Any]) -> str:
    """SHA-256 of plain data, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, as it was sealed.

    Raises:
        OSError, ValueError, KeyError, TypeError: it is missing, was changed, or is of another format.
    """
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    if manifest["format"] not in READABLE:
        raise ValueError(f"format {manifest['format']}; this version reads formats up to {FORMAT}")
    kept = manifest.pop("digest", None)
    if kept != content_digest(manifest) and (manifest["format"] > 1 or kept is not None):
        raise ValueError("manifest.json differs from its digest")
    return manifest


def sync(path: Path) -> None:
    """Have a file or folder on the disk when this returns."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Checkpoints:
    """The checkpoints of one kind in a folder.

    1. A checkpoint is written beside the others under a hidden name, synced, and renamed: killed at any moment,
       the writer leaves the older ones and a hidden folder that the next `begin` removes.
    2. The last `keep` are kept.
    3. A file that is missing or differs from its digest makes a checkpoint damaged; the one before is used.
    """

    def __init__(self, folder: Path, kind: str = "checkpoint", keep: int = 2) -> None:
        self.folder, self.kind, self.keep = folder, kind, keep

    def all(self) -> list[Path]:
        """Finished checkpoints, oldest first."""
        found = self.folder.glob(f"{self.kind}-*")
        return sorted(p for p in found if p.name.rpartition("-")[2].isdecimal() and p.is_dir())

    def begin(self) -> Path:
        """Return an empty folder for the files of the next checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in self.folder.glob(f".{self.kind}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        staging = self.folder / f".{self.kind}-{self._next():08d}"
        staging.mkdir(mode=0o700)
        return staging

    def _next(self) -> int:
        existing = self.all()
        return int(existing[-1].name.rpartition("-")[2]) + 1 if existing else 1

    def commit(self, staging: Path, contents: Mapping[str, Any]) -> Path:
        """Seal `staging` with a manifest of its files and `contents`; return its final place."""
        files = {}
        for path in sorted(staging.iterdir()):
            sync(path)
            files[path.name] = {"size": path.stat().st_size, "sha256": digest(path)}
        manifest = staging / "manifest.json"
        manifest.write_text(seal({"files": files, **contents}))
        sync(manifest)
        sync(staging)
        final = self.folder / staging.name.removeprefix(".")
        staging.rename(final)
        sync(self.folder)
        for old in self.all()[: -self.keep]:
            shutil.rmtree(old, ignore_errors=True)
        return final

    def newest_intact(self, damaged: list[str] | None = None) -> Checkpoint | None:
        """The newest checkpoint that passes `verify`; what is wrong with newer ones is added to `damaged`."""
        for folder in reversed(self.all()):
            try:
                return verify(folder)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                if damaged is not None:
                    damaged.append(f"{folder.name} is damaged: {error}")
        return None


def verify(folder: Path) -> Checkpoint:
    """Read a checkpoint's manifest and check every file that it names, those of the stores included.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: something is missing, was changed, or is of another
            format.
    """
    manifest = read_manifest(folder)
    for name, entry in manifest["files"].items():
        check_file(folder, name, entry)
    for store in manifest.get("stores", {}).values():
        for entry in store["files"]:
            check_file(folder.parent / "stores", entry["file"], entry)
    return Checkpoint(folder, manifest)


def check_file(folder: Path, name: str, entry: Mapping[str, Any]) -> None:
    """Raise ValueError unless `name` is a plain file of `folder` with the size and digest of `entry`."""
    path = folder / name
    if Path(name).name != name or path.is_symlink():
        raise ValueError(f"'{name}' is no plain file name")
    if path.stat().st_size != entry["size"] or digest(path) != entry["sha256"]:
        raise ValueError(f"{name} differs from its digest")
