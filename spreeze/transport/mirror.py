"""Stores on the learner's device: rings of transitions that follow what samplers commit to the host's stores."""

import numpy as np
import torch
from torch import Tensor

from spreeze.transport.layout import COMMIT, RESERVE, StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader, Window

CHUNK = 1 << 14
"""Transitions that are moved at once, if a step has no more of them."""
BITS = 2**63 - 1
"""Random numbers are drawn from [0, BITS): of a billion rows, none is likelier than another by more than 1e-9."""
NEXT = "next_observation"


class DeviceStore:
    """A ring of transitions, one tensor (slots, ...) for each field and one for `next_observation`.

    1. Transitions are numbered as they come; number n lies in slot n mod `slots`, its successor beside it. There are
       no lanes and no rows without a transition, so that whatever is drawn is good.
    2. `first`, a slot, and `size` are int64 scalars on the device: a draw that was captured in a CUDA graph follows
       them. They move after the rows that they admit have been copied, never before.
    3. At most `capacity` transitions may be drawn. The other slots, one chunk, are spare: new rows are copied there
       while older ones are drawn.
    """

    def __init__(self, layout: StoreLayout, device: torch.device) -> None:
        self.device, self.capacity = device, layout.lanes * layout.steps * layout.streams
        self.slots = self.capacity + chunk_of(layout)
        self.columns = {name: new(device) for name, new in columns_of(layout, self.slots).items()}
        self.first, self.size = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`count` transitions drawn uniformly, a pure function of the generator's state and of what may be drawn.

        All of it is done on the device; where nothing may be drawn, what comes is undefined.
        """
        bits = torch.randint(BITS, (count,), generator=generator, device=self.device)
        slots = (bits % self.size + self.first) % self.slots
        return {name: column.index_select(0, slots) for name, column in self.columns.items()}

    def admit(self, begin: int, end: int) -> None:
        """Let transitions number `begin` to `end` - 1 be drawn, and no others."""
        self.first.fill_(begin % self.slots)
        self.size.fill_(end - begin)


class NewColumn:
    """Makes the tensor (rows, ...) of one field."""

    def __init__(self, rows: int, dtype: np.dtype) -> None:
        self._shape = (rows, *dtype.shape)
        self._dtype = torch.from_numpy(np.empty(0, dtype.base)).dtype
        self.nbytes = rows * dtype.itemsize

    def __call__(self, device: torch.device, pinned: bool = False) -> Tensor:
        """Make it, uninitialised."""
        return torch.empty(self._shape, dtype=self._dtype, device=device, pin_memory=pinned)


def columns_of(layout: StoreLayout, rows: int) -> dict[str, NewColumn]:
    """The columns of `rows` transitions."""
    fields = {name: layout.row[name] for name in layout.row.names or () if name != "valid"}
    return {name: NewColumn(rows, dtype) for name, dtype in (fields | {NEXT: fields["observation"]}).items()}


def chunk_of(layout: StoreLayout) -> int:
    """Transitions of one chunk: at least those of one step."""
    return max(CHUNK, layout.streams)


def device_bytes(layout: StoreLayout) -> int:
    """What a `DeviceStore` takes."""
    rows = layout.lanes * layout.steps * layout.streams + chunk_of(layout)
    return sum(column.nbytes for column in columns_of(layout, rows).values())


class Staging:
    """One chunk on the host, page-locked where the device is a GPU, which copies from it by itself."""

    def __init__(self, layout: StoreLayout, device: torch.device) -> None:
        new, cpu = columns_of(layout, chunk_of(layout)), torch.device("cpu")
        self.tensors = {name: column(cpu, pinned=device.type == "cuda") for name, column in new.items()}
        self.arrays = {name: tensor.numpy() for name, tensor in self.tensors.items()}
        self.copied: torch.cuda.Event | None = None

    def wait(self) -> None:
        """Wait until what was in it has been copied."""
        if self.copied is not None:
            self.copied.synchronize()


class Copier:
    """Copies chunks into a ring beside what the device computes, on a stream of its own; on a CPU, at once.

    The copies wait for what was queued before the last `admit`: computations queued later draw only what that has
    admitted, and chunks go elsewhere.
    """

    def __init__(self, store: DeviceStore) -> None:
        self._store = store
        cuda = store.device.type == "cuda"
        self._stream = torch.cuda.Stream(store.device) if cuda else None
        self._admitted = torch.cuda.Event() if cuda else None

    def copy(self, staging: Staging, count: int, number: int) -> None:
        """Queue the copy of `count` transitions, of which the first gets `number`."""
        if self._stream is None or self._admitted is None:
            self._queue(staging, count, number % self._store.slots)
            return
        self._stream.wait_event(self._admitted)
        with torch.cuda.stream(self._stream):
            self._queue(staging, count, number % self._store.slots)
            staging.copied = self._stream.record_event(torch.cuda.Event(blocking=True))
        torch.cuda.current_stream(self._store.device).wait_event(staging.copied)

    def admit(self, begin: int, end: int) -> None:
        """Queue `DeviceStore.admit` behind the copies."""
        self._store.admit(begin, end)
        if self._admitted is not None:
            self._admitted.record(torch.cuda.current_stream(self._store.device))

    def _queue(self, staging: Staging, count: int, slot: int) -> None:
        head = min(count, self._store.slots - slot)
        for name, column in self._store.columns.items():
            column[slot : slot + head].copy_(staging.tensors[name][:head], non_blocking=True)
            if count > head:
                column[: count - head].copy_(staging.tensors[name][head:count], non_blocking=True)


class Mirror:
    """Moves what is committed in the lanes of a host store into a `DeviceStore`, every transition once.

    1. `sync` moves everything committed when it was called, in chunks. Where a writer has gone all the way round
       meanwhile, what it has overwritten is lost to the host's readers too.
    2. A row is believed only if RESERVE, read again after the copy, has not reached its slot, as by `StoreReader`.
    3. What may be drawn is what the host's window holds. With one lane that is exact, and in the same order, so that
       a mirror made anew draws like the old one. Of several lanes the oldest rows are kept until they are overwritten
       in all lanes, or until the ring is full.
    """

    def __init__(self, memory: StoreMemory, device: torch.device) -> None:
        layout = memory.layout
        self.store = DeviceStore(layout, device)
        self.size = 0
        """Transitions that may be drawn."""
        self._layout, self._words, self._reader = layout, memory.words, StoreReader(memory)
        self._rows = memory.rows.view(np.uint8).reshape(layout.lanes, layout.steps, -1)
        self._copier, self._staging = Copier(self.store), [Staging(layout, device) for _ in range(2)]
        self._filled, self._number = 0, 0
        self._reached = np.zeros(layout.lanes, np.int64)
        self._numbers = np.zeros((layout.lanes, layout.steps), np.int64)
        """Of each step of a lane, the number of its first transition."""

    def sync(self) -> int:
        """Move what is new; return how many transitions may be drawn."""
        if (self._words[:, COMMIT] == self._reached).all():
            return self.size
        window = self._reader.window()
        for lane in range(self._layout.lanes):
            self._sync_lane(lane, window)
        self._flush(window)
        return self.size

    def _sync_lane(self, lane: int, window: Window) -> None:
        self._reached[lane] = max(self._reached[lane], window.low[lane])
        while self._reached[lane] < window.high[lane]:
            begin = int(self._reached[lane])
            steps = (chunk_of(self._layout) - self._filled) // self._layout.streams
            if steps == 0:
                self._flush(window)
                continue
            self._reached[lane] = min(begin + steps, int(window.high[lane]))
            self._stage(lane, begin, int(self._reached[lane]))

    def _stage(self, lane: int, begin: int, end: int) -> None:
        """Put the transitions of steps [begin, end) of a lane behind those that are staged."""
        if self._filled == 0:
            self._staging[0].wait()
        rows = self._private(lane, begin, end + 1)
        torn = int(self._words[lane, RESERVE]) - self._layout.steps - begin
        good = rows["valid"][:-1] == 1
        good[: max(torn, 0)] = False
        counts = good.sum(1)
        before = self._number + self._filled + np.cumsum(counts) - counts
        self._numbers[lane, np.arange(begin, end) % self._layout.steps] = before
        self._put(rows, good.reshape(-1), int(counts.sum()))

    def _private(self, lane: int, begin: int, end: int) -> np.ndarray:
        """A copy of the rows (T, N) of steps [begin, end)."""
        slots = np.arange(begin, end) % self._layout.steps
        return np.take(self._rows[lane], slots, axis=0, mode="clip").view(self._layout.row)

    def _put(self, rows: np.ndarray, good: np.ndarray, count: int) -> None:
        place = slice(self._filled, self._filled + count)
        for name, array in self._staging[0].arrays.items():
            column = rows["observation"][1:] if name == NEXT else rows[name][:-1]
            column = column.reshape(-1, *array.shape[1:])
            array[place] = column if count == len(column) else column[good]
        self._filled += count

    def _flush(self, window: Window) -> None:
        """Queue the copy of what is staged, and let it be drawn."""
        if self._filled:
            self._copier.copy(self._staging[0], self._filled, self._number)
            self._staging.reverse()
            self._number, self._filled = self._number + self._filled, 0
        begin = self._oldest(window)
        self.size = self._number - begin
        self._copier.admit(begin, self._number)

    def _oldest(self, window: Window) -> int:
        """The number of the oldest transition that may be drawn."""
        lanes = np.flatnonzero(window.low < self._reached)
        numbers = self._numbers[lanes, window.low[lanes] % self._layout.steps]
        oldest = int(numbers.min()) if len(numbers) else self._number
        return max(oldest, self._number - self.store.capacity)
