"""Rings on a device: they hold what the host's window holds, once, and draw from nothing else."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spreeze.transport import mirror
from spreeze.transport.lane import LaneWriter, fill
from spreeze.transport.layout import COMMIT, RESERVE, StoreMemory
from spreeze.transport.mirror import Copier, Mirror, device_bytes
from spreeze.transport.store import StoreReader
from tests.spreeze.transport.conftest import StartWriter
from tests.spreeze.transport.rows import WIDTH, block, ring, torn
from tests.spreeze.transport.writer import RING

CPU, STREAMS, APART = torch.device("cpu"), 2, 10**6
"""Numbers of rows in different lanes are at least APART from each other."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few rows, so that every test has many."""
    monkeypatch.setattr(mirror, "CHUNK", 7)


def memory_of(steps: int, lanes: int = 1) -> StoreMemory:
    return StoreMemory.create("test", ring(steps, STREAMS, lanes))


def append(
    memory: StoreMemory, steps: int, lane: int = 0, continues: bool = True, valid: np.ndarray | None = None
) -> None:
    writer = LaneWriter(memory, lane)
    begin = writer.committed + (not continues and writer.committed > 0)
    writer.write(block(lane * APART + begin, steps, STREAMS, continues, valid))


def held(device: Mirror) -> dict[str, np.ndarray]:
    """What may be drawn, oldest first."""
    store = device.store
    assert int(store.size) == device.size
    slots = (int(store.first) + np.arange(device.size)) % store.slots
    return {name: column.numpy()[slots] for name, column in store.columns.items()}


def in_window(memory: StoreMemory, lane: int = 0) -> list[int]:
    """The numbers of the transitions that the host's readers may draw, in order."""
    window, layout = StoreReader(memory).window(), memory.layout
    rows = memory.rows[lane, np.arange(window.low[lane], window.high[lane]) % layout.steps]
    return [int(number) for number in rows["reward"][rows["valid"] == 1]]


def assert_mirrors(device: Mirror, memory: StoreMemory) -> None:
    rows = held(device)
    assert rows["reward"].tolist() == in_window(memory)
    assert torn(rows, memory.layout.streams) == 0


BLOCKS = st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 3), st.booleans()), max_size=40)


@given(BLOCKS)
def test_a_mirror_holds_what_the_window_holds_in_order_whatever_wraps_or_breaks(
    blocks: list[tuple[int, bool, int, bool]],
) -> None:
    memory = memory_of(24)
    device = Mirror(memory, CPU)
    for steps, continues, holes, look in blocks:
        valid = np.ones((steps, STREAMS), np.uint8)
        valid.flat[:holes] = 0
        append(memory, steps, 0, continues, valid)
        if look:
            assert device.sync() == len(in_window(memory))
            assert_mirrors(device, memory)
    device.sync()
    assert_mirrors(device, memory)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.booleans(), st.booleans()), max_size=60))
def test_several_lanes_are_mirrored_once_each_in_its_own_order(blocks: list[tuple[int, int, bool, bool]]) -> None:
    memory = memory_of(24, lanes=3)
    device = Mirror(memory, CPU)
    for lane, steps, continues, look in blocks:
        append(memory, steps, lane, continues)
        if look:
            device.sync()
    device.sync()
    rows = held(device)
    numbers = rows["reward"].tolist()
    assert torn(rows, STREAMS) == 0
    assert len(set(numbers)) == len(numbers) <= device.store.capacity
    for lane in range(3):
        own = [number for number in numbers if number // (APART * STREAMS) == lane]
        inside = in_window(memory, lane)
        common = min(len(own), len(inside))
        assert own == sorted(own)
        assert own[len(own) - common :] == inside[len(inside) - common :]
        assert len(own) >= len(inside) or len(numbers) == device.store.capacity


def test_a_mirror_made_anew_holds_and_draws_the_same() -> None:
    memory = memory_of(32)
    old = Mirror(memory, CPU)
    for index in range(40):
        append(memory, 1 + index % 5, continues=index % 7 > 0)
        if index % 3 == 0:
            old.sync()
    old.sync()
    new = Mirror(memory, CPU)
    new.sync()
    one, other = (device.store.draw(50, torch.Generator().manual_seed(3)) for device in (old, new))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert one.keys() == {"observation", "action", "reward", "next_observation"}


def test_a_writer_that_never_pauses_leaves_nothing_torn_and_nothing_twice(start_writer: StartWriter) -> None:
    memory = StoreMemory.create("test", RING)
    device, begin, laps = Mirror(memory, CPU), time.monotonic(), 0
    writer = start_writer("lane", memory.memory, 1)
    while time.monotonic() - begin < 3:
        if device.sync():
            rows = held(device)
            assert torn(rows, RING.streams) == 0
            assert (np.diff(rows["reward"]) > 0).all()
            laps += 1
    assert writer.poll() is None
    assert laps > 5
    assert memory.words[0, COMMIT] > 20 * RING.steps
    writer.kill()
    writer.wait()
    device.sync()
    assert_mirrors(device, memory)


def test_rows_that_a_killed_writer_had_begun_to_overwrite_are_never_mirrored() -> None:
    memory = memory_of(64)
    for _ in range(30):
        append(memory, 10)
    memory.words[0, RESERVE] = 300 + 40 + 1
    memory.rows["observation"][0, np.arange(301, 340) % 64] = -1  # Killed in the middle of forty rows.
    append(memory, 1, continues=False)
    device = Mirror(memory, CPU)
    device.sync()
    assert torn(held(device), STREAMS) == 0
    assert_mirrors(device, memory)


def test_rows_that_are_overwritten_while_they_are_copied_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "CHUNK", 1000)
    memory = memory_of(64)
    append(memory, 63)
    device = Mirror(memory, CPU)
    copy = device._private

    def copy_late(lane: int, begin: int, end: int) -> np.ndarray:
        append(memory, 10)
        return copy(lane, begin, end)

    monkeypatch.setattr(device, "_private", copy_late)
    device.sync()
    rows = held(device)
    assert torn(rows, STREAMS) == 0
    assert rows["reward"].tolist() == list(range(10 * STREAMS, 63 * STREAMS))


