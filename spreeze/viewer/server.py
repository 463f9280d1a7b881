"""The web server of the viewer: on loopback only, and only for pages of its own."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import viser
import websockets.asyncio.server
from viser import _messages

from spreeze.errors import SpreezeError
from spreeze.viewer.incoming import MOST_BYTES, CheckedConnection, Gate

HOST = "127.0.0.1"
FIRST_PORT = 8080
"""The first that is tried: a viewer that is started anew has the address it had."""
PORTS = 100
NAMES = (HOST, "localhost", "::1")


def open_server(port: int | None, title: str) -> viser.ViserServer:
    """A server on `port`, or on the next one that is free, which takes from pages what passes a `Gate`.

    Raises:
        SpreezeError: there is none, or the library is one whose requests cannot be checked.
    """
    with _checked_requests() as gate, contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(HOST, free_port(port or FIRST_PORT), title, verbose=False)
    if not gate.used:
        server.stop()
        raise SpreezeError(f"viser {viser.__version__} takes requests that were not checked; install viser 1.1")
    gate.gui = server.gui
    # Whoever asks for it would have the page published by a server on the internet.
    server._websock_server.unregister_handler(_messages.ShareUrlRequest)
    server.gui.configure_theme(show_share_button=False, show_logo=False, control_width="medium")
    return server


def close_server(server: viser.ViserServer) -> None:
    """Stop listening, without a word."""
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()


def free_port(first: int) -> int:
    """`first`, or the next port that nobody listens on.

    Raises:
        SpreezeError: none of the hundred from there on is free.
    """
    for port in range(first, min(first + PORTS, 65536)):
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((HOST, port))
            return port
    raise SpreezeError(f"no port from {first} on is free on {HOST}; give another with --port or --viewer-port")


def is_own(host: str | None, origin: str | None) -> bool:
    """Whether a request for `host` comes from a page of this server, or from no page.

    Browsers let any page connect to any address by websocket, and a name of the internet may be made to mean loopback.
    """
    try:
        return urlsplit(f"//{host}").hostname in NAMES and (origin is None or urlsplit(origin).netloc == host)
    except ValueError:
        return False


@contextlib.contextmanager
def _checked_requests() -> Iterator[Gate]:
    """Have the server that is started meanwhile refuse requests that are not `is_own`, and messages, by the gate.

    viser hands on no options for that, so the function that it starts its server with is replaced while it does so;
    the gate is not `used` if it starts it with another.
    """
    serve, gate = websockets.asyncio.server.serve, Gate()

    def checked_serve(*args: Any, process_request: Any, **options: Any) -> Any:
        def check(connection: Any, request: Any) -> Any:
            if not is_own(request.headers.get("Host"), request.headers.get("Origin")):
                return connection.respond(403, "open this page as http://127.0.0.1:PORT/\n")
            return process_request(connection, request)

        gate.used = True
        ours = {"max_size": MOST_BYTES, "create_connection": partial(CheckedConnection, gate)}
        return serve(*args, process_request=check, **options | ours)

    websockets.asyncio.server.serve = checked_serve  # type: ignore[assignment, misc]
    try:
        yield gate
    finally:
        websockets.asyncio.server.serve = serve  # type: ignore[misc]
