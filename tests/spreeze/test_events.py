"""Metrics from TensorBoard events, as a run writes them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from spreeze.errors import RunFolderError, UnknownName
from spreeze.events import PROGRESS, read_metric


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The machine's clock, which stands still until a test moves it."""
    now = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    yield now


def write(run: Path, clock: list[float], rows: list[tuple[float, int, int, float]], tag: str = "loss/critic") -> None:
    """One session of (seconds, steps, updates, value)."""
    with SummaryWriter(str(run)) as events:
        begun = clock[0]
        for seconds, steps, updates, value in rows:
            clock[0] = begun + seconds
            events.add_scalar(PROGRESS, updates, steps)
            events.add_scalar(tag, value, steps)


def test_a_metric_knows_seconds_steps_and_updates(tmp_path: Path, clock: list[float]) -> None:
    write(tmp_path, clock, [(1.0, 100, 0, 5.0), (2.0, 200, 10, 4.0)])
    found = read_metric(tmp_path, "loss/critic")
    assert [(p.seconds, p.env_steps, p.updates, p.value) for p in found] == [(1.0, 100, 0, 5.0), (2.0, 200, 10, 4.0)]


def test_where_no_environment_is_stepped_steps_are_updates(tmp_path: Path, clock: list[float]) -> None:
    write(tmp_path, clock, [(1.0, 10, 10, 5.0), (2.0, 20, 20, 4.0)])
    assert [(p.env_steps, p.updates) for p in read_metric(tmp_path, "loss/critic")] == [(None, 10), (None, 20)]


def test_a_resumed_run_goes_on_and_what_was_taken_back_is_gone(tmp_path: Path, clock: list[float]) -> None:
    write(tmp_path, clock, [(1.0, 100, 1, 5.0), (2.0, 200, 2, 4.0), (3.0, 300, 3, 3.0)])
    clock[0] += 3600
    write(tmp_path, clock, [(1.0, 210, 2, 2.5), (2.0, 310, 3, 2.0)])
    found = read_metric(tmp_path, "loss/critic")
    assert [(p.seconds, p.env_steps, p.value) for p in found] == [
        (1.0, 100, 5.0), (2.0, 200, 4.0), (4.0, 210, 2.5), (5.0, 310, 2.0)
    ]  # fmt: skip


def test_a_session_that_ended_before_its_first_report_hides_nothing(tmp_path: Path, clock: list[float]) -> None:
    write(tmp_path, clock, [(1.0, 100, 1, 5.0)])
    clock[0] += 60
    with SummaryWriter(str(tmp_path)) as events:
        events.add_text("said", "hello")
    clock[0] += 60
    (tmp_path / f"events.out.tfevents.{int(clock[0])}.host.1.0").touch()
    assert [point.value for point in read_metric(tmp_path, "loss/critic")] == [5.0]


def test_an_unknown_metric_is_named_with_those_that_exist(tmp_path: Path, clock: list[float]) -> None:
    write(tmp_path, clock, [(1.0, 100, 1, 5.0)])
    with pytest.raises(
        UnknownName, match=r"no metric of .* 'loss/critc'; did you mean 'loss/critic'\? Available: loss"
    ):
        read_metric(tmp_path, "loss/critc")


def test_a_folder_without_events_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no TensorBoard events with 'loss/critic'"):
        read_metric(tmp_path, "loss/critic")
