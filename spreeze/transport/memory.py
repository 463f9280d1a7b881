"""Memory shared by file descriptor: it has no name, so nothing can leak, collide or be unlinked by a stranger."""

import errno
import mmap
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


class SharedMemory:
    """A block of zeroed memory that child processes map through an inherited descriptor.

    1. All pages exist from the start (`posix_fallocate`), so a full machine is an `OSError` here, never a SIGBUS later.
    2. The block lives as long as one process holds the descriptor or the mapping; a killed process leaves nothing.
    3. It is private to the process tree that inherits the descriptor.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.fd, self.size = fd, size
        self._map = mmap.mmap(fd, size)

    @classmethod
    def create(cls, name: str, size: int) -> "SharedMemory":
        """Allocate `size` bytes; `name` is only seen in /proc.

        Raises:
            OSError: the memory is not there (ENOMEM, ENOSPC).
        """
        if size > available_bytes():
            raise OSError(errno.ENOMEM, f"{size / 1e9:.1f} GB of shared memory asked for '{name}'")
        fd = anonymous_file(name)
        try:
            allocate(fd, max(size, 1))
        except OSError:
            os.close(fd)
            raise
        return cls(fd, max(size, 1))

    def array(self, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> np.ndarray:
        """A live view of the memory from byte `offset` on."""
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self._map, dtype=dtype, count=count, offset=offset).reshape(shape)

    def close(self) -> None:
        """Give the descriptor back; views that are alive keep the mapping."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def anonymous_file(name: str) -> int:
    """A descriptor without a name in any file system; a deleted temporary file where the kernel has no memfd."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"spreeze-{name}")
    fd, path = tempfile.mkstemp(prefix=f"spreeze-{name}-")
    os.unlink(path)
    return fd


def allocate(fd: int, size: int) -> None:
    """Give the file `size` bytes that exist, or raise OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
    else:
        os.ftruncate(fd, size)


def available_bytes() -> int:
    """What the machine can give without swapping; to ask for more would first take everything from everybody."""
    if not Path("/proc/meminfo").exists():
        return sys.maxsize
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
