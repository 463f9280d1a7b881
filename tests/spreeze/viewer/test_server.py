"""Who may connect: loopback only, pages of the viewer only, and nobody through a tunnel."""

import http.client
import importlib.metadata
import socket
from collections.abc import Iterator

import psutil
import pytest
import viser
from viser import _messages

from spreeze.errors import SpreezeError
from spreeze.viewer.server import HOST, close_server, free_port, is_own, open_server

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": f"viser-v{importlib.metadata.version('viser')}",
}


@pytest.fixture
def server() -> Iterator[viser.ViserServer]:
    opened = open_server(None, "test")
    yield opened
    close_server(opened)


def status(server: viser.ViserServer, **headers: str) -> int:
    """What the server answers to a request for the page with these headers, or to one for a websocket."""
    connection = http.client.HTTPConnection(HOST, server.get_port(), timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", "/", headers=named)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_page_is_served(server: viser.ViserServer) -> None:
    assert status(server) == 200


def test_it_listens_on_loopback_only(server: viser.ViserServer) -> None:
    ports = [c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert [address.ip for address in ports if address.port == server.get_port()] == [HOST]


def test_a_page_of_its_own_may_connect(server: viser.ViserServer) -> None:
    origin = f"http://127.0.0.1:{server.get_port()}"
    assert status(server, Origin=origin, **UPGRADE) == 101
    assert status(server, **UPGRADE) == 101


@pytest.mark.parametrize("origin", ["https://example.org", "http://127.0.0.1:1", "null", "http://[", ""])
def test_a_page_from_elsewhere_may_not(server: viser.ViserServer, origin: str) -> None:
    assert status(server, Origin=origin, **UPGRADE) == 403


def test_a_name_of_the_internet_that_means_loopback_is_refused(server: viser.ViserServer) -> None:
    host = f"example.org:{server.get_port()}"
    assert status(server, Host=host, Origin=f"http://{host}", **UPGRADE) == 403
    assert status(server, Host=host) == 403


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("localhost:9000", "http://localhost:9000", True),  # through a tunnel of ssh
        ("[::1]:8080", "http://[::1]:8080", True),
        ("127.0.0.1:8080", None, True),
        ("127.0.0.1:8080", "http://localhost:8080", False),
        ("localhost.example.org", None, False),
        (None, None, False),
        ("127.0.0.1:8080@example.org", None, False),
    ],
)
def test_whose_a_request_is(host: str | None, origin: str | None, own: bool) -> None:
    assert is_own(host, origin) == own


def test_nobody_can_have_the_page_published(server: viser.ViserServer) -> None:
    assert _messages.ShareUrlRequest not in server._websock_server._incoming_handlers


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        first = taken.getsockname()[1]
        assert free_port(first) > first


def test_where_no_port_is_free_another_is_asked_for() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 65535))
        taken.listen()
        with pytest.raises(SpreezeError, match="no port from 65535 on is free"):
            free_port(65535)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    close_server(open_server(None, "test"))
    assert capsys.readouterr() == ("", "")
