"""One lane: what a writer stores is what a reader finds, whatever wraps, breaks or dies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spreeze.contract import Block, Draw, Field, Store
from spreeze.transport.lane import LaneWriter, fill
from spreeze.transport.layout import COMMIT, RESERVE, StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader, generator
from tests.spreeze.transport.rows import WIDTH, block, ring, store, torn

STREAMS = 2


def lane(steps: int, lanes: int = 1) -> tuple[LaneWriter, StoreReader, StoreMemory]:
    memory = StoreMemory.create("test", ring(steps, STREAMS, lanes))
    return LaneWriter(memory, 0), StoreReader(memory), memory


def append(writer: LaneWriter, steps: int, continues: bool = True, valid: np.ndarray | None = None) -> None:
    begin = writer.committed + (not continues and writer.committed > 0)
    writer.write(block(begin, steps, STREAMS, continues, valid))


def drawn(reader: StoreReader, count: int = 500, seed: int = 0) -> dict[str, np.ndarray]:
    return reader.draw(Draw("replay", rows=count), generator(seed, 0))


def test_a_lane_has_the_rows_that_its_capacity_asks_for() -> None:
    assert ring(40, STREAMS).steps == 40
    assert StoreMemory.create("test", ring(40, STREAMS, lanes=3)).rows.shape == (3, 40, STREAMS)


def test_an_empty_store_holds_nothing_to_draw() -> None:
    _, reader, _ = lane(16)
    assert reader.size() == 0
    with pytest.raises(LookupError, match="nothing has been stored"):
        drawn(reader)


def test_every_row_is_drawn_with_its_successor_also_across_the_wrap() -> None:
    writer, reader, _ = lane(16)
    for _ in range(20):
        append(writer, 3)
        rows = drawn(reader)
        assert torn(rows, STREAMS) == 0
    assert set(rows["reward"]) == set(range(reader.window().low[0] * STREAMS, 60 * STREAMS))


def test_the_newest_step_is_drawn_with_the_observation_that_followed_its_block() -> None:
    writer, reader, _ = lane(16)
    append(writer, 1)
    rows = drawn(reader)
    assert set(rows["reward"]) == {0, 1}
    assert (rows["next_observation"] == rows["reward"][:, None] + STREAMS).all()


def test_a_row_without_a_transition_is_never_drawn() -> None:
    writer, reader, _ = lane(16)
    append(writer, 4, valid=np.array([[1, 1], [1, 0], [0, 1], [1, 1]], np.uint8))
    assert set(drawn(reader)["reward"]) == {0, 1, 2, 5, 6, 7}


def test_after_a_break_the_row_that_stood_open_only_holds_the_last_observation() -> None:
    writer, reader, _ = lane(16)
    append(writer, 2)
    append(writer, 2, continues=False)
    rows = drawn(reader)
    assert set(rows["reward"]) == {0, 1, 2, 3, 6, 7, 8, 9}
    assert torn(rows, STREAMS) == 0


def test_a_store_of_rows_without_transitions_says_so_instead_of_searching_for_ever() -> None:
    writer, reader, _ = lane(16)
    append(writer, 4, valid=np.zeros((4, STREAMS), np.uint8))
    with pytest.raises(LookupError, match="almost none valid"):
        drawn(reader)


def test_the_window_begins_with_the_first_step_until_the_ring_is_full() -> None:
    writer, reader, _ = lane(256)
    append(writer, 255)
    assert (reader.window().low[0], reader.window().high[0]) == (0, 255)
    append(writer, 1)
    assert reader.window().low[0] > 0


def test_the_window_of_a_full_ring_spares_the_oldest_64th() -> None:
    writer, reader, memory = lane(256)
    for _ in range(100):
        append(writer, 10)
    oldest = memory.words[0, RESERVE] - 256
    assert reader.window().low[0] == oldest + 256 // 64
    assert min(drawn(reader, 5000)["reward"]) >= (oldest + 4) * STREAMS


def test_a_given_window_bounds_what_is_drawn() -> None:
    writer, reader, _ = lane(64)
    append(writer, 10)
    window = reader.window()
    append(writer, 20)
    rows = reader.draw(Draw("replay", rows=500), generator(0, 0), window)
    assert max(rows["reward"]) == 10 * STREAMS - 1


def test_lanes_are_drawn_in_proportion_to_what_they_hold() -> None:
    first, reader, memory = lane(64, lanes=3)
    append(first, 30)
    third = LaneWriter(memory, 2)
    third.write(block(1000, 10, STREAMS))
    rows = drawn(reader, 8000)
    share = float(np.mean(rows["reward"] >= 1000))
    assert abs(share - 0.25) < 0.02
    assert torn(rows, STREAMS) == 0


def test_two_readers_with_one_window_and_one_generator_draw_alike() -> None:
    writer, reader, memory = lane(64)
    append(writer, 30)
    window = reader.window()
    one = reader.draw(Draw("replay", rows=50), generator(3, 7, 1), window)
    two = StoreReader(memory).draw(Draw("replay", rows=50), generator(3, 7, 1), window)
    other = reader.draw(Draw("replay", rows=50), generator(3, 8, 1), window)
    assert all((one[name] == two[name]).all() for name in one)
    assert (one["reward"] != other["reward"]).any()


@pytest.mark.parametrize("words", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_a_generator_is_a_function_of_seed_update_and_stream(words: tuple[int, int, int]) -> None:
    numbers = generator(*words).integers(0, 2**62, 4)
    assert (numbers == generator(*words).integers(0, 2**62, 4)).all()
    assert words == (0, 0, 0) or (numbers != generator(0, 0, 0).integers(0, 2**62, 4)).all()


def test_a_batch_is_private_and_contiguous() -> None:
    writer, reader, memory = lane(16)
    append(writer, 4)
    rows = drawn(reader)
    memory.rows["reward"][:] = -1
    assert (rows["reward"] >= 0).all()
    assert all(column.flags.c_contiguous and column.flags.writeable for column in rows.values())


def test_a_block_of_another_width_is_refused() -> None:
    writer, _, _ = lane(16)
    with pytest.raises(ValueError, match="3 streams for a lane of 2"):
        writer.write(block(0, 2, 3))


def test_a_block_longer_than_the_ring_is_refused() -> None:
    writer, _, _ = lane(16)
    append(writer, 15)
    with pytest.raises(ValueError, match="raise the store's capacity"):
        append(writer, 16)
    assert writer.committed == 15


def test_a_successor_goes_on_where_its_predecessor_committed() -> None:
    writer, reader, memory = lane(32)
    append(writer, 5)
    memory.words[0, RESERVE] += 8  # Killed before it had written any of these rows.
    append(LaneWriter(memory, 0), 3, continues=False)
    rows = drawn(reader)
    assert set(rows["reward"]) == {*range(10), *range(12, 18)}
    assert torn(rows, STREAMS) == 0


def test_rows_that_a_killed_writer_had_begun_to_overwrite_are_never_drawn() -> None:
    writer, reader, memory = lane(64)
    for _ in range(30):
        append(writer, 10)
    memory.words[0, RESERVE] = 300 + 40 + 1
    memory.rows["observation"][0, np.arange(301, 340) % 64] = -1  # Killed in the middle of forty rows.
    append(LaneWriter(memory, 0), 1, continues=False)
    for seed in range(20):
        assert torn(drawn(reader, seed=seed), STREAMS) == 0


def test_reserve_never_runs_backwards() -> None:
    writer, _, memory = lane(64)
    append(writer, 10)
    memory.words[0, RESERVE] = 60
    for continues in (False, True, False):
        append(writer, 2, continues)
        assert memory.words[0, RESERVE] >= 60


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 3)), min_size=1, max_size=30))
def test_whatever_is_written_only_its_transitions_are_drawn(blocks: list[tuple[int, bool, int]]) -> None:
    writer, reader, memory = lane(24)
    transitions: set[int] = set()
    for steps, continues, holes in blocks:
        begin = writer.committed + (not continues and writer.committed > 0)
        valid = np.ones((steps, STREAMS), np.uint8)
        valid.flat[:holes] = 0
        append(writer, steps, continues, valid)
        transitions |= {begin * STREAMS + int(i) for i in np.flatnonzero(valid)}
    window = reader.window()
    inside = {number for number in transitions if window.low[0] <= number // STREAMS < window.high[0]}
    assert memory.words[0, COMMIT] == window.high[0]
    if inside:
        rows = drawn(reader, 400)
        assert set(rows["reward"]) <= inside
        assert torn(rows, STREAMS) == 0


def test_a_dataset_holds_every_transition_of_its_episodes_and_no_other() -> None:
    memory = StoreMemory.create("test", ring(steps=32, streams=1))
    episodes = [
        {"observation": np.repeat(np.arange(begin, end + 1)[:, None], WIDTH, 1), "reward": np.arange(begin, end),
         "action": np.repeat(np.arange(begin, end)[:, None], 3, 1)}
        for begin, end in ((0, 5), (6, 9), (10, 20))
    ]  # fmt: skip
    fill(memory, episodes)
    rows = drawn(StoreReader(memory), 2000)
    assert set(rows["reward"]) == {*range(5), *range(6, 9), *range(10, 20)}
    assert torn(rows, 1) == 0


def test_the_observation_stands_first_and_every_field_is_aligned() -> None:
    row = StoreMemory.create("test", ring(16)).layout.row
    assert row.names is not None and row.fields is not None
    assert row.names[0] == "observation" and row.names[-1] == "valid"
    assert all(row.fields[name][1] % 8 == 0 for name in store(1).fields)


def test_fields_of_any_type_and_shape_come_back_as_they_were_written() -> None:
    fields = {
        "observation": Field((3, 2), "uint8"), "flag": Field((), "bool"), "precise": Field((2,), "float64"),
        "index": Field((), "int16"), "half": Field((1,), "float16"),
    }  # fmt: skip
    memory = StoreMemory.create("test", StoreLayout.of(Store("replay", fields, 100), 2, STREAMS))
    random = np.random.default_rng(0)
    for lane in range(2):
        written = {n: random.integers(0, 2, (9, STREAMS, *f.shape)).astype(f.dtype) for n, f in fields.items()}
        written["index"][:] = 1000 * lane + np.arange(9)[:, None] * STREAMS + np.arange(STREAMS)
        last = random.integers(0, 2, (STREAMS, 3, 2)).astype(np.uint8)
        LaneWriter(memory, lane).write(Block("replay", written, np.ones((9, STREAMS)), last))
    rows = drawn(StoreReader(memory))
    assert rows.keys() == fields.keys() | {"next_observation"}
    lanes, steps, streams = rows["index"] // 1000, rows["index"] % 1000 // STREAMS, rows["index"] % STREAMS
    assert len(set(rows["index"].tolist())) == 2 * 9 * STREAMS
    for name, field in fields.items():
        stored = memory.rows[name][lanes, steps, streams]
        assert rows[name].dtype == field.dtype and rows[name].shape == (500, *field.shape)
        assert (rows[name] == stored).all()
    assert (rows["next_observation"] == memory.rows["observation"][lanes, steps + 1, streams]).all()
