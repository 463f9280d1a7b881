"""Writers in processes of their own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spreeze.transport.memory import SharedMemory

StartWriter = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start_writer(root: Path) -> Iterator[StartWriter]:
    """Starts `tests.spreeze.transport.writer` on some memory; ends it with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(what: str, memory: SharedMemory, seed: int, *kills: int) -> "subprocess.Popen[bytes]":
        words = [what, memory.fd, memory.size, seed, *kills]
        command = [sys.executable, "-m", "tests.spreeze.transport.writer", *map(str, words)]
        started.append(subprocess.Popen(command, cwd=root, pass_fds=[memory.fd]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
