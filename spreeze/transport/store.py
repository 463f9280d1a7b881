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
        rows, successors = np.empty(count, self.layout.row), np.empty(count, self.layout.row)
        pending = np.arange(count)
        for _ in range(MAX_ROUNDS):
            lane, step, stream = self._pick(len(pending), random, window)
            found, after = self._take(lane, step, stream), self._take(lane, step + 1, stream)
            good = (found["valid"] == 1) & self._intact(lane, step)
            rows[pending[good]], successors[pending[good]] = found[good], after[good]
            pending = pending[~good]
            if len(pending) == 0:
                return self._columns(rows) | {"next_observation": np.ascontiguousarray(successors["observation"])}
        raise LookupError(f"{count} transitions asked of a store that holds {self.size()} rows, almost none valid")

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

    def _pick(self, count: int, random: np.random.Generator, window: Window) -> tuple[np.ndarray, ...]:
        edges = np.cumsum(window.high - window.low)
        if edges[-1] <= 0:
            raise LookupError("nothing has been stored yet")
        index = random.integers(0, edges[-1] * self.layout.streams, count)
        step, stream = np.divmod(index, self.layout.streams)
        lane = np.searchsorted(edges, step, side="right")
        return lane, step - (edges - window.high)[lane], stream

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


Readers = Mapping[str, StoreReader]
