"""Roles are forked: whose children they are, what becomes of them, and of the process that forks them."""

import os
import select
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from spreeze import forkserver as module
from spreeze.errors import ForkError
from spreeze.forkserver import Forked, ForkServer
from spreeze.roles.context import RoleSpec

pytestmark = pytest.mark.usefixtures("cold")

WAITING = {"cores": sorted(os.sched_getaffinity(0)), "threads": 1, "nice": 0}


class Request:
    """What stands for a `RoleSpec`; a role that is given more or less than one fails when it reads it."""

    def __init__(self, role: str, **more: Any) -> None:
        self.data = {"role": role, "folder": "/run", "parent": os.getpid(), "socket": "/no/hub"} | WAITING | more

    def to_data(self) -> dict[str, Any]:
        return self.data


@pytest.fixture(scope="module")
def started(cold: None) -> Iterator[ForkServer]:
    with ForkServer() as made:
        yield made


def fork(server: ForkServer, log: Path, **more: Any) -> Forked:
    with log.open("wb") as file:
        return server.start(cast(RoleSpec, Request("toy", **more)), [], file.fileno())


def test_a_role_is_a_child_of_this_process_and_its_exception_is_in_the_log(started: ForkServer, tmp_path: Path) -> None:
    role = fork(started, tmp_path / "log")
    assert psutil.Process(role.pid).ppid() == os.getpid()
    assert role.wait() == role.poll() == role.returncode == 1
    assert "RoleSpec.__init__() missing" in (tmp_path / "log").read_text()
    role.kill()  # of one that has ended, nothing


def test_what_forks_has_a_single_thread_and_no_role_as_its_child(started: ForkServer, tmp_path: Path) -> None:
    fork(started, tmp_path / "log").wait()
    process = psutil.Process(started.pid)
    assert process.num_threads() == 1
    assert process.children() == []


def test_descriptors_arrive_under_the_numbers_that_are_given(started: ForkServer, tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as shared, (tmp_path / "log").open("wb") as log:
        spec = cast(RoleSpec, Request("toy", counters={"fd": shared.fileno(), "size": 0}))
        before = len(os.listdir("/proc/self/fd"))
        role = started.start(spec, [shared.fileno()], log.fileno())
        assert role.wait() == 1
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("heard", [True, False])
def test_one_that_has_died_is_started_anew_however_often_if_it_was_ready(
    heard: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not anybody had heard that it was, and it what else was wanted."""
    monkeypatch.setattr(module, "MAX_STARTS", 1)
    with ForkServer() as server:
        first = server.pid
        if heard:
            server.preload(["spreeze.algorithms.sac"])
            assert fork(server, tmp_path / "log").wait() == 1
        else:
            readable = select.poll()  # Of whatever number; select() takes none above 1023.
            readable.register(server._socket, select.POLLIN)
            assert readable.poll(60_000)
            psutil.Process(first).suspend()
            server.preload(["spreeze.algorithms.sac"])
        psutil.Process(first).kill()
        deadline = time.monotonic() + 10
        while not server.tend():
            assert time.monotonic() < deadline
        assert server.pid != first
        assert not server.tend()
        assert fork(server, tmp_path / "log").wait() == 1


def test_a_module_that_cannot_be_imported_is_told_in_a_line(tmp_path: Path) -> None:
    with ForkServer() as server:
        server.preload(["no_such_module"])
        with pytest.raises(ForkError, match=r"^no_such_module cannot be imported: ModuleNotFoundError"):
            fork(server, tmp_path / "log")


def test_one_that_dies_at_once_is_given_up_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('half installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(module, "python_path", lambda: os.pathsep.join([str(tmp_path), os.getcwd()]))
    with ForkServer() as server:
        for _ in range(module.MAX_STARTS):
            with pytest.raises(ForkError, match=r"exit code 1: ImportError: half installed"):
                fork(server, tmp_path / "log")
        with pytest.raises(ForkError, match=r"half installed, 5 times by now"):
            server.tend()


def test_who_waits_for_it_hears_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hanging.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def check() -> None:
        raise KeyboardInterrupt

    with ForkServer() as server:
        server.preload(["hanging"])
        server.check = check
        with pytest.raises(KeyboardInterrupt):
            fork(server, tmp_path / "log")
    with pytest.raises(psutil.NoSuchProcess):
        psutil.Process(server.pid)


def test_orphans_are_adopted_only_while_there_is_one() -> None:
    before = module.adopt_orphans(False)
    with ForkServer():
        assert module.adopt_orphans(True)
    assert not module.adopt_orphans(before)
