"""The warm interpreter that forks roles: a fresh one spends seconds on imports, a fork some milliseconds.

Roles become children of this process, although another one makes them (`roles/forking.py`): that one forks twice, and
this one has asked the kernel for the orphans among its descendants. So a role is waited for and killed like any child,
and lives on when the fork server dies.
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import msgpack

from spreeze.errors import ForkError, UsageError
from spreeze.folders import keep_compiled

if TYPE_CHECKING:
    from spreeze.roles.context import RoleSpec

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
WAITING = {"OMP_WAIT_POLICY": "passive"}
"""Threads that spin while they wait for each other slow a learner tenfold as soon as anything else wants a core."""
MAX_BYTES, MAX_FDS = 1 << 20, 250
"""Of a request, which is one datagram; the kernel takes 253 descriptors with it."""
LIMIT_S, LOOK_S = 600.0, 0.1
"""For an answer, which takes minutes where the machine is too busy for imports; between two looks."""
MAX_STARTS = 5
"""In a row that never came to be ready."""
OF_LEARNERS = ("torch._dynamo",)
"""What the first optimiser imports, for more than a second: of use where more than one learner is forked."""
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37


class Forked:
    """A role that was forked, a child of this process: as much of `subprocess.Popen` as is asked of one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self._reap(os.WNOHANG)
        return self.returncode

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        while self.returncode is None:
            self._reap(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _reap(self, how: int) -> None:
        pid, status = os.waitpid(self.pid, how)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)


class ForkServer:
    """The orchestrator's end. `check` is called whenever it waits, and may raise."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        """Start the interpreter, which imports what all roles need while the caller goes on.

        Raises:
            UsageError: this system cannot have it.
        """
        check_machine()
        keep_compiled()
        self.check, self._modules, self._starts = check, list[str](), 0
        self._adopted_before = adopt_orphans(True)
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the interpreter."""
        return self._process.pid

    def preload(self, modules: Sequence[str]) -> None:
        """Import these as well, before the next role is forked."""
        new = [module for module in modules if module not in self._modules]
        self._modules += new
        if not self.tend() and new:
            self._ask(["import", new], [])

    def start(self, spec: RoleSpec, fds: Sequence[int], log: int) -> Forked:
        """Fork a process that plays `spec`, which names descriptors among `fds`, and prints to `log`.

        Raises:
            ForkError: it cannot be started.
        """
        self.tend()
        self._hear(self.check)
        self._ask(["fork", spec.to_data(), list(fds)], [*fds, log])
        return Forked(self._hear()["pid"])  # Comes at once: an interruption here would leave a role that nobody knows.

    def tend(self) -> bool:
        """Start the interpreter anew if it has died; return whether it had.

        Raises:
            ForkError: it does so again and again, before it is ready.
        """
        if self._process.poll() is None:
            return False
        if not self._awaited or self._received():  # of a dead process, at once: what it had still said, or nothing
            self._starts = 0
        if self._starts >= MAX_STARTS:
            raise ForkError(f"{self._obituary()}, {self._starts} times by now")
        self._release()
        self._open()
        if self._modules:
            self._ask(["import", self._modules], [])
        return True

    def close(self) -> None:
        """End the interpreter; roles live on."""
        self._release()
        adopt_orphans(self._adopted_before)

    def _open(self) -> None:
        self._starts, self._awaited = self._starts + 1, 1
        self._output = os.memfd_create("spreeze-forkserver")
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_BYTES)
        with theirs:
            self._process = launch(theirs, self._output, server_environment())

    def _release(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()
        os.close(self._output)

    def _ask(self, request: Sequence[Any], fds: Sequence[int]) -> None:
        try:
            socket.send_fds(self._socket, [msgpack.packb(request)], list(fds))
        except OSError as error:
            raise ForkError(f"a role cannot be forked: {error}") from error
        self._awaited += 1

    def _hear(self, check: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Wait for the answers to all requests; return the last one."""
        answer: dict[str, Any] = {}
        while self._awaited:
            self._await(check)
            message = self._received()
            if not message:
                raise ForkError(self._obituary())
            self._awaited -= 1
            answer = msgpack.unpackb(message)
            if "problem" in answer:
                raise ForkError(answer["problem"])
        return answer

    def _received(self) -> bytes:
        """What it said; nothing if it is dead and has said no more."""
        for _ in range(2):  # If it died with a request unread, an error comes before what it had said.
            with suppress(ConnectionError):
                return self._socket.recv(MAX_BYTES)
        return b""

    def _await(self, check: Callable[[], None]) -> None:
        deadline, answered = time.monotonic() + LIMIT_S, select.poll()  # `select` serves no descriptors beyond 1023
        answered.register(self._socket, select.POLLIN)
        while not answered.poll(1000 * LOOK_S):
            check()
            if time.monotonic() > deadline:
                raise ForkError(f"the process that forks roles gave no answer in {LIMIT_S:g} s")

    def _obituary(self) -> str:
        printed = os.pread(self._output, MAX_BYTES, 0).decode(errors="replace").rstrip().splitlines()
        return f"the process that forks roles {death(self._process.wait())}" + "".join(f": {x}" for x in printed[-1:])


def launch(theirs: socket.socket, output: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes] | Forked:
    """Start the interpreter at the other end of the socket; what it prints goes to the file `output`."""
    words = ["-P", "-m", "spreeze.roles.forking", str(theirs.fileno()), str(os.getpid())]
    return subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )


def server_environment() -> dict[str, str]:
    """Its variables: one thread while it imports; and a fork after CUDA was started could not use it."""
    own = WAITING | os.environ | dict.fromkeys(THREAD_VARIABLES, "1") | {"PYTHONPATH": python_path()}
    return own | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}


def can_fork_roles() -> bool:
    """Whether this machine has the shared memory that roles need, and the order in which it is written."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def check_machine() -> None:
    """Raise UsageError where processes with shared memory are not supported."""
    if not can_fork_roles():
        system = f"{sys.platform} on {platform.machine()}"
        raise UsageError(f"processes over shared memory need Linux on x86-64, this is {system}; use --serial")


def adopt_orphans(wanted: bool) -> bool:
    """Whether this process becomes the parent of descendants that lose theirs; return whether it did before."""
    system, before = ctypes.CDLL(None), ctypes.c_int()
    system.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    system.prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
    return bool(before.value)


def python_path() -> str:
    """What lets imports of a child resolve as they do here."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)


def death(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    hints = {signal.SIGKILL: ", perhaps for want of memory", **dict.fromkeys(CRASHES, "; its stacks are in log.txt")}
    number = signal.Signals(-code)
    return f"was killed by {number.name}{hints.get(number, '')}"


CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
"""Signals at which a role writes down its stacks."""
