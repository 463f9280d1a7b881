"""Rows that name themselves: every value of a row is a function of its step and stream, so that a mix-up shows."""

import numpy as np

from spreeze.contract import Block, Field, Store
from spreeze.transport.layout import StoreLayout

WIDTH = 24
"""Numbers in one observation: enough for a row to take several cache lines."""
FIELDS = {"observation": Field((WIDTH,), "int64"), "action": Field((3,), "int64"), "reward": Field((), "int64")}


def store(capacity: int, segment: int = 0, kind: str = "replay", head: dict[str, Field] | None = None) -> Store:
    """A store of self-naming rows."""
    return Store(kind, FIELDS, capacity, segment, head or {})  # type: ignore[arg-type]


def ring(steps: int, streams: int = 2, lanes: int = 1) -> StoreLayout:
    """A layout whose lanes have exactly `steps` rows for each stream."""
    return StoreLayout.of(store((steps - 2) * streams * lanes), lanes, streams)


def names(begin: int, steps: int, streams: int) -> np.ndarray:
    """The number (T, N) of every row from step `begin` on; it counts all rows of a lane."""
    return (begin + np.arange(steps))[:, None] * streams + np.arange(streams)


def block(begin: int, steps: int, streams: int, continues: bool = True, valid: np.ndarray | None = None) -> Block:
    """A block whose first row is step `begin` of its lane."""
    number = names(begin, steps, streams)
    fields = {
        "observation": np.repeat(number[..., None], WIDTH, axis=2),
        "action": np.repeat(number[..., None], 3, axis=2),
        "reward": number,
    }
    following = np.repeat(names(begin + steps, 1, streams)[0][:, None], WIDTH, axis=1)
    valid = np.ones((steps, streams), np.uint8) if valid is None else valid
    return Block("replay", fields, valid, following, continues)


def torn(rows: dict[str, np.ndarray], streams: int) -> int:
    """How many of these transitions are not the rows that were written."""
    number = rows["reward"]
    parts = (rows["observation"] == number[:, None], rows["action"] == number[:, None])
    following = rows["next_observation"] == number[:, None] + streams
    whole = np.concatenate([*parts, following], axis=1).all(axis=1)
    return int((~whole).sum())
