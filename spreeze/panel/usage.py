"""How much memory the processes of a run take."""

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from spreeze.limits import memory_bytes
from spreeze.pacing import Every

LOOK_EVERY_S = 10.0
"""To count the pages of a process takes the kernel milliseconds."""


class Usage:
    """Looks at processes by number."""

    def __init__(self) -> None:
        self._pids, self._bytes, self._due = set[int](), 0, Every(LOOK_EVERY_S)
        self.total = memory_bytes()
        """Bytes that this machine, or this process's control group, has."""

    def own_bytes(self, pids: Iterable[int]) -> int:
        """Memory of this and other processes, without shared memory; what forks share counts once.

        Looked at anew every `LOOK_EVERY_S`, and where processes have changed.
        """
        wanted = {pid for pid in pids if pid > 0} | {os.getpid()}
        if self._due() or wanted != self._pids:
            self._pids, self._bytes = wanted, sum(map(anonymous_bytes, wanted))
        return self._bytes

    def free(self) -> int:
        """Bytes that could be had without swapping."""
        return min(int(psutil.virtual_memory().available), self.total)


def anonymous_bytes(pid: int) -> int:
    """A process's part in the memory that no file is behind: of pages that forks share, each has a fraction.

    0 of one that is gone.
    """
    try:
        entries = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(entry.split()[1]) << 10 for entry in entries if entry.startswith("Pss_Anon:"))
