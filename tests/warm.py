"""One warm interpreter for all runs of the test process: their fork servers are forked from it (`warm_forks.py`).

Commands that tests start as processes of their own, and tests with the fixture `cold`, start fresh interpreters.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

import msgpack

from spreeze.forkserver import MAX_BYTES, Forked, launch, server_environment

FRESH = launch
"""What starts a fork server from nothing."""


class Template:
    """The test process's end."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, "-P", "-m", "tests.warm_forks", str(theirs.fileno()), str(os.getpid())]
        with theirs:
            self._process = subprocess.Popen(
                words, env=server_environment(), pass_fds=[theirs.fileno()], start_new_session=True
            )

    def launch(self, theirs: socket.socket, output: int, environment: Mapping[str, str]) -> Forked:
        """Make a fork server, as `spreeze.forkserver.launch` does."""
        request = msgpack.packb([os.getpid(), os.getcwd(), environment])
        socket.send_fds(self._socket, [request], [theirs.fileno(), output])
        return Forked(msgpack.unpackb(self._socket.recv(MAX_BYTES)))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._socket.close()


@cache
def template() -> Template:
    """The one of this process."""
    return Template()
