"""Shared memory without a name."""

import os
import subprocess
import sys

import numpy as np
import psutil
import pytest

from spreeze.transport.memory import SharedMemory


def test_memory_is_zeroed_and_of_the_size_asked_for() -> None:
    memory = SharedMemory.create("test", 1000)
    assert os.fstat(memory.fd).st_size == 1000
    assert not memory.array(np.uint8, (1000,)).any()


def test_memory_has_no_name_that_could_leak() -> None:
    before = os.listdir("/dev/shm")
    memory = SharedMemory.create("test", 1 << 20)
    assert os.listdir("/dev/shm") == before
    assert os.readlink(f"/proc/self/fd/{memory.fd}") == "/memfd:spreeze-test (deleted)"


def test_all_pages_exist_from_the_start() -> None:
    memory = SharedMemory.create("test", 1 << 20)
    assert os.fstat(memory.fd).st_blocks * 512 >= 1 << 20


def test_more_than_the_machine_has_is_an_error_at_once() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="GB of shared memory asked for 'test'"):
        SharedMemory.create("test", 1 << 62)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_view_begins_at_its_offset_and_is_live() -> None:
    memory = SharedMemory.create("test", 256)
    memory.array(np.int64, (4,))[:] = [1, 2, 3, 4]
    view = memory.array(np.int64, (2,), 16)
    view[0] = 9
    assert memory.array(np.int64, (4,)).tolist() == [1, 2, 9, 4]


def test_a_child_sees_the_same_memory_through_its_descriptor() -> None:
    memory = SharedMemory.create("test", 64)
    code = f"""
import numpy
from spreeze.transport.memory import SharedMemory
SharedMemory({memory.fd}, 64).array(numpy.int64, (8,))[:] = range(8)
"""
    subprocess.run([sys.executable, "-c", code], pass_fds=[memory.fd], check=True, timeout=60)
    assert memory.array(np.int64, (8,)).tolist() == list(range(8))


def test_a_closed_descriptor_leaves_the_views_that_are_alive() -> None:
    memory = SharedMemory.create("test", 64)
    view = memory.array(np.int64, (8,))
    memory.close()
    memory.close()
    view[:] = 5
    assert view.sum() == 40


def test_nothing_is_left_when_the_last_view_is_gone() -> None:
    before = psutil.Process().num_fds()
    memory = SharedMemory.create("test", 1 << 20)
    view = memory.array(np.int64, (8,))
    memory.close()
    del view, memory
    assert psutil.Process().num_fds() == before
