"""The folder of a run: claimed by one process at a time, private to the user."""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from spreeze.config import Settings
from spreeze.errors import RunFolderError, UsageError

RUNS = Path("runs")


def default_folder(settings: Settings) -> Path:
    """runs/ALGO-ENV-TIME, with a number behind it if that is taken."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{settings.algo[-60:]}-{settings.env[-100:]}")
    name = f"{name.lstrip('.')}-{time.strftime('%Y%m%d-%H%M%S')}"
    candidates = (RUNS / (name if k == 0 else f"{name}-{k}") for k in range(1000))
    return next(folder for folder in candidates if not folder.exists())


@contextmanager
def claim(folder: Path, fresh: bool) -> Iterator[Path]:
    """Hold the run folder; `fresh` refuses one that holds a run already.

    A fresh folder in which no run was begun is removed again.

    Raises:
        RunFolderError: it cannot be written, another process holds it, or (fresh) a run is in it.
    """
    os.umask(0o077)
    lock = _lock(folder)
    try:
        if fresh and (folder / "config.yaml").exists():
            remedy = f"`spreeze resume {folder}` goes on with it, or choose another --out"
            raise RunFolderError(f"{folder} holds a run; {remedy}")
        _sign(folder, lock)
        yield folder.resolve()
    finally:
        if fresh and not (folder / "config.yaml").exists():
            (folder / ".lock").unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()
        os.close(lock)


def _sign(folder: Path, lock: int) -> None:
    """Write into the lock who holds it; what a run will need to write is tried at once."""
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        os.fsync(lock)
    except OSError as error:
        raise RunFolderError(f"cannot write to the run folder {str(folder)!r}: {error}") from error


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"cannot write to the run folder {str(folder)!r}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 20, 0).decode()
        os.close(lock)
        raise RunFolderError(f"{folder} is in use by process {holder}; choose another --out, or stop it") from error
    return lock


def find_run(given: str) -> Path:
    """The run folder that `given` means: a run folder, a checkpoint in one, or `latest`.

    Raises:
        RunFolderError: it means none.
    """
    if given == "latest":
        runs = sorted(RUNS.glob("*/config.yaml"), key=lambda path: path.stat().st_mtime)
        if not runs:
            raise RunFolderError(f"no run in {RUNS}/; give the folder of one")
        return runs[-1].parent
    for folder in (Path(given), *Path(given).parents[:2]):
        if (folder / "config.yaml").exists():
            return folder
    raise RunFolderError(f"'{given}' is neither a run folder (with config.yaml), a checkpoint in one, nor 'latest'")


def save_settings(folder: Path, settings: Settings) -> None:
    """Write config.yaml: complete, and readable by `--config`."""
    replace_text(folder / "config.yaml", yaml.safe_dump(settings.to_data(), sort_keys=False))


def load_settings(path: Path) -> Settings:
    """Read settings from a YAML file; raises UsageError as `read_options` does, and for a name that is unknown."""
    return Settings.from_data(read_options(path))


def read_options(path: Path) -> Mapping[str, Any]:
    """Read the options of a YAML file, of which only plain data are taken.

    Raises:
        UsageError: the file cannot be read, or is no YAML mapping.
    """
    try:
        text = path.read_text()
        if "&" in text and len(text) > 100_000:
            raise UsageError(f"{path} is too large for a configuration with aliases")
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"cannot read the configuration {path}: {error}") from error
    if not isinstance(data, Mapping):
        raise UsageError(f"{path} holds no mapping of options")
    return data


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Replace summary.json at once."""
    replace_text(folder / "summary.json", json.dumps(summary, indent=1))


def replace_text(path: Path, text: str) -> None:
    """Write a file under a hidden name, then put it into its place at once; raises OSError and leaves the old one."""
    part = path.with_name(f".{path.name}")
    try:
        part.write_text(text)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a run, or {} if it has none that can be read."""
    try:
        summary = json.loads((folder / "summary.json").read_text())
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}
