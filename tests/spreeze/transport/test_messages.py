"""Messages: what is not ours is dropped and counted, and never believed, executed or waited for."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from spreeze.runtime import RuntimeFolder
from spreeze.transport.messages import FLOOD, KINDS, MAX_BYTES, MAX_HELD, Hub, Line, Message, decode, encode

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path / "hub")
    yield made
    made.close()


def hear(hub: Hub, count: int = 1, limit_s: float = 5.0) -> list[Message]:
    heard: list[Message] = []
    deadline = time.monotonic() + limit_s
    while len(heard) < count and time.monotonic() < deadline:
        heard += hub.receive(0.05)
    return heard


def dealer(path: Path, identity: bytes) -> "zmq.Socket[bytes]":
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, identity)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(f"ipc://{path}")
    return socket


@given(st.sampled_from(sorted(KINDS)), st.text(), st.dictionaries(st.text(), PLAIN, max_size=4))
def test_a_message_survives_the_wire_or_is_none_of_ours(kind: str, role: str, data: dict[str, Any]) -> None:
    decoded = decode(msgpack.packb([role, kind, data]))
    assert decoded is None or decoded == (role, kind, data)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(frame: bytes) -> None:
    assert decode(frame) is None or isinstance(decode(frame), Message)


@given(PLAIN)
def test_no_well_formed_stranger_is_believed(value: Any) -> None:
    try:
        frame = msgpack.packb(value)
    except OverflowError:
        return
    assert decode(frame) is None


@pytest.mark.parametrize(
    "value",
    [
        5, None, [], ["a", "hello"], ["a", "hello", {}, 1], [1, "hello", {"incarnation": 1}], ["a", ["hello"], {}],
        ["a", {"hello": 1}, {}], ["a", "execute", {}], ["a", "hello", []], ["a", "hello", {}], "abc", {"a": 1},
        ["a", "metrics", {"values": 3}], ["a", "episodes", {"returns": [1.0]}],
        ["a", "metrics", {"values": {"x": "high"}}], ["a", "error", {"traceback": 3}],
    ],
)  # fmt: skip
def test_what_lacks_the_form_of_its_kind_is_none_of_ours(value: Any) -> None:
    assert decode(msgpack.packb(value)) is None


def test_extension_types_and_non_text_keys_are_none_of_ours() -> None:
    assert decode(msgpack.packb(["a", "log", msgpack.ExtType(5, b"x")])) is None
    assert decode(msgpack.packb(["a", "log", {1: "x", "text": "y"}])) is None
    broken_timestamp = b"\xd5\xffzz"
    assert decode(b"\x93\xa1a\xa3log\x81\xa4text" + broken_timestamp) is None


def test_what_a_role_says_is_heard_in_order(hub: Hub, tmp_path: Path) -> None:
    line = Line(tmp_path / "hub", "sampler-0")
    for index in range(20):
        line.send("log", text=str(index))
    heard = hear(hub, 20)
    assert [message.data["text"] for message in heard] == [str(index) for index in range(20)]
    assert {message.role for message in heard} == {"sampler-0"}
    line.close()


def test_the_orchestrator_speaks_to_one_role(hub: Hub, tmp_path: Path) -> None:
    lines = {role: Line(tmp_path / "hub", role) for role in ("a", "b")}
    for line in lines.values():
        line.send("log", text="here")
    hear(hub, 2)
    hub.send("a", "stop", final=True)
    hub.send("nobody", "stop")
    deadline, heard = time.monotonic() + 5, list[Message]()
    while not heard and time.monotonic() < deadline:
        heard += lines["a"].receive()
    assert heard == [Message("a", "stop", {"final": True})]
    assert list(lines["b"].receive()) == []
    for line in lines.values():
        line.close()


def test_strangers_are_dropped_and_counted_and_the_run_goes_on(hub: Hub, tmp_path: Path) -> None:
    socket = dealer(tmp_path / "hub", b"sampler-0")
    for frame in (b"", b"\xc1", msgpack.packb(7), encode(Message("learner", "log", {"text": "I am another"}))):
        socket.send(frame)
    socket.send_multipart([b"two", b"frames"])
    socket.send(encode(Message("sampler-0", "log", {"text": "ours"})))
    assert hear(hub) == [Message("sampler-0", "log", {"text": "ours"})]
    assert hub.dropped == 5
    socket.close()


def test_an_oversized_frame_never_arrives(hub: Hub, tmp_path: Path) -> None:
    stranger, line = dealer(tmp_path / "hub", b"stranger"), Line(tmp_path / "hub", "sampler-0")
    stranger.send(bytes(MAX_BYTES + 1))
    line.send("log", text="ours")
    assert hear(hub) == [Message("sampler-0", "log", {"text": "ours"})]
    assert hear(hub, limit_s=0.2) == []
    stranger.close()
    line.close()


def test_a_restarted_role_takes_over_the_name_of_its_predecessor(hub: Hub, tmp_path: Path) -> None:
    first = dealer(tmp_path / "hub", b"sampler-0")
    first.send(encode(Message("sampler-0", "hello", {"incarnation": 1})))
    hear(hub)
    second = Line(tmp_path / "hub", "sampler-0")
    second.send("hello", incarnation=2)
    assert hear(hub)[0].data == {"incarnation": 2}
    hub.send("sampler-0", "stop")
    deadline, heard = time.monotonic() + 5, list[Message]()
    while not heard and time.monotonic() < deadline:
        heard += second.receive()
    assert heard[0].kind == "stop"
    first.close()
    second.close()


def test_a_role_never_waits_for_an_orchestrator_that_does_not_listen(tmp_path: Path) -> None:
    line = Line(tmp_path / "nobody", "sampler-0")
    begin = time.monotonic()
    for _ in range(5000):
        line.send("log", text="x" * 100)
    assert time.monotonic() - begin < 2.0
    line.close()
    assert time.monotonic() - begin < 4.0


def test_the_sockets_lie_in_a_folder_that_only_the_user_can_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    runtime = RuntimeFolder()
    assert runtime.path.parent == tmp_path
    assert stat.S_IMODE(os.stat(runtime.path).st_mode) == 0o700
    runtime.close()
    assert not runtime.path.exists()


def test_a_runtime_folder_that_cannot_be_written_or_has_a_long_name_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    for place in (tmp_path / "missing", deep):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
        runtime = RuntimeFolder()
        Hub(runtime.path / "hub").close()
        runtime.close()


def test_names_that_are_no_text_are_none_of_ours() -> None:
    assert decode(msgpack.packb(["learner", "metrics", {"values": {"loss": 1.0}}])) is not None
    assert decode(msgpack.packb(["learner", "metrics", {"values": {b"loss": 1.0}}])) is None


def test_whoever_floods_the_orchestrator_does_not_keep_it_from_its_other_duties(hub: Hub, tmp_path: Path) -> None:
    line, heard, begin = Line(tmp_path / "hub", "sampler-0"), 0, time.monotonic()
    for message in hub.receive(1.0):
        assert message.kind == "log"
    line.send("log", text="first")
    for _ in hub.receive(5.0):
        line.send("log", text="one more, as soon as one was heard")
        time.sleep(0.0005)
        heard += 1
    assert heard <= FLOOD and time.monotonic() - begin < 30
    line.close()


def test_what_is_kept_for_a_role_that_never_comes_is_bounded(hub: Hub) -> None:
    for number in range(3 * MAX_HELD):
        hub.send("sampler-9", "save", folder=str(number))
    assert len(hub._held["sampler-9"]) == MAX_HELD
