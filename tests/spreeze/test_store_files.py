"""Stores on disk: what is restored draws as what was saved, whatever wrapped, moved on or was pruned since."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spreeze import store_files
from spreeze.contract import Draw, Field
from spreeze.store_files import StoreFiles, chunk_steps, restore
from spreeze.transport.lane import LaneWriter
from spreeze.transport.layout import COMMIT, RESERVE, StoreLayout, StoreMemory
from spreeze.transport.store import StoreReader, generator
from tests.spreeze.transport.rows import block, ring, store, torn

STREAMS = 2
HEAD = {"task": Field((), "int64")}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of about ten steps, so that a test needs thousands of rows and no millions."""
    monkeypatch.setattr(store_files, "CHUNK_BYTES", 10 * STREAMS * ring(16).row.itemsize)


def append(memory: StoreMemory, steps: int, lane: int = 0, continues: bool = True) -> None:
    writer = LaneWriter(memory, lane)
    begin = writer.committed + (not continues and writer.committed > 0)
    writer.write(block(begin, steps, STREAMS, continues))


def append_segment(memory: StoreMemory, task: int) -> None:
    writer = LaneWriter(memory, 0)
    made = block(writer.committed, memory.layout.segment, STREAMS, continues=False)
    made.head = {"task": np.full(STREAMS, task)}
    writer.write(made)


def segments_memory(capacity: int = 60, kind: str = "replay") -> StoreMemory:
    return StoreMemory.create("test", StoreLayout.of(store(capacity, 4, kind, HEAD), 1, STREAMS))


def restored(files: StoreFiles, memory: StoreMemory, saved: dict[str, Any]) -> StoreMemory:
    """A new memory of the same layout, filled from disk."""
    other = StoreMemory.create("test", memory.layout)
    restore(files.folder, {"replay": other}, saved)
    return other


def assert_draws_alike(one: StoreMemory, two: StoreMemory, draw: Draw) -> None:
    readers = StoreReader(one), StoreReader(two)
    window = readers[1].window()
    assert (readers[0].window().high == window.high).all()
    for update in range(10):
        first, second = (reader.draw(draw, generator(0, update), window) for reader in readers)
        assert all((first[name] == second[name]).all() for name in first)


