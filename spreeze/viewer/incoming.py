"""What pages may send: a value for a control, a command, where their camera is. All else is dropped before it acts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgpack
import viser
from viser import _messages
from websockets.asyncio.server import ServerConnection

MOST_BYTES = 1 << 16
"""Of a message from a page."""
TAKEN = ("GuiUpdateMessage", "CommandTriggerMessage", "ViewerCameraMessage")


class Gate:
    """Stands between pages and a server; nothing passes before the server's `gui` is known."""

    def __init__(self) -> None:
        self.used = False
        self.gui: viser.GuiApi | None = None

    def passed(self, data: str | bytes) -> bytes | None:
        """The message, if a page may send it, with its number moved into the limits of its control; else None.

        viser itself would have pages set any attribute of a control to anything.
        """
        try:
            assert isinstance(data, bytes)
            message = msgpack.unpackb(data)
            if message["type"] not in TAKEN:
                return None
            _messages.Message.deserialize(data)
            if message["type"] == "GuiUpdateMessage":
                message["updates"] = self._admitted(message["uuid"], message["updates"])
            packed: bytes = msgpack.packb(message)
            return packed
        except Exception:  # whatever malformed bytes raise
            return None

    def _admitted(self, control: str, updates: Mapping[str, object]) -> Mapping[str, object]:
        if updates.keys() != {"value"}:
            raise ValueError("only a value may be set")
        gui: Any = self.gui
        handle = gui._gui_input_handle_from_uuid[control]._impl
        return {"value": admitted(handle.value, handle.props, updates["value"])}


class CheckedConnection(ServerConnection):
    """A connection from which only that is received which passes the gate."""

    def __init__(self, gate: Gate, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._gate = gate

    async def recv(self, decode: bool | None = None) -> Any:
        """The next message that may act."""
        while True:
            passed = self._gate.passed(await super().recv(decode))
            if passed is not None:
                return passed


def admitted(current: object, limits: Any, value: object) -> object:
    """`value` for a control that has the value `current`: one of its choices, or a number moved into its limits.

    Raises:
        ValueError: it is of another kind, not finite, or no choice.
    """
    if isinstance(current, bool):
        wrong = not isinstance(value, bool)
    elif isinstance(current, int | float):
        wrong = isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    else:
        wrong = not isinstance(value, str) or value not in limits.options
    if wrong:
        raise ValueError(f"{value!r} instead of {current!r}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low = -math.inf if limits.min is None else limits.min
        value = max(low, min(value, math.inf if limits.max is None else limits.max))
    return value
