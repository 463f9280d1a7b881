"""Files that lead elsewhere, lie about themselves or are damaged are refused before anything of them is used."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spreeze.envs.datasets import hdf5
from spreeze.envs.datasets.hdf5 import DataFile
from spreeze.errors import DatasetError
from tests.envs.datasets.hostile import (
    HOSTILE,
    Change,
    Watched,
    external_link,
    external_storage,
    read_all,
    unlimited_virtual,
    virtual,
)
from tests.envs.datasets.made_datasets import WIDTH, d4rl_at

FILE = "hopper_medium-v2.hdf5"


@pytest.mark.parametrize(("change", "complaint"), HOSTILE, ids=[change.__name__ for change, _ in HOSTILE])
def test_a_hostile_file_is_refused_and_no_other_file_is_touched(
    tmp_path: Path, secret: Path, watched: Watched, change: Change, complaint: str
) -> None:
    path = d4rl_at(tmp_path / FILE)
    with h5py.File(path, "a") as file:
        change(file, secret)
    watched.touched()
    with pytest.raises(DatasetError, match=complaint):
        read_all(path)
    assert not watched.touched()


@pytest.mark.parametrize("change", [external_link, virtual, unlimited_virtual, external_storage])
def test_what_is_refused_would_have_read_the_other_file(
    tmp_path: Path, secret: Path, watched: Watched, change: Change
) -> None:
    path = d4rl_at(tmp_path / FILE)
    with h5py.File(path, "a") as file:
        change(file, secret)
    watched.touched()
    with h5py.File(path, "r") as file:
        assert file["observations"][()].shape == (9, WIDTH)
    assert watched.touched()


def test_groups_within_themselves_end(tmp_path: Path) -> None:
    path = d4rl_at(tmp_path / FILE)
    with h5py.File(path, "a") as file:
        file["infos/again"] = file["infos"]
        file["infos/top"] = file["/"]
    read_all(path)


def test_compressed_data_may_not_grow_without_bound(tmp_path: Path) -> None:
    path = tmp_path / "bomb.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("zeros", data=np.zeros(40 << 20, np.float32), compression="gzip", chunks=(1 << 18,))
    assert path.stat().st_size < 1 << 20
    with DataFile(path) as data, pytest.raises(DatasetError, match="read is no more than"):
        data.array("zeros")


def test_chunks_that_could_grow_without_bound_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "MAX_CHUNK", 1 << 20)
    path = tmp_path / "large.hdf5"
    noise = np.random.default_rng(0).normal(size=1 << 12)
    with h5py.File(path, "w") as file:
        file.create_dataset("noise", data=noise, compression="gzip", chunks=noise.shape)
    with DataFile(path) as data, pytest.raises(DatasetError, match="write it in chunks of 1 MB"):
        data.array("noise")


def test_the_limit_counts_all_that_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "MAX_BYTES", 1000)
    with DataFile(d4rl_at(tmp_path / FILE)) as data:
        data.array("observations")
        data.array("next_observations")
        with pytest.raises(DatasetError, match="read is no more than"):
            data.array("observations")


@pytest.mark.parametrize("kept", [0, 8, 100, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = d4rl_at(tmp_path / FILE)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(DatasetError, match="cannot be read"):
        read_all(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no HDF5", b"\x1f\x8b" + bytes(100), b"{}", bytes(5000)])
def test_what_is_no_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_all(path)


def test_flipped_bytes_are_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    """Never another error: what damage does not break the format gives finite rows of the right shape."""
    path, random = d4rl_at(tmp_path / FILE), np.random.default_rng(0)
    content = path.read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 20):
            damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            read_all(path)
        except DatasetError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / FILE)
    with pytest.raises(DatasetError, match="is no file"):
        read_all(tmp_path / FILE)


def test_a_size_in_the_header_beyond_the_file_is_refused(tmp_path: Path) -> None:
    """The end of the file that the superblock gives is put 8 GiB further on."""
    path = d4rl_at(tmp_path / FILE)
    content = bytearray(path.read_bytes())
    end = struct.pack("<Q", len(content))
    place = content.index(end, 8)
    content[place : place + 8] = struct.pack("<Q", len(content) + (8 << 30))
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_all(path)
