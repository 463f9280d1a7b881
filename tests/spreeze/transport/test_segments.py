"""Segments: drawn whole, spread over keys, or taken once from a queue."""

import numpy as np
import pytest

from spreeze.contract import Draw, Field
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import RESERVE, StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader, generator
from tests.spreeze.transport.rows import WIDTH, block, store

LENGTH, STREAMS = 4, 2
HEAD = {"task": Field((), "int64"), "state0": Field((2,))}


def memory_of(capacity: int, kind: str = "replay", lanes: int = 1) -> StoreMemory:
    return StoreMemory.create("test", StoreLayout.of(store(capacity, LENGTH, kind, HEAD), lanes, STREAMS))


def append(writer: LaneWriter, tasks: tuple[int, int] = (0, 0)) -> None:
    """Write the next segment; its first row is a multiple of L + 1."""
    made = block(writer.committed, LENGTH, STREAMS, continues=False)
    made.head = {"task": np.array(tasks), "state0": np.full((STREAMS, 2), writer.committed, np.float32)}
    writer.write(made)


def drawn(reader: StoreReader, count: int, key: str | None = None, keys: int = 1) -> dict[str, np.ndarray]:
    return reader.draw(Draw("replay", segments=count, key=key, keys=keys), generator(0, 1))


def assert_whole(rows: dict[str, np.ndarray]) -> None:
    """Every segment is L successive rows of one stream, with the head that was written with it."""
    number = rows["reward"]
    assert (number == number[0] + STREAMS * np.arange(LENGTH)[:, None]).all()
    assert (number[0] // STREAMS % (LENGTH + 1) == 0).all()
    assert (rows["observation"] == number[..., None]).all()
    assert (rows["next_observation"] == number[..., None] + STREAMS).all()
    assert (rows["state0"][:, 0] == number[0] // STREAMS).all()


def test_a_store_of_segments_holds_whole_segments_and_their_closing_rows() -> None:
    layout = memory_of(41).layout
    assert (layout.steps, layout.segments) == (25, 5)
    assert memory_of(3, "queue").layout.segments == 3


def test_drawn_segments_are_whole_and_time_comes_first() -> None:
    memory = memory_of(100)
    writer = LaneWriter(memory, 0)
    for _ in range(5):
        append(writer)
    rows = drawn(StoreReader(memory), 30)
    assert rows["observation"].shape == (LENGTH, 30, WIDTH)
    assert rows["valid"].shape == (LENGTH, 30)
    assert rows["task"].shape == (30,)
    assert_whole(rows)
    assert set(rows["reward"][0] // STREAMS) == {0, 5, 10, 15, 20}


def test_segments_survive_the_wrap_and_the_one_that_is_next_to_go_is_spared() -> None:
    memory = memory_of(40)
    writer = LaneWriter(memory, 0)
    for _ in range(33):
        append(writer)
        rows = drawn(StoreReader(memory), 60)
        assert_whole(rows)
    assert rows["reward"].min() // STREAMS >= writer.committed - memory.layout.steps + LENGTH + 1


def test_a_segment_under_a_writers_hand_is_never_drawn() -> None:
    memory = memory_of(40)
    writer = LaneWriter(memory, 0)
    for _ in range(12):
        append(writer)
    memory.words[0, RESERVE] += LENGTH + 1
    memory.rows["observation"][0, np.arange(60, 65) % memory.layout.steps] = -1
    assert_whole(drawn(StoreReader(memory), 60))


def test_a_store_without_a_whole_segment_says_so() -> None:
    with pytest.raises(LookupError, match="no whole segment"):
        drawn(StoreReader(memory_of(40)), 1)


def test_a_segment_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="block of 3 steps for segments of 4"):
        LaneWriter(memory_of(40), 0).write(block(0, 3, STREAMS))


def test_keys_are_drawn_evenly_however_unevenly_they_are_stored() -> None:
    memory = memory_of(400)
    writer = LaneWriter(memory, 0)
    for index in range(40):
        append(writer, (7, 8) if index % 10 == 0 else (5, 5))
    rows = drawn(StoreReader(memory), 12, key="task", keys=3)
    assert sorted(rows["task"]) == [5] * 4 + [7] * 4 + [8] * 4
    assert_whole(rows)


def test_fewer_keys_than_asked_for_are_drawn_again() -> None:
    memory = memory_of(400)
    append(LaneWriter(memory, 0), (7, 8))
    rows = drawn(StoreReader(memory), 12, key="task", keys=4)
    assert set(rows["task"]) <= {7, 8}
    assert rows["task"].shape == (12,)


def test_a_queue_is_taken_once_and_in_order() -> None:
    memory = memory_of(3, "queue")
    writer, reader = LaneWriter(memory, 0), StoreReader(memory)
    taken = []
    for _ in range(7):
        append(writer)
        rows = reader.take()
        assert rows is not None
        assert_whole(rows)
        taken += (rows["reward"][0] // STREAMS).tolist()
    assert taken == [step for begin in range(0, 35, 5) for step in (begin, begin)]
    assert reader.take() is None


def test_a_queue_waits_for_a_segment_of_every_lane() -> None:
    memory = memory_of(3, "queue", lanes=2)
    one, two, reader = LaneWriter(memory, 0), LaneWriter(memory, 1), StoreReader(memory)
    append(one)
    append(one)
    assert reader.waiting().tolist() == [2, 0]
    assert reader.take() is None
    append(two)
    rows = reader.take()
    assert rows is not None and rows["reward"].shape == (LENGTH, 2 * STREAMS)
    assert reader.waiting().tolist() == [1, 0]


def test_a_full_queue_has_no_room_until_a_segment_is_taken() -> None:
    memory = memory_of(3, "queue")
    writer, reader = LaneWriter(memory, 0), StoreReader(memory)
    for _ in range(3):
        assert writer.has_room()
        append(writer)
    assert not writer.has_room()
    reader.take()
    assert writer.has_room()


def test_what_was_queued_for_a_dead_learner_is_dropped() -> None:
    memory = memory_of(3, "queue")
    writer, reader = LaneWriter(memory, 0), StoreReader(memory)
    append(writer)
    append(writer)
    StoreReader(memory).drop_queued()
    assert reader.take() is None
    append(writer)
    rows = reader.take()
    assert rows is not None and (rows["reward"][0] // STREAMS == 10).all()


def test_other_stores_always_have_room() -> None:
    memory = memory_of(20)
    writer = LaneWriter(memory, 0)
    for _ in range(20):
        assert writer.has_room()
        append(writer)
