"""Rows shared out among threads."""

import threading
from collections.abc import Iterator

import pytest
import torch

from spreeze.algorithms import _workers
from spreeze.algorithms._workers import share_out, workers


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_workers, "MIN_ROWS", 4)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 12, 100])
def test_every_row_has_one_worker(rows: int) -> None:
    seen = torch.zeros(rows, dtype=torch.int64)
    found = []

    def task(worker: int, own: slice) -> None:
        seen[own] += 1
        found.append((worker, own))

    share_out(task, rows)
    assert torch.equal(seen, torch.ones(rows, dtype=torch.int64))
    assert sorted(worker for worker, _ in found) == list(range(workers(rows)))


@pytest.mark.parametrize(("rows", "count"), [(0, 1), (7, 1), (8, 2), (12, 3), (100, 3)])
def test_a_share_is_worth_a_thread_or_not_made(rows: int, count: int) -> None:
    assert workers(rows) == count


def test_workers_compute_at_the_same_time_and_without_gradients() -> None:
    meeting = threading.Barrier(3, timeout=20)

    def task(worker: int, own: slice) -> None:
        assert not torch.is_grad_enabled()
        meeting.wait()

    share_out(task, 12)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("guilty", [0, 2])
def test_what_a_worker_raises_is_raised_once_all_are_done(guilty: int) -> None:
    done = []

    def task(worker: int, own: slice) -> None:
        if worker == guilty:
            raise ValueError(worker)
        done.append(worker)

    with pytest.raises(ValueError, match=str(guilty)):
        share_out(task, 12)
    assert sorted(done) == sorted({0, 1, 2} - {guilty})
