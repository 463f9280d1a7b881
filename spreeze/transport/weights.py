"""Named tensors published by one process and fetched by many: versioned slots in shared memory."""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from spreeze.transport.memory import SharedMemory

SEQUENCE, NEEDED = 0, 1
"""Words of the header: the newest complete publication (0: none), the oldest one that a reader may still ask for."""
BEGUN, ENDED, INCARNATION, UPDATE, ENV_STEPS, DIGEST = range(6)
"""Words of a slot."""
HEADER, SLOT_HEADER = 64, 64


class Version(NamedTuple):
    """Which weights: the incarnation of the learner and its update, with the environment steps of that moment."""

    incarnation: int
    update: int
    env_steps: int


class WeightLayout(NamedTuple):
    """Name, dtype and shape of every tensor, in order."""

    entries: tuple[tuple[str, str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, tensors: Mapping[str, Any]) -> "WeightLayout":
        """The layout of tensors or arrays by name."""
        return cls(tuple((name, str(t.dtype).removeprefix("torch."), tuple(t.shape)) for name, t in tensors.items()))

    def offsets(self) -> tuple[list[int], int]:
        """Byte offset of each tensor, aligned to 64, and the bytes of all."""
        offsets, at = [], 0
        for _, dtype, shape in self.entries:
            offsets.append(at)
            at += -(-int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize // 64) * 64
        return offsets, at


class WeightChannel:
    """`slots` publications in shared memory, written in turn.

    1. A publication carries an increasing sequence number, a version and a digest.
    2. Readers copy, then check that the slot was not begun anew meanwhile, and the digest: none is ever torn.
    3. A writer killed in between leaves the older publications; a successor goes on with the next number.
    4. With `NEEDED`, a reader that wants particular versions holds the writer back (`has_room`).
    """

    def __init__(self, memory: SharedMemory, layout: WeightLayout, slots: int = 2) -> None:
        self.memory, self.layout, self.slots = memory, layout, slots
        offsets, size = layout.offsets()
        self._header = memory.array(np.int64, (8,))
        self._slots, self._views, self._payloads = [], [], []
        for index in range(slots):
            at = HEADER + index * (SLOT_HEADER + size)
            self._slots.append(memory.array(np.int64, (8,), at))
            self._payloads.append(memory.array(np.uint8, (size,), at + SLOT_HEADER))
            self._views.append(self._view(layout, offsets, at + SLOT_HEADER))

    def _view(self, layout: WeightLayout, offsets: list[int], at: int) -> dict[str, np.ndarray]:
        entries = zip(layout.entries, offsets, strict=True)
        return {name: self.memory.array(dtype, shape, at + offset) for (name, dtype, shape), offset in entries}

    @classmethod
    def create(cls, name: str, layout: WeightLayout, slots: int = 2) -> "WeightChannel":
        """Allocate a channel for `layout`."""
        _, size = layout.offsets()
        return cls(SharedMemory.create(name, HEADER + slots * (SLOT_HEADER + size)), layout, slots)

    @property
    def sequence(self) -> int:
        """The number of the newest complete publication; 0 before the first."""
        return int(self._header[SEQUENCE])

    def reset(self) -> None:
        """Forget all publications; only while no process uses the channel."""
        self._header[:] = 0
        for slot in self._slots:
            slot[:] = 0

    def has_room(self) -> bool:
        """Whether the next publication overwrites nothing that a reader may still ask for."""
        return self.sequence + 1 - self.slots < int(self._header[NEEDED])

    def need_from(self, sequence: int) -> None:
        """Declare, as the only reader, that older publications will not be asked for again."""
        self._header[NEEDED] = sequence

    def publish(self, tensors: Mapping[str, np.ndarray], version: Version) -> None:
        """Copy `tensors`, which must have the channel's layout, into the next slot."""
        sequence = self.sequence + 1
        slot, views = self._slots[sequence % self.slots], self._views[sequence % self.slots]
        slot[BEGUN] = sequence
        for name, view in views.items():
            np.copyto(view, tensors[name], casting="no")
        slot[INCARNATION], slot[UPDATE], slot[ENV_STEPS] = version
        slot[DIGEST] = zlib.crc32(self._payloads[sequence % self.slots].data)
        slot[ENDED] = sequence
        self._header[SEQUENCE] = sequence

    def fetch(self, sequence: int | None = None) -> tuple[dict[str, np.ndarray], Version] | None:
        """Return a private copy of publication `sequence` (the newest by default), or None if it is not there."""
        wanted = sequence or self.sequence
        slot = self._slots[wanted % self.slots]
        if wanted == 0 or int(slot[ENDED]) != wanted or int(slot[BEGUN]) != wanted:
            return None
        payload = self._payloads[wanted % self.slots].copy()
        version, digest = Version(*(int(word) for word in slot[INCARNATION:DIGEST])), int(slot[DIGEST])
        if int(slot[BEGUN]) != wanted or zlib.crc32(payload.data) != digest:
            return None
        offsets, _ = self.layout.offsets()
        entries = zip(self.layout.entries, offsets, strict=True)
        arrays = {
            name: np.frombuffer(payload, dtype, int(np.prod(shape, dtype=np.int64)), at).reshape(shape)
            for (name, dtype, shape), at in entries
        }
        return arrays, version