def test_what_may_be_drawn_stays_as_it_is_until_other_rows_are_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = memory_of(24)
    device, admitted = Mirror(memory, CPU), 0
    before = held(device)
    admit = Copier.admit

    def check(self: Copier, begin: int, end: int) -> None:
        nonlocal admitted, before
        now = {name: column.numpy()[slots] for name, column in device.store.columns.items()}
        assert all((now[name] == before[name]).all() for name in before)
        admit(self, begin, end)
        admitted += 1

    monkeypatch.setattr(Copier, "admit", check)
    for index in range(60):
        append(memory, 1 + index % 3)
        slots = (int(device.store.first) + np.arange(device.size)) % device.store.slots
        before = {name: column.numpy()[slots] for name, column in device.store.columns.items()}
        device.sync()
    assert admitted >= 60


def test_nothing_is_moved_where_nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = memory_of(32)
    fill(
        memory_one := StoreMemory.create("test", ring(32, streams=1)),
        [
            {
                "observation": np.repeat(np.arange(begin, end + 1)[:, None], WIDTH, 1),
                "reward": np.arange(begin, end),
                "action": np.repeat(np.arange(begin, end)[:, None], 3, 1),
            }
            for begin, end in ((0, 5), (6, 9), (10, 20))
        ],
    )
    device = Mirror(memory_one, CPU)
    assert device.sync() == 18
    assert held(device)["reward"].tolist() == [*range(5), *range(6, 9), *range(10, 20)]
    monkeypatch.setattr(device, "_sync_lane", None)
    assert device.sync() == 18
    assert Mirror(memory, CPU).sync() == 0


def test_draws_are_uniform_over_the_window_and_come_from_nowhere_else() -> None:
    memory = memory_of(64)
    for index in range(50):
        append(memory, 7, continues=index % 4 > 0)
    device = Mirror(memory, CPU)
    device.sync()
    inside, count = in_window(memory), 100_000
    rows = device.store.draw(count, torch.Generator().manual_seed(0))["reward"].numpy()
    assert set(rows) == set(inside)
    expected = count / len(inside)
    found = np.array([(rows == number).sum() for number in inside])
    excess = (((found - expected) ** 2 / expected).sum() - (len(inside) - 1)) / np.sqrt(2 * (len(inside) - 1))
    assert abs(excess) < 4, "chi-square of a uniform draw"


def test_draws_follow_the_size_on_the_device() -> None:
    memory, generator = memory_of(64), torch.Generator().manual_seed(0)
    device, known = Mirror(memory, CPU), 0
    for _ in range(8):
        append(memory, 7)
        drawn = device.store.draw(2000, generator)["reward"] if known else torch.zeros(1)
        assert int(drawn.max()) < max(known, 1)
        known = device.sync()
    assert int(device.store.draw(2000, generator)["reward"].max()) == known - 1


def test_a_draw_is_a_function_of_the_generators_state() -> None:
    memory = memory_of(64)
    append(memory, 50)
    device = Mirror(memory, CPU)
    device.sync()
    generator = torch.Generator().manual_seed(5)
    device.store.draw(10, generator)
    state = generator.get_state()
    first = device.store.draw(30, generator)["reward"]
    generator.set_state(state)
    again = device.store.draw(30, generator)["reward"]
    assert torch.equal(first, again)
    assert not torch.equal(first, device.store.draw(30, generator)["reward"])


def test_random_bits_reach_rows_that_32_bit_numbers_do_not() -> None:
    bits = torch.randint(mirror.BITS, (100_000,), generator=torch.Generator().manual_seed(0))
    rows = bits % torch.tensor(3 * 2**32)
    assert int(rows.max()) > 2**33 and len(rows.unique()) > 99_990


def test_a_step_wider_than_a_chunk_is_one_chunk() -> None:
    memory = StoreMemory.create("test", ring(8, streams=20))
    LaneWriter(memory, 0).write(block(0, 5, 20))
    device = Mirror(memory, CPU)
    assert device.sync() == 100
    assert_mirrors(device, memory)


def test_the_bytes_of_a_ring_are_known_before_it_is_made() -> None:
    layout = ring(40, STREAMS, lanes=3)
    device = Mirror(StoreMemory.create("test", layout), CPU)
    assert device_bytes(layout) == sum(column.nbytes for column in device.store.columns.values())
