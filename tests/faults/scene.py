"""A short run under watch: who plays in it, what its counters say, and what it leaves behind."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from spreeze.cli import main
from spreeze.run_folder import read_summary
from spreeze.transport.counters import BEAT, WORDS, Counters
from spreeze.transport.memory import SharedMemory

TINY = (
    *("--algo", "tests.faults.plugins:ALGORITHM", "--env", "tests.faults.plugins:ENVIRONMENT"),
    *("--samplers", "1", "--envs-per-sampler", "4", "--batch-size", "32", "--replay-ratio", "8"),
    *("--visualize", "none", "--evaluation-episodes", "1", "--evaluate-every", "1", "--tune", "off"),
)
"""Options of a run that needs next to nothing."""
DAWDLING = ("--dawdle-s", "0.02", "--steps", "1000000")
"""Options of a run that leaves the machine time, and goes on until it is told to stop."""
LIMIT_S = 180.0
"""For whatever a test waits for."""


def wait_for(what: Callable[[], Any], limit_s: float = LIMIT_S) -> float:
    """Wait until `what` is true; return the seconds that took."""
    begin = time.monotonic()
    while not what():
        assert time.monotonic() - begin < limit_s, "waited too long"
        time.sleep(0.01)
    return time.monotonic() - begin


def open_files() -> list[str]:
    """What the descriptors of this process are, those of pipes and terminals left out."""
    gc.collect()
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if link.startswith(("/memfd:", "socket:", "anon_inode:")):
            links.append(link.split("[")[0])
    return sorted(links)


def counter_pages(process: int) -> dict[int, Path]:
    """The counters pages that a process holds, by inode."""
    found = {}
    for link in Path(f"/proc/{process}/fd").iterdir():
        if "memfd:spreeze-counters" in _target(link):
            found[link.stat().st_ino] = link
    return found


@dataclass
class Scene:
    """One run folder, and the world around it before the run."""

    folder: Path
    runtime: Path
    shm: list[str] = field(default_factory=lambda: sorted(os.listdir("/dev/shm")))
    files: list[str] = field(default_factory=open_files)
    seen: set[psutil.Process] = field(default_factory=set)
    started: list["subprocess.Popen[str]"] = field(default_factory=list)
    owner: int = field(default_factory=os.getpid)
    others: set[int] = field(default_factory=lambda: set(counter_pages(os.getpid())))
    """Counters pages that this process held before."""

    def words(self, *options: str) -> list[str]:
        """The command line of a tiny run in this folder."""
        return ["run", *TINY, "--out", str(self.folder), *options]

    def play(self, words: Sequence[str], meanwhile: Callable[[], Any] = lambda: None) -> int:
        """Run a command in this process while `meanwhile` runs in a thread; return the exit code.

        If `meanwhile` fails, the run is interrupted.
        """
        self.owner = os.getpid()

        def script() -> None:
            try:
                meanwhile()
            except BaseException:
                self.interrupt()
                raise

        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(script)
            code = main(words)
            done.result()
        return code

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a command of its own: its sockets lie in this scene's place."""
        return {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime)}

    def command(self, words: Sequence[str]) -> list[str]:
        """A command of spreeze as one of the shell."""
        return [sys.executable, "-m", "spreeze", *words]

    def start(self, words: Sequence[str]) -> "subprocess.Popen[str]":
        """Start a command in a process of its own."""
        process = subprocess.Popen(
            self.command(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment
        )
        self.started.append(process)
        self.owner = process.pid
        return process

    def roles(self) -> dict[str, psutil.Process]:
        """The living role processes by role."""
        found = {}
        for process in psutil.Process(self.owner).children(recursive=True):
            try:
                words = title(process)
            except psutil.Error:
                continue
            if words[:1] == ["spreeze:"] and is_alive(process):
                found[words[1]] = process
        self.seen |= set(found.values())
        return found

    def forking(self) -> list[psutil.Process]:
        """The process that forks roles, if there is one."""
        children = psutil.Process(self.owner).children()
        return [child for child in children if "spreeze.roles.forking" in title(child)]

    def counters(self, roles: Sequence[str], limit_s: float = LIMIT_S) -> Counters:
        """The counters page of the run, once it is there."""
        size, found = (1 + len(roles)) * WORDS * 8, list[Path]()

        def look() -> bool:
            pages = counter_pages(self.owner).items()
            found[:] = [page for number, page in pages if number not in self.others and page.stat().st_size >= size]
            return bool(found)

        wait_for(look, limit_s)
        with found[0].open("r+b") as file:
            return Counters(SharedMemory(file.fileno(), size), roles)

    def await_roles(self, roles: Sequence[str], limit_s: float = LIMIT_S) -> Counters:
        """Wait until all these roles work and steps are made; return their counters."""
        counters = self.counters(roles, limit_s)
        wait_for(lambda: all(counters.row(role)[BEAT] > 0 for role in roles) and counters.env_steps > 0, limit_s)
        assert set(self.roles()) == set(roles)
        return counters

    def interrupt(self, number: int = signal.SIGINT) -> float:
        """Send the orchestrator a signal; return the moment."""
        os.kill(self.owner, number)
        return time.monotonic()

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        return read_summary(self.folder)

    @property
    def checkpoints(self) -> list[str]:
        """Names of the finished checkpoints."""
        return sorted(path.name for path in self.folder.glob("checkpoints/checkpoint-*"))

    def assert_clean(self) -> None:
        """No process, socket, runtime folder, shared memory or unfinished file is left."""
        assert [process for process in self.seen if is_alive(process)] == []
        strangers = [" ".join(p.info["cmdline"] or []).split() for p in psutil.process_iter(["cmdline"])]
        assert [words for words in strangers if words[:1] == ["spreeze:"] and self.folder.name in words] == []
        assert list(self.runtime.iterdir()) == []
        assert sorted(os.listdir("/dev/shm")) == self.shm
        assert list((Counter(open_files()) - Counter(self.files)).elements()) == []
        assert [path.name for path in self.folder.rglob("*") if path.suffix == ".part"] == []

    def close(self) -> None:
        """End whatever is still alive."""
        for orchestrator in self.started:
            orchestrator.kill()
            orchestrator.wait()
            if orchestrator.stdout is not None:
                orchestrator.stdout.close()
        for process in self.seen:
            if is_alive(process):
                process.kill()


def title(process: psutil.Process) -> list[str]:
    """The words of a process's title; those of a role are `spreeze:`, its name, its run."""
    return " ".join(process.cmdline()).split()


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def staged(root: Path, folder: Path) -> Iterator[Scene]:
    """A scene in a folder, with sockets in a place of their own; whatever is still alive at the end is ended."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="faults-") as runtime:
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        patch.setenv("PYTHONPATH", str(root))
        before = os.umask(0o077)
        made = Scene(folder / f"run-{Path(runtime).name}", Path(runtime))
        try:
            yield made
        finally:
            os.umask(before)
            made.close()


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
