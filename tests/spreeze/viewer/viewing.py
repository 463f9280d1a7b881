"""Somebody who looks, without a browser: takes what a page would be sent."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import zstandard
from websockets.sync.connection import Connection

from benchmarks.viewer_client import attach
from tests.spreeze.viewer.trained import LIMIT_S


@dataclass
class Seen:
    """What came."""

    frames: int = 0
    """Messages that move a body or change a picture."""
    texts: str = ""
    """All that the page shows in words."""
    kinds: set[str] = field(default_factory=set)


def messages_of(data: bytes) -> list[dict[str, Any]]:
    """The messages of one window, arrays left out."""
    size = int.from_bytes(data[8:16], "little")
    decoded = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data[16 : 16 + size]))
    return list(decoded["messages"])


def look(url: str, until: Callable[[Seen], bool]) -> Seen:
    """Take all that is sent until enough was seen."""
    seen, deadline = Seen(), time.monotonic() + LIMIT_S
    with attach(url) as connection:
        while not until(seen):
            data = connection.recv(timeout=max(deadline - time.monotonic(), 0.01))
            assert isinstance(data, bytes)
            note(seen, messages_of(data))
    return seen


def note(seen: Seen, messages: list[dict[str, Any]]) -> None:
    """Account for the messages of one window."""
    seen.kinds |= {message["type"] for message in messages}
    updates = [message for message in messages if message["type"].endswith("UpdateMessage")]
    seen.frames += any({"batched_positions", "_data"} & set(message["updates"]) for message in updates)
    seen.texts += " ".join(str(message["updates"].get("content", "")) for message in updates)


VALUE = re.compile(r">([^<>]+)<b> (-?[\d.]+)</b>")


class Page:
    """What a page knows of its controls and of the values above its charts, and what it may send."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.controls: dict[str, str] = {}
        """Identifier of every control and command by its label."""
        self.kinds: set[str] = set()
        self.values: dict[str, float] = {}
        """Of curves, by name."""
        self.markers: dict[str, tuple[float, ...]] = {}
        """Positions of balls."""

    def until(self, what: Callable[["Page"], bool]) -> None:
        """Take what comes until something is true."""
        deadline = time.monotonic() + LIMIT_S
        while not what(self):
            data = self.connection.recv(timeout=max(deadline - time.monotonic(), 0.01))
            assert isinstance(data, bytes)
            for message in messages_of(data):
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        self.kinds.add(message["type"])
        label = message.get("props", {}).get("label")
        if label is not None and "uuid" in message:
            self.controls[label] = message["uuid"]
        for name, value in VALUE.findall(str(message.get("updates", {}).get("content", ""))):
            self.values[name] = float(value)
        if "marker" in message.get("name", "") and "position" in message:
            self.markers[message["name"]] = tuple(message["position"])

    def send(self, **message: Any) -> None:
        """Send a message as it is."""
        self.connection.send(msgspec.msgpack.encode(message))

    def pressed(self, label: str) -> bool:
        """Press a button; True."""
        self.set(label, True)
        return True

    def set(self, label: str, value: object) -> None:
        """Give a control a value; a button is pressed by True."""
        self.send(type="GuiUpdateMessage", uuid=self.controls[label], updates={"value": value})
