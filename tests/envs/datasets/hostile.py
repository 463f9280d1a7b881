"""Ways to make a file of D4RL hostile, and the kernel's eye on a file that none of them may lead to."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from spreeze.envs.datasets import open_dataset
from tests.envs.datasets.made_datasets import WIDTH, rows

OPENED_OR_READ = 0x20 | 0x01
"""IN_OPEN | IN_ACCESS of inotify."""

Change = Callable[[h5py.File, Path], None]


class Watched:
    """A file of one's own that must not be touched; the kernel says whether it was opened or read."""

    def __init__(self, path: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK)
        assert self._libc.inotify_add_watch(self._fd, os.fsencode(path), OPENED_OR_READ) >= 0

    def touched(self) -> bool:
        """Whether it was since the last question."""
        try:
            return bool(os.read(self._fd, 65536))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._fd)


def read_all(path: Path, environment: str = "Hopper-v4") -> None:
    found = open_dataset(str(path), environment)
    assert found is not None
    list(found.episodes())


def replaced(file: h5py.File, name: str = "observations") -> str:
    """Take a dataset out, to be put back in a hostile way."""
    del file[name]
    return name


def external_link(file: h5py.File, secret: Path) -> None:
    file[replaced(file)] = h5py.ExternalLink(str(secret), "observations")


def unused_external_link(file: h5py.File, secret: Path) -> None:
    file["infos/deep/down"] = h5py.ExternalLink(str(secret), "observations")


def soft_link(file: h5py.File, secret: Path) -> None:
    file[replaced(file)] = h5py.SoftLink("/next_observations")


def dangling_link(file: h5py.File, secret: Path) -> None:
    file["infos/gone"] = h5py.SoftLink("/nothing")


def virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((9, WIDTH), np.float32)
    layout[:] = h5py.VirtualSource(str(secret), "observations", (9, WIDTH))
    file.create_virtual_dataset(replaced(file), layout)


def unlimited_virtual(file: h5py.File, secret: Path) -> None:
    """One of which even the shape is asked of the other file."""
    layout = h5py.VirtualLayout((9, WIDTH), np.float32, maxshape=(None, WIDTH))
    source = h5py.VirtualSource(str(secret), "observations", (9, WIDTH), maxshape=(None, WIDTH))
    layout[: h5py.h5s.UNLIMITED, :] = source[: h5py.h5s.UNLIMITED, :]
    file.create_virtual_dataset(replaced(file), layout)


def external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset(replaced(file), (9, WIDTH), np.float32, external=[(str(secret), 0, 9 * WIDTH * 4)])


def variable_length(file: h5py.File, secret: Path) -> None:
    file.create_dataset(replaced(file), (9, WIDTH), h5py.vlen_dtype(np.float32))


def texts(file: h5py.File, secret: Path) -> None:
    file.create_dataset(replaced(file), data=[["a"] * WIDTH] * 9)


def references(file: h5py.File, secret: Path) -> None:
    file.create_dataset(replaced(file), (9, WIDTH), h5py.ref_dtype)


def compound(file: h5py.File, secret: Path) -> None:
    file.create_dataset(replaced(file), (9, WIDTH), [("x", "f4"), ("y", "f4")])


def never_written(file: h5py.File, secret: Path) -> None:
    file.create_dataset(replaced(file), (9, WIDTH), np.float32)


def never_written_chunks(file: h5py.File, secret: Path) -> None:
    file.create_dataset(replaced(file), (9, WIDTH), np.float32, chunks=(1, WIDTH))[0] = 1.0


def absurd_rows(file: h5py.File, secret: Path) -> None:
    for name, array in rows().items():
        del file[name]
        file.create_dataset(name, (1 << 40, *array.shape[1:]), array.dtype, chunks=(1024, *array.shape[1:]))


def absurd_chunk(file: h5py.File, secret: Path) -> None:
    data = file.create_dataset(
        replaced(file), (9, WIDTH), np.float32, maxshape=(None, WIDTH), chunks=(1 << 23, WIDTH), compression="gzip"
    )
    data.id.write_direct_chunk((0, 0), b"x" * 100)


def swollen_chunk(file: h5py.File, secret: Path) -> None:
    """A chunk of 9 rows whose compressed bytes are as many as 5 MB."""
    data = file.create_dataset(replaced(file), (9, WIDTH), np.float32, chunks=(9, WIDTH), compression="gzip")
    data.id.write_direct_chunk((0, 0), bytes(5 << 20))


def foreign_filter(file: h5py.File, secret: Path) -> None:
    """A filter that would be loaded from a folder of plug-ins."""
    file.create_dataset(replaced(file), data=rows()["observations"], scaleoffset=3)


def missing(file: h5py.File, secret: Path) -> None:
    replaced(file, "rewards")


def a_group(file: h5py.File, secret: Path) -> None:
    file.create_group(replaced(file))


def a_number(file: h5py.File, secret: Path) -> None:
    file[replaced(file, "rewards")] = 1.0


def wrong_rank(file: h5py.File, secret: Path) -> None:
    file[replaced(file)] = np.zeros((9, WIDTH, 1), np.float32)


def wrong_width(file: h5py.File, secret: Path) -> None:
    file[replaced(file)] = np.zeros((9, WIDTH + 1), np.float32)


def wrong_length(file: h5py.File, secret: Path) -> None:
    file[replaced(file, "actions")] = np.zeros((8, 3), np.float32)


def not_a_number(file: h5py.File, secret: Path) -> None:
    file["actions"][4, 1] = np.nan


def infinite(file: h5py.File, secret: Path) -> None:
    file["rewards"][2] = np.inf


def beyond_float32(file: h5py.File, secret: Path) -> None:
    file[replaced(file, "rewards")] = np.full(9, 1e300)


HOSTILE: list[tuple[Change, str]] = [
    (external_link, "'/observations' is a link"),
    (unused_external_link, "'/infos/deep/down' is a link"),
    (soft_link, "'/observations' is a link"),
    (dangling_link, "'/infos/gone' is a link"),
    (virtual, "'/observations' is a virtual dataset"),
    (unlimited_virtual, "'/observations' is a virtual dataset"),
    (external_storage, "'/observations' is kept in other files"),
    (variable_length, "'observations' holds no numbers"),
    (texts, "'observations' holds no numbers"),
    (references, "'observations' holds no numbers"),
    (compound, "'observations' holds no numbers"),
    (never_written, "never written"),
    (never_written_chunks, "never written"),
    (absurd_rows, "'observations' declares .1099511627776, 11."),
    (absurd_chunk, "'observations' declares"),
    (swollen_chunk, "'observations' takes 5242880 bytes"),
    (foreign_filter, "needs HDF5 filters"),
    (missing, "holds no 'rewards'; it holds actions"),
    (a_group, "'observations' is no array"),
    (a_number, "'rewards' is no array"),
    (wrong_rank, r"observations are \[11, 1\]"),
    (wrong_width, r"observations are \[12\]"),
    (wrong_length, r"'actions' is \(8, 3\), expected is \(9, 3\)"),
    (not_a_number, "'actions' holds NaN or infinity in row 4"),
    (infinite, "'rewards' holds NaN or infinity in row 2"),
    (beyond_float32, "'rewards' holds NaN or infinity in row 0"),
]
