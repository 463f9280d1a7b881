"""What runs left behind that were killed, or whose machine crashed: found, and removed on request."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spreeze.folders import cache_folder
from spreeze.run_folder import RUNS
from spreeze.runtime import is_held, left_behind, places

UNFINISHED = (
    "checkpoints/.checkpoint-*",
    "checkpoints/.best-*",
    "checkpoints/*.part",
    "checkpoints/stores/*.part",
    "videos/.unfinished-*",
    ".summary.json",
    ".config.yaml",
)
"""What a run folder holds of things that were never finished. The next save would remove most of it as well."""


def leftovers(runs: Path = RUNS) -> list[Path]:
    """Folders of sockets whose run is dead, and what stands unfinished in idle runs of `runs` and in the cache."""
    sockets = [folder for place in places() for folder in left_behind(place)]
    idle = [
        folder for folder in sorted(runs.glob("*/")) if (folder / "config.yaml").exists() and not is_running(folder)
    ]
    unfinished = [path for folder in idle for pattern in UNFINISHED for path in sorted(folder.glob(pattern))]
    return [*sockets, *unfinished, *_abandoned()]


def is_running(folder: Path) -> bool:
    """Whether a process holds a run folder."""
    with suppress(OSError):
        return is_held(folder / ".lock")
    return False


def _abandoned() -> Iterator[Path]:
    """Half-written files of the cache whose writer is dead; its process number is in their names."""
    for path in sorted(cache_folder().glob("*/*.part")):
        pid = path.name.split(".")[-2]
        if not Path("/proc", pid).exists():
            yield path


def remove(found: list[Path]) -> list[Path]:
    """Remove what was found; return what could not be removed."""
    for path in found:
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    return [path for path in found if path.exists()]
