"""`python -m tests.warm_forks SOCKET PARENT`: imports what roles need, once, then makes fork servers of its forks."""

import os
import signal
import socket
import sys
import time

import msgpack
from setproctitle import setproctitle

from spreeze.forkserver import MAX_BYTES, OF_LEARNERS
from spreeze.roles import forking
from spreeze.roles.main import die_with_parent


def serve(connection: socket.socket) -> None:
    """Fork a server for each request, and give it to who asked."""
    while True:
        request, received, _, _ = socket.recv_fds(connection, MAX_BYTES, 2)
        if not request:
            return
        answer, say = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            server = os.fork()
            if server == 0:
                connection.close()
                become(request, between, *received)
            os.write(say, msgpack.packb(server))
            os._exit(0)
        os.waitpid(between, 0)
        connection.send(os.read(answer, MAX_BYTES))
        forking.close_all([answer, say, *received])


def become(request: bytes, between: int, theirs: int, output: int) -> None:
    """Be what `python -m spreeze.roles.forking` is, started by the test process where it is now."""
    try:
        parent, folder, environment = msgpack.unpackb(request)
        os.setsid()
        setproctitle(f"{sys.executable} -m spreeze.roles.forking")  # Finds its place by the variables of before.
        for standard in (1, 2):
            os.dup2(output, standard)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = environment["PYTHONPATH"].split(os.pathsep) + sys.path
        while os.getppid() == between:
            time.sleep(forking.ORPHANED_S)
        forking.main([str(theirs), str(parent)])
    finally:
        os._exit(1)


def main() -> None:
    """Import, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    number, parent = map(int, sys.argv[1:])
    die_with_parent(parent)
    forking.import_all([*forking.ROLE_MODULES, *OF_LEARNERS])
    with socket.socket(fileno=number) as connection:
        serve(connection)


if __name__ == "__main__":
    main()
