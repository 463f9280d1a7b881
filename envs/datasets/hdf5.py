"""HDF5 files that others made, read without following anything that leads out of them.

Refused before a byte of data is read: links other than hard ones, virtual datasets, data kept in other files, filters
outside of `_EXPANSION`, sizes that the file cannot hold, types that are no numbers. Attributes are never read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from spreeze.errors import DatasetError

MAX_BYTES = 16 << 30
"""Most that one file may hold, uncompressed."""
SMALL_BYTES = 64 << 20
"""What any file may hold, however small it is itself."""
MAX_RATIO = 100
"""Most that a whole file may grow by being uncompressed; logged floats grow by 1 to 4."""
MAX_CHUNK = 4 << 30
"""Most that a chunk could grow to if it lied about its size; HDF5 itself uncompresses to the end."""

_EXPANSION = {h5py.h5z.FILTER_SHUFFLE: 1, h5py.h5z.FILTER_FLETCHER32: 1, 1: 1032, h5py.h5z.FILTER_LZF: 100}
"""Filters that are run, by number (1 is gzip), with the most that their output can exceed their input."""
_NUMBERS = {h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM}
_DATASET, _GROUP = h5py.h5o.TYPE_DATASET, h5py.h5o.TYPE_GROUP


class DataFile:
    """An HDF5 file, opened for reading and searched for what leads out of it."""

    def __init__(self, path: Path) -> None:
        """Open and search `path`.

        Raises:
            DatasetError: it is no whole HDF5 file, or leads out of itself.
        """
        self.path = path
        with damage(path):
            if not path.is_file():
                raise DatasetError(f"{path} is no file")
            self._size = path.stat().st_size
            self._left = min(MAX_BYTES, SMALL_BYTES + MAX_RATIO * self._size)
            self._file = h5py.File(path, "r")
        try:
            with damage(path):
                self._search()
        except DatasetError:
            self._file.close()
            raise

    def __enter__(self) -> DataFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def names(self) -> list[str]:
        """What stands at the top of the file."""
        return list(self._file)

    def __contains__(self, name: str) -> bool:
        return name in self._file

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the dataset `name`, checked as `array` does."""
        return self._checked(name)[1]

    def array(self, name: str) -> np.ndarray:
        """Read the dataset `name`, floats as float32; raises `DatasetError` where it cannot be trusted."""
        with damage(self.path, name):
            dataset, shape = self._checked(name)
            self._take(name, dataset, shape)
            values: np.ndarray = h5py.Dataset(dataset)[()]
        if values.dtype.kind == "f":
            with np.errstate(over="ignore"):
                values = values.astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise DatasetError(f"{self.path}: '{name}' holds NaN or infinity in row {row}")
        return values

    def _search(self) -> None:
        """Visit every object once, by its address, so that groups within themselves end."""
        seen, groups = set[int](), [(self._file.id, "")]
        while groups:
            group, above = groups.pop()
            for raw in group:
                name = f"{above}/{raw.decode(errors='replace')}"
                if group.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
                    raise DatasetError(f"{self.path}: '{name}' is a link; only data in the file itself are read")
                about = h5py.h5o.get_info(group, raw)
                if about.addr in seen:
                    continue
                seen.add(about.addr)
                if about.type == _GROUP:
                    groups.append((h5py.h5g.open(group, raw), name))
                elif about.type == _DATASET:
                    self._refuse_foreign(name, h5py.h5d.open(group, raw).get_create_plist())

    def _refuse_foreign(self, name: str, creation: h5py.h5p.PropDCID) -> None:
        if creation.get_layout() == h5py.h5d.VIRTUAL:
            raise DatasetError(f"{self.path}: '{name}' is a virtual dataset; only data in the file itself are read")
        if creation.get_external_count():
            raise DatasetError(f"{self.path}: '{name}' is kept in other files; only data in the file itself are read")

    def _checked(self, name: str) -> tuple[h5py.h5d.DatasetID, tuple[int, ...]]:
        """A dataset whose type is a number, and its shape; nothing of it is read."""
        with damage(self.path, name):
            if name not in self._file:
                raise DatasetError(f"{self.path} holds no '{name}'; it holds {_some(self.names())}")
            found = h5py.h5o.open(self._file.id, name.encode())
            if not isinstance(found, h5py.h5d.DatasetID):
                raise DatasetError(f"{self.path}: '{name}' is no array")
            if found.get_type().get_class() not in _NUMBERS:
                raise DatasetError(f"{self.path}: '{name}' holds no numbers")
            if found.get_space().get_simple_extent_type() != h5py.h5s.SIMPLE:
                raise DatasetError(f"{self.path}: '{name}' is no array")
            return found, found.shape

    def _take(self, name: str, dataset: h5py.h5d.DatasetID, shape: tuple[int, ...]) -> None:
        """Allow a dataset to be read, or say what is wrong with its size."""
        item = dataset.get_type().get_size()
        declared = math.prod(shape) * item
        if dataset.get_create_plist().get_layout() == h5py.h5d.CHUNKED:
            declared = max(declared, self._checked_chunks(name, dataset, shape, item))
        elif dataset.get_storage_size() < declared:
            raise DatasetError(f"{self.path}: '{name}' declares {shape}, which were never written")
        if declared > self._left:
            limit = f"{MAX_RATIO} times its {self._size} bytes, {MAX_BYTES >> 30} GiB at most"
            raise DatasetError(f"{self.path}: '{name}' declares {shape}; read is no more than {limit}")
        self._left -= declared

    def _checked_chunks(self, name: str, dataset: h5py.h5d.DatasetID, shape: tuple[int, ...], item: int) -> int:
        """Bytes that the chunks hold in all, every one of which was written and grows no further than it declares."""
        creation = dataset.get_create_plist()
        chunk = creation.get_chunk()
        filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
        if len(set(filters)) < len(filters) or not set(filters) <= set(_EXPANSION):
            raise DatasetError(f"{self.path}: '{name}' needs HDF5 filters {filters}; read are gzip, lzf, shuffle")
        count = math.prod(math.ceil(rows / extent) for rows, extent in zip(shape, chunk, strict=True))
        if dataset.get_num_chunks() != count:
            raise DatasetError(f"{self.path}: '{name}' declares {shape}, some of which were never written")
        size = math.prod(chunk) * item
        stored = dataset.get_storage_size()
        if stored > 2 * size * count + 4096 * count or stored > self._size:
            raise DatasetError(f"{self.path}: '{name}' takes {stored} bytes for {count} chunks of {size}")
        self._refuse_bombs(name, dataset, size, math.prod(_EXPANSION[number] for number in filters))
        return int(size * count)

    def _refuse_bombs(self, name: str, dataset: h5py.h5d.DatasetID, size: int, ratio: int) -> None:
        """Refuse chunks that hold more than they declare, or could."""
        largest = 0

        def look(chunk: h5py.h5d.StoreInfo) -> None:
            nonlocal largest
            largest = max(largest, chunk.size)

        dataset.chunk_iter(look)
        if ratio > 1 and (largest > 2 * size + 4096 or largest * ratio > MAX_CHUNK):
            grows = f"a chunk of {largest} bytes that declares {size} and may grow to {largest * ratio}"
            raise DatasetError(f"{self.path}: '{name}' has {grows}; write it in chunks of 1 MB")


@contextmanager
def damage(path: Path, name: str = "") -> Iterator[None]:
    """Turn what HDF5 raises about a damaged file into a `DatasetError` that names it."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        part = f" at '{name}'" if name else ""
        raise DatasetError(f"{path} cannot be read{part}: it is no HDF5 file or damaged ({error})") from error


def require(holds: bool, complaint: str) -> None:
    """Raise `DatasetError` unless it holds."""
    if not holds:
        raise DatasetError(complaint)


def _some(names: list[str]) -> str:
    listed = ", ".join(sorted(names)[:12]) or "nothing"
    return f"{listed} and {len(names) - 12} more" if len(names) > 12 else listed
