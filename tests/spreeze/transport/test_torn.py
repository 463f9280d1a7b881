"""Readers against writers that never pause and against writers that are killed: nothing torn is ever believed."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from spreeze.transport.layout import COMMIT, StoreMemory
from spreeze.transport.memory import SharedMemory
from spreeze.transport.store import StoreReader, Window, generator
from spreeze.transport.weights import WeightChannel
from tests.spreeze.transport.conftest import StartWriter
from tests.spreeze.transport.rows import torn
from tests.spreeze.transport.writer import RING, WEIGHTS

BATCH, KILLS = 64, 20


class Credulous(StoreReader):
    """Does not look a second time."""

    def _overwritten(self, window: Window) -> np.ndarray:
        return np.zeros(len(window.low), np.int64)


def wait_for(what: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_rows(reader: StoreReader, wanted: int, until: Callable[[], bool]) -> tuple[int, int]:
    """Draw until `wanted` rows are read and `until`; return how many were read, and how many of them are torn."""
    read = bad = update = 0
    while read < wanted or not until():
        update += 1
        try:
            rows = reader.transitions(BATCH, generator(0, update), reader.window())
        except LookupError:
            continue  # The writer went all the way round in the meantime.
        read, bad = read + BATCH, bad + torn(rows, RING.streams)
    return read, bad


@pytest.mark.parametrize(("wanted", "seconds"), [(200_000, 2.0), pytest.param(2_000_000, 10.0, marks=pytest.mark.slow)])
def test_no_torn_row_is_believed_while_the_ring_is_overwritten(
    wanted: int, seconds: float, start_writer: StartWriter
) -> None:
    memory = StoreMemory.create("test", RING)
    writer = start_writer("lane", memory.memory, 1)
    wait_for(lambda: memory.words[0, COMMIT] > 10 * RING.steps)
    begin, laps = time.monotonic(), int(memory.words[0, COMMIT])
    read, bad = read_rows(StoreReader(memory), wanted, lambda: time.monotonic() - begin > seconds)
    assert writer.poll() is None
    assert (memory.words[0, COMMIT] - laps) / RING.steps > 100
    assert read >= wanted
    assert bad == 0


def test_a_reader_that_looks_only_once_does_read_torn_rows(start_writer: StartWriter) -> None:
    memory = StoreMemory.create("test", RING)
    start_writer("lane", memory.memory, 1)
    wait_for(lambda: memory.words[0, COMMIT] > 10 * RING.steps)
    begin = time.monotonic()
    reader, bad = Credulous(memory), 0
    while bad == 0 and time.monotonic() - begin < 20:
        _, bad = read_rows(reader, 10_000, lambda: True)
    assert bad > 0


def test_writers_killed_in_the_middle_leave_nothing_torn(start_writer: StartWriter) -> None:
    memory = StoreMemory.create("test", RING)
    storm = start_writer("lane", memory.memory, 2, KILLS)
    wait_for(lambda: memory.words[0, COMMIT] > 0)
    _, bad = read_rows(StoreReader(memory), BATCH, lambda: storm.poll() is not None)
    assert storm.returncode == 0
    assert bad == 0
    assert read_rows(StoreReader(memory), 50_000, lambda: True)[1] == 0


def read_weights(channel: WeightChannel, until: Callable[[], bool]) -> tuple[int, list[tuple[int, int]]]:
    """Fetch until `until`; check that each publication is whole; return the count and the versions in order."""
    count, versions = 0, []
    while not until():
        fetched = channel.fetch()
        if fetched is not None:
            arrays, version = fetched
            number = version.update
            assert all((array == number).all() for array in arrays.values())
            assert version.env_steps == 2 * number
            versions.append((version.incarnation, number))
            count += 1
    return count, versions


@pytest.mark.parametrize("seconds", [2.0, pytest.param(20.0, marks=pytest.mark.slow)])
def test_no_torn_weights_are_fetched_while_they_are_published(seconds: float, start_writer: StartWriter) -> None:
    channel = WeightChannel.create("test", WEIGHTS)
    writer = start_writer("weights", channel.memory, 1)
    wait_for(lambda: channel.sequence > 100)
    begin = time.monotonic()
    count, versions = read_weights(channel, lambda: time.monotonic() - begin > seconds)
    assert writer.poll() is None
    assert count > 100
    assert versions == sorted(versions)
    assert versions[-1][1] - versions[0][1] > 100


def test_writers_killed_while_publishing_leave_the_last_version_and_a_successor_goes_on(
    start_writer: StartWriter,
) -> None:
    channel = WeightChannel.create("test", WEIGHTS)
    storm = start_writer("weights", channel.memory, 2, KILLS)
    wait_for(lambda: channel.sequence > 0)
    _, versions = read_weights(channel, lambda: storm.poll() is not None)
    assert storm.returncode == 0
    last = channel.fetch()
    assert last is not None and last[1].update == channel.sequence
    assert versions == sorted(versions)
    assert len({incarnation for incarnation, _ in versions}) > KILLS // 2


def test_memory_outlives_its_writer(start_writer: StartWriter) -> None:
    memory = SharedMemory.create("test", 1 << 16)
    words = memory.array(np.int64, (8,))
    words[:] = 7
    start_writer("lane", StoreMemory.create("other", RING).memory, 1).kill()
    assert (words == 7).all()
