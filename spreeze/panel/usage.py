"""How much memory the processes of a run take."""

import os
from collections.abc import Iterable

import psutil

from spreeze.limits import memory_bytes


class Usage:
    """Looks at processes by number; each is opened once."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}
        self.total = memory_bytes()
        """Bytes that this machine, or this process's control group, has."""

    def own_bytes(self, pids: Iterable[int]) -> int:
        """Resident memory of this and other processes, without what they share; one that is gone has none."""
        wanted = {pid for pid in pids if pid > 0} | {os.getpid()}
        self._known = {pid: process for pid, process in self._known.items() if pid in wanted}
        return sum(self._own(pid) for pid in wanted)

    def _own(self, pid: int) -> int:
        try:
            process = self._known.setdefault(pid, self._known.get(pid) or psutil.Process(pid))
            info = process.memory_info()
        except psutil.Error:
            self._known.pop(pid, None)
            return 0
        return int(info.rss - getattr(info, "shared", 0))

    def free(self) -> int:
        """Bytes that could be had without swapping."""
        return min(int(psutil.virtual_memory().available), self.total)
