"""The messages between roles and orchestrator: msgpack maps over ZMQ on a socket file that only the user can open."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import zmq

MAX_BYTES = 1 << 20
KINDS: Mapping[str, Mapping[str, Any]] = {
    "hello": {"incarnation": int},
    "metrics": {"values": dict},
    "episodes": {"returns": list, "lengths": list},
    "evaluation": {"begun_ns": int, "env_steps": int, "updates": int, "weight_version": list, "returns": list,
                   "lengths": list, "metrics": dict, "best": int | float},
    "error": {"traceback": str},
    "saved": {"folder": str, "problem": str},
    "log": {"text": str},
    "done": {},
    "save": {"folder": str},
    "stop": {},
    "cores": {"cores": list},
}  # fmt: skip
"""What a message of each kind must hold; lists hold numbers, maps numbers by text."""
FLOOD = 1000
"""Messages that are heard in one go; whoever sends more does not keep the orchestrator from its other duties."""
MAX_HELD = 100
"""Messages kept for a role that is not there yet."""


class Message(NamedTuple):
    """Small data only: arrays travel through shared memory."""

    role: str
    kind: str
    data: Mapping[str, Any]


def encode(message: Message) -> bytes:
    """The bytes of `message`."""
    return bytes(msgpack.packb([message.role, message.kind, dict(message.data)]))


def decode(frame: bytes) -> Message | None:
    """The message in `frame`, or None if it is none of ours."""
    try:
        found = msgpack.unpackb(frame, strict_map_key=True)
    except (ValueError, msgpack.UnpackException):
        return None
    match found:
        case [str(role), str(kind), dict(data)] if kind in KINDS:
            fits = all(_fits(data.get(name), form) for name, form in KINDS[kind].items())
            return Message(role, kind, data) if fits else None
    return None


def _fits(value: Any, form: Any) -> bool:
    if not isinstance(value, form):
        return False
    if isinstance(value, dict) and not all(isinstance(name, str) for name in value):
        return False
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(isinstance(number, int | float) for number in inside)


class Hub:
    """The orchestrator's end: hears every role and can speak to each."""

    def __init__(self, path: Path) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES)
        self._socket.setsockopt(zmq.RCVHWM, 10_000)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.bind(f"ipc://{path}")
        self.dropped = 0
        self._held: dict[str, list[bytes]] = {}

    def receive(self, timeout_s: float) -> Iterator[Message]:
        """Yield at most `FLOOD` of what has arrived, waiting at most `timeout_s` for the first.

        What is malformed is counted and dropped.
        """
        wait_ms = int(timeout_s * 1000)
        for _ in range(FLOOD):
            if not self._socket.poll(wait_ms):
                return
            frames = self._socket.recv_multipart()
            message = decode(frames[-1]) if len(frames) == 2 else None
            if message is None or frames[0] != message.role.encode():
                self.dropped += 1
            else:
                for frame in self._held.pop(message.role, ()):
                    self._deliver(message.role, frame)
                yield message
            wait_ms = 0

    def send(self, role: str, kind: str, **data: Any) -> None:
        """Say `kind` to `role`; held until its first word if it is not there yet."""
        self._deliver(role, encode(Message(role, kind, data)))

    def _deliver(self, role: str, frame: bytes) -> None:
        try:
            self._socket.send_multipart([role.encode(), frame], zmq.NOBLOCK)
        except zmq.ZMQError:  # nobody of that name is connected, or it does not listen
            held = self._held.setdefault(role, [])
            held.append(frame)
            del held[:-MAX_HELD]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        self._context.term()


class Line:
    """A role's end."""

    def __init__(self, path: Path, role: str) -> None:
        self.role = role
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, role.encode())
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES)
        self._socket.setsockopt(zmq.SNDHWM, 1000)
        self._socket.setsockopt(zmq.LINGER, 1000)
        self._socket.connect(f"ipc://{path}")

    def send(self, kind: str, **data: Any) -> None:
        """Say `kind`; dropped when a thousand messages are already waiting."""
        try:
            self._socket.send(encode(Message(self.role, kind, data)), zmq.NOBLOCK)
        except zmq.Again:
            return

    def receive(self) -> Iterator[Message]:
        """Yield what the orchestrator said, without waiting."""
        while self._socket.poll(0):
            message = decode(self._socket.recv())
            if message is not None:
                yield message

    def close(self) -> None:
        """Send what is waiting, for at most a second, and close."""
        self._socket.close()
        self._context.term()
