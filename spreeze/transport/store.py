"""The reading side of a store: batches drawn from lanes while these are being written."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spreeze.contract import Draw
from spreeze.transport.layout import COMMIT, CONSUMED, RESERVE, StoreMemory

Arrays = dict[str, np.ndarray]
MAX_ROUNDS = 200
"""Redraws before a store is declared to hold nothing that can be drawn."""


@dataclass(frozen=True)
class Window:
    """Per lane, the steps [low, high) that may be drawn. Two readers with one window and one generator draw alike."""

    low: np.ndarray
    high: np.ndarray


def generator(seed: int, update: int, stream: int = 0) -> np.random.Generator:
    """A counter-based generator that is a pure function of its arguments."""
    return np.random.Generator(np.random.Philox(key=seed & (2**63 - 1), counter=[0, stream, update, 0]))


class StoreReader:
    """Draws from all lanes of one store.

    A row is believed only if the writer's RESERVE, read again after the copy, has not reached its slot; otherwise
    another row is drawn in its place. Rows without a transition (`valid` 0) are redrawn as well.
    """

    def __init__(self, memory: StoreMemory) -> None:
        self.layout = memory.layout
        self._words = memory.words
        self._rows = memory.rows.reshape(-1)
        self._heads = memory.heads
        row = self.layout.row
        self._bytes, self._opaque = self._rows.view(np.uint8).reshape(len(self._rows), -1), opaque(row)
        self._valid_at = offset(row, "valid")
        self._fields = {name: row[name] for name in self._opaque.names or ()} | {"next_observation": row["observation"]}

    def window(self) -> Window:
        """What may be drawn now. Of a full ring, the oldest 1/64 is spared: it is about to be overwritten."""
        high = self._words[:, COMMIT].copy()
        reserve, steps = self._words[:, RESERVE].copy(), self.layout.steps
        full = reserve > steps
        low = np.where(full, reserve - steps + max(steps // 64, 1), 0)
        return Window(np.minimum(low, high), high)

    def size(self) -> int:
        """Rows that may be drawn now, those without a transition included."""
        window = self.window()
        return int((window.high - window.low).sum()) * self.layout.streams

    def draw(self, draw: Draw, random: np.random.Generator, window: Window | None = None) -> Arrays:
        """Return the arrays that `draw` asks for; see `Draw` for their shapes.

        Raises:
            LookupError: the store holds nothing that can be drawn.
        """
        window = window or self.window()
        if draw.rows:
            return self.transitions(draw.rows, random, window)
        return self.segments(draw, random, window)

    def transitions(self, count: int, random: np.random.Generator, window: Window) -> Arrays:
        """Return `count` transitions drawn uniformly, with their `next_observation`."""
        rows, following, good = self._gather(count, random, window)
        for _ in range(MAX_ROUNDS):
            pending = np.flatnonzero(~good)
            if len(pending) == 0:
                return self._parted(rows, following)
            rows[pending], following[pending], good[pending] = self._gather(len(pending), random, window)
        raise LookupError(f"{count} transitions asked of a store that holds {self.size()} rows, almost none valid")

    def _gather(
        self, count: int, random: np.random.Generator, window: Window
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`count` random rows and those that follow them, as bytes, and which are transitions."""
        lane, index = self._pick(count, random, window)
        ring, streams = self.layout.steps * self.layout.streams, self.layout.streams
        place = index + (window.low % self.layout.steps * streams)[lane]
        place -= ring * (place >= ring)
        after = place + streams
        after -= ring * (after >= ring)
        rows = np.take(self._bytes, place + lane * ring, axis=0, mode="clip")
        following = np.take(self._bytes, after + lane * ring, axis=0, mode="clip")
        good = rows[:, self._valid_at] == 1
        overwritten = self._overwritten(window)
        if overwritten.any():
            good &= index >= overwritten[lane]
        return rows, following, good

    def segments(self, draw: Draw, random: np.random.Generator, window: Window) -> Arrays:
        """Return `draw.segments` whole segments, spread over `draw.keys` values of the head field `draw.key`."""
        for _ in range(MAX_ROUNDS):
            lane, segment, stream = self._pick_segments(draw, random, window)
            result = self._take_segments(lane, segment, stream)
            if self._intact(lane, segment * (self.layout.segment + 1)).all():
                return result
        raise LookupError(f"segments of a store of {self.layout.steps} steps are overwritten while they are read")

    def waiting(self) -> np.ndarray:
        """Segments of each lane that have not been taken from the queue."""
        steps: np.ndarray = self._words[:, COMMIT] - self._words[:, CONSUMED]
        return steps // (self.layout.segment + 1)

    def take(self) -> Arrays | None:
        """Take the oldest segment of every lane of a queue, or return None while a lane has none."""
        if self.waiting().min() < 1:
            return None
        lanes, streams = self.layout.lanes, self.layout.streams
        lane, stream = np.repeat(np.arange(lanes), streams), np.tile(np.arange(streams), lanes)
        segment = self._words[lane, CONSUMED] // (self.layout.segment + 1)
        result = self._take_segments(lane, segment, stream)
        self._words[:, CONSUMED] += self.layout.segment + 1
        return result

    def drop_queued(self) -> None:
        """Forget every queued segment: its weights' learner is gone."""
        self._words[:, CONSUMED] = self._words[:, COMMIT]

    def _pick(self, count: int, random: np.random.Generator, window: Window) -> tuple[np.ndarray | int, np.ndarray]:
        """Lanes and, counted from the first row of the lane's window, rows."""
        ends = np.cumsum(window.high - window.low) * self.layout.streams
        if ends[-1] <= 0:
            raise LookupError("nothing has been stored yet")
        index = random.integers(0, ends[-1], count)
        if len(ends) == 1:
            return 0, index
        lane = np.searchsorted(ends, index, side="right")
        return lane, index - (ends - (window.high - window.low) * self.layout.streams)[lane]

    def _overwritten(self, window: Window) -> np.ndarray:
        """Of each lane, the rows at the beginning of the window that writers have reserved since."""
        rows: np.ndarray = (self._words[:, RESERVE] - self.layout.steps - window.low) * self.layout.streams
        return rows.clip(min=0)

    def _parted(self, rows: np.ndarray, following: np.ndarray) -> Arrays:
        """The fields of rows and the observations of those that follow them, all given as bytes."""
        whole, after = rows.reshape(-1).view(self._opaque), following.reshape(-1).view(self._opaque)
        columns = {name: whole[name] for name in self._opaque.names or ()} | {"next_observation": after["observation"]}
        return {name: shaped(column, self._fields[name]) for name, column in columns.items()}

    def _pick_segments(self, draw: Draw, random: np.random.Generator, window: Window) -> tuple[np.ndarray, ...]:
        stride = self.layout.segment + 1
        low, high = -(-window.low // stride), window.high // stride
        ids = [(lane, s) for lane in range(self.layout.lanes) for s in range(low[lane], high[lane])]
        if not ids:
            raise LookupError("no whole segment has been stored yet")
        lanes, segments = np.repeat(np.array(ids), self.layout.streams, axis=0).T
        streams = np.tile(np.arange(self.layout.streams), len(ids))
        chosen = self._choose(draw, lanes, segments, streams, random)
        return lanes[chosen], segments[chosen], streams[chosen]

    def _choose(
        self, draw: Draw, lanes: np.ndarray, segments: np.ndarray, streams: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        if draw.key is None:
            return random.integers(0, len(lanes), draw.segments)
        assert self._heads is not None, "a key needs a head"
        values = self._heads[draw.key][lanes, segments % self.layout.segments, streams]
        present = np.unique(values)
        keys = random.choice(present, draw.keys, replace=len(present) < draw.keys)
        each = draw.segments // draw.keys
        return np.concatenate([random.choice(np.flatnonzero(values == key), each) for key in keys])

    def _take_segments(self, lane: np.ndarray, segment: np.ndarray, stream: np.ndarray) -> Arrays:
        length = self.layout.segment
        steps = segment * (length + 1) + np.arange(length + 1)[:, None]  # (L + 1, B)
        rows = self._take(lane, steps, stream)
        result = self._columns(rows[:length]) | {"next_observation": np.ascontiguousarray(rows["observation"][1:])}
        result["valid"] = np.ascontiguousarray(rows["valid"][:length])
        if self._heads is not None:
            heads = self._heads[lane, segment % self.layout.segments, stream]
            result |= {name: np.ascontiguousarray(heads[name]) for name in heads.dtype.names or ()}
        return result

    def _take(self, lane: np.ndarray, step: np.ndarray, stream: np.ndarray) -> np.ndarray:
        layout = self.layout
        address = (lane * layout.steps + step % layout.steps) * layout.streams + stream
        rows: np.ndarray = np.take(self._rows, address, mode="clip")
        return rows

    def _intact(self, lane: np.ndarray, step: np.ndarray) -> np.ndarray:
        intact: np.ndarray = step >= (self._words[:, RESERVE] - self.layout.steps)[lane]
        return intact

    @staticmethod
    def _columns(rows: np.ndarray) -> Arrays:
        names = [name for name in rows.dtype.names or () if name != "valid"]
        return {name: np.ascontiguousarray(rows[name]) for name in names}


def opaque(row: np.dtype) -> np.dtype:
    """`row` with every field but `valid` as bytes without a structure, which are copied faster than short arrays."""
    names = [name for name in row.names or () if name != "valid"]
    formats, offsets = [f"V{row[name].itemsize}" for name in names], [offset(row, name) for name in names]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": row.itemsize})


def offset(row: np.dtype, name: str) -> int:
    """Where in a row the field lies, in bytes."""
    assert row.fields is not None, "a row has fields"
    return row.fields[name][1]


def shaped(column: np.ndarray, field: np.dtype) -> np.ndarray:
    """A private copy of a column of bytes, as the values (B, ...) of a field."""
    values: np.ndarray = np.ascontiguousarray(column).view(field.base)
    return values.reshape(-1, *field.shape)


Readers = Mapping[str, StoreReader]
