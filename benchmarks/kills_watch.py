"""A run seen from outside: its counters page and its processes."""

import mmap
import os
from pathlib import Path
from typing import ClassVar

import numpy as np
import psutil

from spreeze.transport.counters import BEAT, ENV_STEPS, INCARNATION, ROWS, UPDATES, WORDS


class CountersPage:
    """The counters of a run, read from outside; notes every counter that runs backwards."""

    MONOTONE: ClassVar = {"env_steps": ENV_STEPS, "updates": UPDATES, "rows": ROWS, "incarnation": INCARNATION}

    def __init__(self, pid: int) -> None:
        memory = next(path for path in Path(f"/proc/{pid}/fd").iterdir() if is_counters(path))
        with memory.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._words = np.frombuffer(self._map, np.int64).reshape(-1, WORDS)[1:]  # (roles, WORDS)
        self._last = self._words.copy()
        self.faults: set[str] = set()

    def watch(self) -> np.ndarray:
        """Return a copy of the page (roles, WORDS), compared with the one before."""
        words = self._words.copy()
        for name, column in self.MONOTONE.items():
            if (words[:, column] < self._last[:, column]).any():
                self.faults.add(f"counter {name} ran backwards")
        self._last = words
        return words

    def all_up(self) -> bool:
        """Whether every role has beaten its heart."""
        return bool((self.watch()[:, BEAT] > 0).all())

    def returned(self, before: np.ndarray, killed_ns: int) -> bool:
        """Whether a role has a higher incarnation than `before`, and has beaten its heart since it was killed."""
        words = self.watch()
        return bool(((words[:, INCARNATION] > before[:, INCARNATION]) & (words[:, BEAT] > killed_ns)).any())


def is_counters(path: Path) -> bool:
    """Whether a descriptor in /proc is that of a counters page."""
    try:
        return "memfd:spreeze-counters" in os.readlink(path)
    except FileNotFoundError:
        return False


def command_line(process: psutil.Process) -> list[str]:
    """Return the words of a process's command or title, none if it has ended."""
    try:
        return " ".join(process.cmdline()).split()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_role(process: psutil.Process, folder: str) -> bool:
    """Whether a process is a role of the run in a folder."""
    words = command_line(process)
    return words[:1] == ["spreeze:"] and folder in words
