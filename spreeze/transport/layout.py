"""Where in its shared memory a store keeps rows, heads and cursors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spreeze.contract import Field, Store
from spreeze.transport.memory import SharedMemory

RESERVE, COMMIT, CONSUMED = 0, 1, 2
"""Words of a lane, in steps: slots before RESERVE may be written, steps before COMMIT are complete."""
WORDS = 8
"""One cache line per lane, so that writers do not disturb each other."""


def row_dtype(fields: Mapping[str, Field]) -> np.dtype:
    """The packed row: the observation first, every field aligned, and the framework's `valid` byte last."""
    names = sorted(fields, key=lambda name: name != "observation")
    columns = [(name, fields[name].dtype, fields[name].shape) for name in names]
    return np.dtype([*columns, ("valid", "u1")], align=True)


@dataclass(frozen=True)
class StoreLayout:
    """Sizes of one store's memory: `lanes` rings of `steps` x `streams` rows, and of `segments` x `streams` heads."""

    kind: str
    row: np.dtype
    head: np.dtype | None
    lanes: int
    steps: int
    streams: int
    segment: int

    @classmethod
    def of(cls, store: Store, lanes: int, streams: int) -> "StoreLayout":
        """Divide the capacity of `store` evenly among lanes and streams."""
        streams = store.streams or streams
        stride = store.segment + 1
        if store.kind == "queue":
            steps = store.capacity * stride
        else:
            steps = -(-store.capacity // (lanes * streams))
            steps = max(-(-steps // stride), 1) * stride if store.segment else steps + 2
        columns = [(name, field.dtype, field.shape) for name, field in store.head.items()]
        head = np.dtype(columns, align=True) if columns else None
        return cls(store.kind, row_dtype(store.fields), head, lanes, steps, streams, store.segment)

    @property
    def extent(self) -> dict[str, int]:
        """What follows from the sizes of a run rather than from what is declared."""
        return {"lanes": self.lanes, "steps": self.steps, "streams": self.streams}

    @property
    def segments(self) -> int:
        """Segments that one lane holds; 0 for a store without segments."""
        return self.steps // (self.segment + 1) if self.segment else 0

    @property
    def row_bytes(self) -> int:
        """Bytes of all rows."""
        return self.lanes * self.steps * self.streams * self.row.itemsize

    @property
    def head_bytes(self) -> int:
        """Bytes of all heads."""
        return self.lanes * self.segments * self.streams * (self.head.itemsize if self.head else 0)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole store."""
        return self.lanes * WORDS * 8 + self.row_bytes + self.head_bytes + 64


class StoreMemory:
    """The views of one store's memory: `words` (lanes, 8), `rows` and `heads` (lanes, steps or segments, streams)."""

    def __init__(self, layout: StoreLayout, memory: SharedMemory) -> None:
        self.layout, self.memory = layout, memory
        shape = (layout.lanes, layout.steps, layout.streams)
        begin = layout.lanes * WORDS * 8
        self.words = memory.array(np.int64, (layout.lanes, WORDS))
        self.rows = memory.array(layout.row, shape, begin)
        self.heads: np.ndarray | None = None
        if layout.head is not None:
            heads_at = begin + layout.row_bytes + (-layout.row_bytes) % 64
            self.heads = memory.array(layout.head, (layout.lanes, layout.segments, layout.streams), heads_at)

    @classmethod
    def create(cls, name: str, layout: StoreLayout) -> "StoreMemory":
        """Allocate zeroed memory for `layout`."""
        return cls(layout, SharedMemory.create(name, layout.nbytes))