def test_an_empty_store_is_restored_empty(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    other = restored(files, memory, files.snapshot())
    assert StoreReader(other).size() == 0


@pytest.mark.parametrize("steps", [1, 9, 10, 11, 40, 63, 64, 65, 100, 1000, 1003])
def test_what_is_restored_draws_as_what_was_saved(steps: int, tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    for _ in range(steps):
        append(memory, 1)
    other = restored(files, memory, files.snapshot())
    assert_draws_alike(memory, other, Draw("replay", rows=200))
    assert torn(StoreReader(other).draw(Draw("replay", rows=500), generator(1, 1)), STREAMS) == 0


def test_every_lane_is_restored(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS, lanes=3))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    for lane, steps in ((0, 100), (2, 7)):
        for _ in range(steps):
            append(memory, 1, lane)
    other = restored(files, memory, files.snapshot())
    assert other.words[:, COMMIT].tolist() == [100, 0, 7]
    assert_draws_alike(memory, other, Draw("replay", rows=200))


def test_a_writer_goes_on_where_the_restored_store_ends(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    append(memory, 30)
    other = restored(files, memory, files.snapshot())
    for store_memory in (memory, other):
        append(store_memory, 20, continues=False)
    assert_draws_alike(memory, other, Draw("replay", rows=200))


def test_a_chunk_is_written_once(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(640, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    append(memory, 95)
    files.flush()
    before = {path.name: path.stat().st_mtime_ns for path in files.folder.iterdir()}
    assert len(before) == 95 // chunk_steps(memory)
    append(memory, 30)
    files.snapshot()
    after = {path.name: path.stat().st_mtime_ns for path in files.folder.iterdir()}
    assert before.items() <= after.items()
    assert len(after) == 125 // chunk_steps(memory) + 1


def test_a_snapshot_after_a_resume_writes_no_chunk_again(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(640, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    append(memory, 95)
    saved = files.snapshot()
    other = restored(files, memory, saved)
    append(other, 3)
    again = StoreFiles(files.folder, {"replay": other}, saved).snapshot()
    before, after = ({e["file"] for e in s["replay"]["files"]} for s in (saved, again))
    assert len(after - before) == 1
    assert_draws_alike(other, restored(files, other, again), Draw("replay", rows=200))


@pytest.mark.parametrize("count", [1, 3, 5, 6, 7, 31])
def test_segments_are_restored_with_their_heads(count: int, tmp_path: Path) -> None:
    memory = segments_memory()
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    for task in range(count):
        append_segment(memory, task)
    other = restored(files, memory, files.snapshot())
    assert_draws_alike(memory, other, Draw("replay", segments=40))
    rows = StoreReader(other).draw(Draw("replay", segments=40), generator(1, 1))
    assert (rows["reward"][0] // STREAMS == 5 * rows["task"]).all()


def test_a_queue_is_restored_with_what_has_been_taken(tmp_path: Path) -> None:
    memory = segments_memory(4, "queue")
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    for task in range(3):
        append_segment(memory, task)
    StoreReader(memory).take()
    other = restored(files, memory, files.snapshot())
    rows = StoreReader(other).take()
    assert rows is not None and rows["task"].tolist() == [1, 1]


def test_a_dataset_is_not_saved(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", StoreLayout.of(store(60, kind="dataset"), 1, STREAMS))
    append(memory, 30)
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    assert files.snapshot() == {}
    assert list(files.folder.iterdir()) == []


def test_pruning_leaves_what_a_manifest_needs_and_what_is_alive(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    manifests = []
    for _ in range(30):
        append(memory, 7)
        manifests.append({"stores": files.snapshot()})
        files.prune(manifests[-2:])
        needed = {e["file"] for m in manifests[-2:] for e in m["stores"]["replay"]["files"]}
        assert needed <= {path.name for path in files.folder.iterdir()}
        for manifest in manifests[-2:]:
            other = restored(files, memory, manifest["stores"])
            assert torn(StoreReader(other).draw(Draw("replay", rows=100), generator(0, 0)), STREAMS) == 0
    assert len(list(files.folder.iterdir())) < 20


def test_an_older_snapshot_stays_true_while_the_ring_goes_round(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    append(memory, 50)
    kept = StoreMemory.create("test", memory.layout)
    saved = files.snapshot()
    restore(files.folder, {"replay": kept}, saved)
    for _ in range(50):
        append(memory, 10)
        files.flush()
    assert_draws_alike(kept, restored(files, memory, saved), Draw("replay", rows=200))


def test_rows_under_a_writers_hand_are_not_saved(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    for _ in range(100):
        append(memory, 1)
    memory.words[0, RESERVE] = 112
    memory.rows["observation"][0, np.arange(101, 111) % 64] = -1
    other = restored(files, memory, files.snapshot())
    for update in range(20):
        assert torn(StoreReader(other).draw(Draw("replay", rows=200), generator(0, update)), STREAMS) == 0


def test_a_chunk_completed_during_a_snapshot_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = StoreMemory.create("test", ring(640, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    append(memory, 25)
    flush = files.flush

    def flush_then_write() -> None:
        flush()
        append(memory, 40)

    monkeypatch.setattr(files, "flush", flush_then_write)
    other = restored(files, memory, files.snapshot())
    drawn = StoreReader(other).draw(Draw("replay", rows=3000), generator(0, 0))
    assert set(drawn["reward"]) == set(range(65 * STREAMS))


def test_a_killed_writers_half_file_is_replaced(tmp_path: Path) -> None:
    memory = StoreMemory.create("test", ring(64, STREAMS))
    files = StoreFiles(tmp_path / "stores", {"replay": memory})
    append(memory, 30)
    [name] = [e["file"] for e in files.snapshot()["replay"]["files"]][-1:]
    (files.folder / name).unlink()
    (files.folder / name).with_suffix(".part").write_bytes(b"half")
    other = restored(files, memory, files.snapshot())
    assert_draws_alike(memory, other, Draw("replay", rows=200))


def test_the_window_is_restored_exactly(tmp_path: Path) -> None:
    for index, memory in enumerate((StoreMemory.create("test", ring(64, STREAMS)), segments_memory())):
        files = StoreFiles(tmp_path / f"stores-{index}", {"replay": memory})
        for task in range(20):
            append_segment(memory, task) if index else append(memory, 4)
            other = restored(files, memory, files.snapshot())
            window, expected = StoreReader(other).window(), StoreReader(memory).window()
            assert (window.low == expected.low).all() and (window.high == expected.high).all()


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans(), st.sampled_from(["flush", "snapshot", ""])), max_size=25))
def test_any_history_is_restored(history: list[tuple[int, bool, str]]) -> None:
    memory = StoreMemory.create("test", ring(48, STREAMS))
    with tempfile.TemporaryDirectory() as folder:
        files = StoreFiles(Path(folder) / "stores", {"replay": memory})
        for steps, continues, action in history:
            append(memory, steps, continues=continues)
            if action:
                getattr(files, action)()
        saved = files.snapshot()
        other = restored(files, memory, saved)
    if history:
        assert_draws_alike(memory, other, Draw("replay", rows=100))
