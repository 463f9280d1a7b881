"""The writing side of a store: one lane, one writer, no locks."""

import numpy as np

from spreeze.contract import Block
from spreeze.transport.layout import COMMIT, CONSUMED, RESERVE, StoreMemory


class LaneWriter:
    """Appends blocks to one lane, a ring of time-major rows.

    1. The observation after the last committed step is already written, as the row that stays open: with it every
       committed step has its successor, and `next_observation` needs no memory of its own.
    2. A stream that breaks off (end of an episode, restart of a sampler) leaves a row with `valid` 0 that holds
       only the final observation.
    3. RESERVE moves before data are written and COMMIT after, so that a reader can tell what it may believe. A
       writer killed in between leaves rows that nobody has seen; its successor goes on from COMMIT.
    4. A segment is committed whole, its closing row included.

    The order of plain stores that this relies on is that of x86-64; elsewhere runs are serial.
    """

    def __init__(self, memory: StoreMemory, lane: int) -> None:
        self.layout = memory.layout
        self._words = memory.words[lane]
        self._rows = memory.rows[lane]
        self._heads = memory.heads[lane] if memory.heads is not None else None

    @property
    def committed(self) -> int:
        """Steps committed since the store was made."""
        return int(self._words[COMMIT])

    def has_room(self) -> bool:
        """Whether a queue can take one more segment; other stores always can."""
        if self.layout.kind != "queue":
            return True
        return self.committed - int(self._words[CONSUMED]) + self.layout.segment + 1 <= self.layout.steps

    def write(self, block: Block) -> None:
        """Append `block`, whose streams must be the lane's.

        Raises:
            ValueError: the block has another number of streams, or is no whole segment.
        """
        self._check(block)
        begin, steps = self.committed, len(block.valid)
        closing = self.layout.segment > 0
        if not block.continues and begin > 0 and not closing:
            begin = self._close_open_row(begin)
        end = begin + steps
        self._reserve(end + 1)
        self._put_rows(block, begin)
        self._rows["observation"][end % self.layout.steps] = block.next_observation
        if closing:
            self._rows["valid"][end % self.layout.steps] = 0
            self._put_heads(block, begin // (steps + 1))
        self._words[COMMIT] = end + closing

    def _check(self, block: Block) -> None:
        steps, streams = block.valid.shape
        if streams != self.layout.streams:
            raise ValueError(f"block of {streams} streams for a lane of {self.layout.streams}")
        if self.layout.segment and steps != self.layout.segment:
            raise ValueError(f"block of {steps} steps for segments of {self.layout.segment}")
        if steps >= self.layout.steps:
            raise ValueError(f"block of {steps} steps for a lane of {self.layout.steps}: raise the store's capacity")

    def _close_open_row(self, step: int) -> int:
        self._reserve(step + 1)
        self._rows["valid"][step % self.layout.steps] = 0
        self._words[COMMIT] = step + 1
        return step + 1

    def _reserve(self, end: int) -> None:
        # A writer that was killed may have reserved more, and overwritten it.
        self._words[RESERVE] = max(int(self._words[RESERVE]), end)

    def _put_rows(self, block: Block, begin: int) -> None:
        steps = len(block.valid)
        first = begin % self.layout.steps
        head = min(steps, self.layout.steps - first)
        for name in self._rows.dtype.names or ():
            values = block.valid if name == "valid" else block.fields[name]
            column = self._rows[name]
            column[first : first + head] = values[:head]
            column[: steps - head] = values[head:]

    def _put_heads(self, block: Block, segment: int) -> None:
        if self._heads is not None:
            slot = segment % self.layout.segments
            for name in self._heads.dtype.names or ():
                self._heads[name][slot] = block.head[name]


def fill(memory: StoreMemory, episodes: "list[dict[str, np.ndarray]]") -> None:
    """Write whole episodes, each {field: (T, ...)} with T + 1 observations, into the only stream of lane 0."""
    writer = LaneWriter(memory, 0)
    for episode in episodes:
        steps = len(episode["observation"]) - 1
        fields = {name: values[:steps, None] for name, values in episode.items()}
        last = episode["observation"][steps][None]
        writer.write(Block("", fields, np.ones((steps, 1), np.uint8), last, continues=False))
