"""Private folders for sockets: held by the process that made them, so that those of dead ones are known."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

YOUNG_S = 60.0
"""A folder of this age, whose process lives, may not be held yet."""


class RuntimeFolder:
    """A folder of mode 0700 whose path is short enough for sockets (107 bytes); what killed runs left is removed."""

    def __init__(self) -> None:
        base = places()[0]
        for stale in left_behind(base):
            shutil.rmtree(stale, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=f"spreeze-{os.getpid()}-", dir=base))
        self._lock = _open(self.path)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def places() -> list[Path]:
    """Where such folders can be made, the best place first."""
    wanted = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir())
    usable = [Path(place) for place in wanted if os.access(place, os.W_OK) and len(os.fsencode(place)) < 80]
    return list(dict.fromkeys([*usable, Path("/tmp")]))


def left_behind(base: Path) -> Iterator[Path]:
    """Folders of this user in `base` that nobody holds, whose process is dead or has another's number by now."""
    for folder in base.glob("spreeze-*-*"):
        pid = folder.name.split("-")[1]
        with suppress(OSError):
            about = folder.stat(follow_symlinks=False)
            lives = Path("/proc", pid).exists() and time.time() - about.st_mtime < YOUNG_S
            ours = pid.isdecimal() and about.st_uid == os.getuid() and stat.S_ISDIR(about.st_mode)
            if ours and not lives and not is_held(folder):
                yield folder


def is_held(path: Path) -> bool:
    """Whether a living process holds a folder or file, in whatever container; raises OSError if there is none."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
