"""A warm interpreter that forks roles: a trial cannot wait seconds for imports.

`python -m spreeze.tuning.nursery SOCKET MODULE...` imports what roles need, then, for each description of a role that
arrives on the socket with the descriptors it names, forks a child that plays it and answers with the child's pidfd.
Nothing that forks badly (threads, CUDA, ZMQ) is touched before the fork.
"""

import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

import msgpack
import torch

from spreeze.errors import SpreezeError
from spreeze.roles.context import RoleSpec
from spreeze.roles.main import die_with_parent, play
from spreeze.supervisor import THREAD_VARIABLES, WAITING, death, python_path

MAX_BYTES, MAX_FDS = 1 << 20, 250
END_LIMIT_MS = 5000
IMPORT_LIMIT_S, FORK_LIMIT_S, LOOK_S = 120.0, 10.0, 0.1
WELL = b"+"
ROLE_MODULES = ("spreeze.roles.sampler", "spreeze.roles.learner")


class TrialError(SpreezeError):
    """A setting cannot be run; the message says why in a line."""


class Nursery:
    """The orchestrator's end: starts roles and ends them; `check` is called while it waits, and may raise."""

    def __init__(self, modules: Sequence[str], log: int, check: Callable[[], None] = lambda: None) -> None:
        """Start the interpreter and wait until it has imported everything.

        Raises:
            TrialError: it died, or takes too long.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_BYTES)
        command = [sys.executable, "-P", "-m", "spreeze.tuning.nursery", str(theirs.fileno()), str(os.getpid())]
        environment = WAITING | os.environ | dict.fromkeys(THREAD_VARIABLES, "1") | {"PYTHONPATH": python_path()}
        environment |= {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # a fork after CUDA was started cannot use it
        with theirs:
            self._process = subprocess.Popen(
                [*command, *modules],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket, self._check, self._children = ours, check, list[int]()
        try:
            self._hear(IMPORT_LIMIT_S)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        self.end_children()
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _hear(self, limit_s: float) -> list[int]:
        """Wait for an answer, and return the descriptors that it carries."""
        deadline = time.monotonic() + limit_s
        answered = select.poll()  # `select` itself cannot serve descriptors beyond 1023
        answered.register(self._socket, select.POLLIN)
        while not answered.poll(1000 * LOOK_S):
            self._check()
            if time.monotonic() >= deadline:
                raise TrialError(f"the process that forks the roles of trials gave no answer in {limit_s:g} s")
        answer, received, _, _ = socket.recv_fds(self._socket, 1024, 1)
        if not answer:
            raise TrialError(f"the process that forks the roles of trials {death(self._process.wait())}")
        if answer != WELL:
            raise TrialError(answer.decode(errors="replace"))
        return received

    @property
    def pid(self) -> int:
        """The parent of all roles that are started here."""
        return self._process.pid

    def start(self, spec: RoleSpec, fds: Sequence[int]) -> None:
        """Have a child play `spec`, which names descriptors among `fds`.

        Raises:
            TrialError: it cannot be started.
        """
        request = msgpack.packb([spec.to_data() | {"parent": self.pid}, list(fds)])
        try:
            socket.send_fds(self._socket, [request], list(fds))
            self._children += self._hear(FORK_LIMIT_S)
        except OSError as error:
            raise TrialError(f"a role cannot be forked: {error}") from error

    def end_children(self) -> None:
        """Kill every role and wait for its end."""
        for child in self._children:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(child, signal.SIGKILL)
        for child in self._children:
            ended = select.poll()
            ended.register(child, select.POLLIN)
            ended.poll(END_LIMIT_MS)
            os.close(child)
        self._children = []


def renumbered(data: Any, numbers: Mapping[int, int]) -> Any:
    """`data` with every number under the key `fd` replaced."""
    if isinstance(data, dict):
        return {k: numbers[v] if k == "fd" else renumbered(v, numbers) for k, v in data.items()}
    return data


def serve(connection: socket.socket) -> None:
    """Fork a child for every request until the other end is closed."""
    while True:
        request, received, _, _ = socket.recv_fds(connection, MAX_BYTES, MAX_FDS)
        if not request:
            return
        data, named = msgpack.unpackb(request)
        try:
            child = os.fork()
        except OSError as error:
            connection.send(f"a role cannot be forked: {error}".encode())
            close_all(received)
            continue
        if child == 0:
            connection.close()
            code = 1
            try:
                code = play(renumbered(data, dict(zip(named, received, strict=True))))
            finally:
                os._exit(code)
        watch = os.pidfd_open(child)
        socket.send_fds(connection, [WELL], [watch])
        close_all([watch, *received])
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def close_all(descriptors: Sequence[int]) -> None:
    """Close them."""
    for descriptor in descriptors:
        os.close(descriptor)


def main(words: Sequence[str]) -> None:
    """Import, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    number, parent, *modules = words
    die_with_parent(int(parent))
    for module in (*ROLE_MODULES, *modules):
        importlib.import_module(module)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first optimiser imports for more than a second
    with socket.socket(fileno=int(number)) as connection:
        connection.send(WELL)
        serve(connection)


if __name__ == "__main__":
    main(sys.argv[1:])
