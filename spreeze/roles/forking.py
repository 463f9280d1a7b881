"""The fork server: `python -m spreeze.roles.forking SOCKET ORCHESTRATOR` imports what roles need, then forks them.

Requests arrive one after the other, each with the descriptors that it names: ["import", modules] or ["fork", RoleSpec,
descriptors]. Answers are {}, {"pid": of the role} or {"problem": why not}; the first one says that it is ready.
Nothing that forks badly (threads, CUDA, ZMQ) is touched before a fork.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgpack
import numpy as np
from setproctitle import setproctitle

from spreeze.forkserver import MAX_BYTES, MAX_FDS, THREAD_VARIABLES
from spreeze.roles.main import die_with_parent, play

ROLE_MODULES = ("spreeze.roles.sampler", "spreeze.roles.learner", "spreeze.roles.evaluator")
ORPHANED_S = 0.0002
"""Between two looks whether the kernel has given a role to the orchestrator."""


def serve(connection: socket.socket) -> None:
    """Do what is asked for until the other end is closed."""
    while True:
        request, received, _, _ = socket.recv_fds(connection, MAX_BYTES, MAX_FDS)
        if not request:
            return
        kind, *words = msgpack.unpackb(request)
        if kind == "import":
            answer = import_all(*words)
        else:
            data, named = words
            answer = fork_role(connection, data, named, received)
        close_all(received)
        connection.send(msgpack.packb(answer))


def import_all(modules: Sequence[str]) -> dict[str, Any]:
    """Import modules; the objects that there are by now are no garbage, and so stay shared with all forks."""
    try:
        for module in modules:
            importlib.import_module(module)
    except Exception as error:  # a plug-in may raise anything
        return {"problem": f"{module} cannot be imported: {type(error).__name__}: {error}"}
    gc.collect()
    gc.freeze()
    return {}


def fork_role(connection: socket.socket, data: Any, named: Sequence[int], received: Sequence[int]) -> dict[str, Any]:
    """Fork a process that plays the role of `data`, by way of another one, whose end gives it to the orchestrator."""
    answer, say = os.pipe()
    try:
        between = os.fork()
    except OSError as error:
        close_all([answer, say])
        return {"problem": f"a role cannot be forked: {error}"}
    if between == 0:
        close_all([answer])
        fork_orphan(connection, say, data, named, received)
    close_all([say])
    os.waitpid(between, 0)
    with os.fdopen(answer, "rb") as pipe:
        said = pipe.read()
    return msgpack.unpackb(said) if said else {"problem": "a role cannot be forked: the process between was killed"}


def fork_orphan(connection: socket.socket, say: int, data: Any, named: Sequence[int], received: Sequence[int]) -> None:
    """Fork the process itself, say which it is, and end."""
    between, said = os.getpid(), dict[str, Any]()
    try:
        said["pid"] = os.fork()
    except OSError as error:
        said["problem"] = f"a role cannot be forked: {error}"
    if said.get("pid") != 0:
        os.write(say, msgpack.packb(said))
        os._exit(0)
    code = 1
    try:
        connection.close()
        close_all([say])
        code = begin(data, between, dict(zip(named, received, strict=False)), received[-1])
    except BaseException:  # Whatever it is, a fork must not go on as the server that it was made of.
        traceback.print_exc()
    finally:
        os._exit(code)  # To take PyTorch down module by module would hold up a restart or the end by a second.


def begin(data: dict[str, Any], between: int, numbers: Mapping[int, int], log: int) -> int:
    """Make of a fork of this interpreter what a fresh one would be, and play; return the exit code."""
    os.setsid()
    os.umask(0o077)  # Whatever a role writes is the run's, and so for its user alone.
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(data["threads"])))
    setproctitle(f"spreeze: {data['role']} {os.path.basename(data['folder'])}")
    np.random.seed()  # Nothing of ours draws from it; environments of others may, and not all of them the same.
    while os.getppid() == between:
        time.sleep(ORPHANED_S)
    code = play(renumbered(data, numbers))
    with suppress(OSError):  # The log may lie on a full disk.
        sys.stdout.flush()
    return code


def renumbered(data: Any, numbers: Mapping[int, int]) -> Any:
    """`data` with every number under the key `fd` replaced."""
    if isinstance(data, dict):
        return {k: numbers[v] if k == "fd" else renumbered(v, numbers) for k, v in data.items()}
    return data


def close_all(descriptors: Sequence[int]) -> None:
    """Close them."""
    for descriptor in descriptors:
        os.close(descriptor)


def main(words: Sequence[str]) -> None:
    """Import, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    number, parent = map(int, words)
    die_with_parent(parent)
    with socket.socket(fileno=number) as connection:
        connection.send(msgpack.packb(import_all(ROLE_MODULES)))
        serve(connection)


if __name__ == "__main__":
    main(sys.argv[1:])
