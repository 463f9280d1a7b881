"""Somebody who looks, without a browser: takes what a page would be sent."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import zstandard

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
