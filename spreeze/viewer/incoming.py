"""What pages may send: a value for a control, a command, where their camera is. All else is dropped before it acts."""

from __future__ import annotations

import math
from typing import Any

import viser
from viser import _messages

MOST_BYTES = 1 << 16
"""Of a message from a page."""
TAKEN = (_messages.GuiUpdateMessage, _messages.CommandTriggerMessage, _messages.ViewerCameraMessage)


class Incoming:
    """Takes the place of viser's class of messages, which has pages set any attribute of a control to anything."""

    def __init__(self, gui: viser.GuiApi) -> None:
        self._controls = gui._gui_input_handle_from_uuid

    def deserialize(self, data: bytes) -> _messages.Message | None:
        """The message, if a page of this viewer may send it; else None, which nobody handles."""
        try:
            message = _messages.Message.deserialize(data)
            if not isinstance(message, TAKEN):
                return None
            if isinstance(message, _messages.GuiUpdateMessage):
                if message.updates.keys() != {"value"}:
                    return None
                handle: Any = self._controls[message.uuid]
                message.updates = {"value": admitted(handle._impl.value, handle._impl.props, message.updates["value"])}
            return message
        except Exception:  # whatever malformed bytes raise
            return None


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
