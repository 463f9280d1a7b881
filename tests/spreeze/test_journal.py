"""What a run tells the world: totals over stages and sessions, rates over windows, ratios as they were."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from spreeze import journal as module
from spreeze.checkpoint import Checkpoint
from spreeze.config import Settings
from spreeze.dataset import Dataset, Reference
from spreeze.journal import Journal, ratio_error
from spreeze.sizing import Sizes
from spreeze.transport.counters import ENV_STEPS, ROWS, STARTED, UPDATES, WAITED, Counters

ROLES = ("sampler-0", "learner")
SIZES = Sizes(1, 4, 8, 64, 8.0, (0,), (0,))
EVALUATION = {
    "begun_ns": 0, "env_steps": 100, "updates": 10, "weight_version": [1, 10], "returns": [1.0, 3.0],
    "lengths": [5, 7], "metrics": {"goal": 0.5}, "best": 2.0,
}  # fmt: skip


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands until the test moves it."""
    now = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

    monkeypatch.setattr(module, "time", Clock)
    return now


def make(folder: Path, said: list[str], **previous: Any) -> Journal:
    return Journal(folder, Settings.from_data({"env": "pendulum"}), previous, said.append)


@pytest.fixture
def journal(tmp_path: Path, said: list[str], clock: list[float]) -> Iterator[Journal]:
    made = make(tmp_path, said)
    yield made
    made.close()


def advance(counters: Counters, steps: int, updates: int, batch: int = 64) -> None:
    counters.row("sampler-0")[ENV_STEPS] += steps
    counters.row("learner")[[UPDATES, ROWS]] += updates, updates * batch


def test_rates_are_taken_over_the_last_window(journal: Journal, clock: list[float]) -> None:
    counters = Counters.create(ROLES)
    journal.begin_stage("only", counters, SIZES)
    for second in range(30):
        advance(counters, 100 if second < 15 else 200, 25 if second >= 15 else 12)
        counters.row("sampler-0")[WAITED] += 250_000_000
        journal.sample()
        clock[0] += 1.0
    rates = journal.rates()
    assert (rates["env_steps"], rates["updates"], rates["rows"]) == (200.0, 25.0, 1600.0)
    assert rates["ratio"] == 8.0
    assert rates["waited/sampler-0"] == pytest.approx(0.25)
    assert rates["waited/learner"] == 0.0


def test_the_error_of_the_ratio_is_that_of_every_whole_window_once_learning_is_under_way(
    journal: Journal, clock: list[float]
) -> None:
    counters = Counters.create(ROLES)
    journal.begin_stage("only", counters, SIZES)
    for second in range(40):
        if second < 10:
            advance(counters, 500, 0)
        else:
            advance(counters, 80, 10 if second < 30 else 11)
        journal.sample()
        clock[0] += 1.0
    error = journal.summary("running")["replay_ratio_error"]
    assert error["windows"] == 40 - 10 - 10
    assert error["max"] == pytest.approx(0.1)
    assert 0 < error["mean"] < 0.1


def test_no_window_has_no_error() -> None:
    assert ratio_error([]) is None
    assert ratio_error([-0.2, 0.1]) == {"max": 0.2, "mean": pytest.approx(0.15), "windows": 2}


def test_totals_go_on_over_stages(journal: Journal, clock: list[float]) -> None:
    for name, steps in (("first", 100), ("second", 50)):
        counters = Counters.create(ROLES)
        journal.begin_stage(name, counters, SIZES)
        advance(counters, steps, 2)
        assert journal.env_steps == {"first": 100, "second": 150}[name]
        journal.end_stage()
    clock[0] += 10.0
    summary = journal.summary("finished")
    assert (summary["env_steps"], summary["updates"], summary["rows"]) == (150, 4, 256)
    assert summary["sampling_rate"] == 15.0
    assert [stage["name"] for stage in summary["stages"]] == ["first", "second"]


def test_the_summary_of_a_finished_run_keeps_the_last_rates(journal: Journal, clock: list[float]) -> None:
    counters = Counters.create(ROLES)
    journal.begin_stage("only", counters, SIZES)
    for _ in range(12):
        advance(counters, 80, 10)
        counters.row("learner")[WAITED] += 100_000_000
        journal.sample()
        clock[0] += 1.0
    journal.end_stage()
    summary = journal.summary("finished")
    assert summary["replay_ratio"] == 8.0
    assert summary["waits"] == {"sampler-0": 0.0, "learner": pytest.approx(0.1)}


def test_an_evaluation_is_dated_by_the_moment_its_weights_were_taken(
    journal: Journal, clock: list[float], said: list[str]
) -> None:
    journal.env_steps_before, journal.updates_before = 1000, 100
    begun = int((clock[0] + 7.0) * 1e9)
    clock[0] += 30.0
    journal.add_evaluation(EVALUATION | {"begun_ns": begun})
    [entry] = journal.summary("running")["evaluations"]
    assert entry["seconds"] == pytest.approx(7.0)
    assert (entry["env_steps"], entry["updates"], entry["weight_version"]) == (1100, 110, [1, 10])
    assert entry["returns"] == [1.0, 3.0] and entry["metrics"] == {"goal": 0.5}
    assert "return 2.0 +- 1.0 (2 episodes)" in said[-1]
    assert journal.summary("running")["best_return"] == 2.0


@pytest.mark.parametrize(("role", "at"), [("sampler-0", 300), ("evaluator", 7)])
def test_curves_stand_at_environment_steps_or_at_updates_where_a_stage_takes_none(
    role: str, at: int, tmp_path: Path, said: list[str]
) -> None:
    journal, counters = make(tmp_path, said), Counters.create((role, "learner"))
    journal.begin_stage("only", counters, SIZES)
    counters.row(role)[ENV_STEPS], counters.row("learner")[UPDATES] = 300, 7
    journal.add_metrics({"loss": 0.5})
    journal.add_evaluation(EVALUATION | {"env_steps": 300, "updates": 7})
    journal.close()
    [file] = tmp_path.glob("events.out.tfevents.*")
    events = [(v.tag, event.step) for event in EventFileLoader(str(file)).Load() for v in event.summary.value]
    assert events == [(tag, at) for tag in ("loss", "evaluate/return", "evaluate/length", "evaluate/goal")]


def test_the_first_step_is_dated_from_the_start_of_the_process(tmp_path: Path, clock: list[float]) -> None:
    journal = Journal(tmp_path, Settings.from_data({}), {}, print, age_s=2.5)
    counters = Counters.create(ROLES)
    journal.begin_stage("only", counters, SIZES)
    counters.row("sampler-0")[STARTED] = int((clock[0] + 1.0) * 1e9)
    journal.sample()
    assert journal.first_step_s == pytest.approx(3.5)
    journal.close()


def test_a_resumed_run_goes_on_from_its_history(tmp_path: Path, said: list[str], clock: list[float]) -> None:
    previous = {"wall_seconds": 60.0, "evaluations": [{"returns": [1.0]}], "restarts": {"learner": 2},
                "stages": [{"name": "first"}, {"name": "second"}], "first_step_seconds": 4.0}  # fmt: skip
    journal = make(tmp_path, said, **previous)
    manifest = {"before": [1000, 10, 640], "stage": 1, "env_steps": 1500, "updates": 30}
    journal.restore(Checkpoint(tmp_path, manifest))
    clock[0] += 5.0
    summary = journal.summary("running")
    assert summary["wall_seconds"] == pytest.approx(65.0)
    assert (summary["env_steps"], summary["updates"], summary["rows"]) == (1000, 10, 640)
    assert summary["restarts"] == {"learner": 2}
    assert summary["stages"] == [{"name": "first"}]
    assert summary["first_step_seconds"] == 4.0
    assert "resuming at 1,500 steps, 30 updates" in said[-1]
    journal.close()


def test_the_summary_is_complete_and_plain_data(journal: Journal, tmp_path: Path, clock: list[float]) -> None:
    clock[0] += 1.0
    journal.write_summary("running")
    summary = json.loads((tmp_path / "summary.json").read_text())
    wanted = {
        "algorithm", "environment", "seed", "versions", "machine", "wall_seconds", "env_steps", "updates", "batch_size",
        "sampling_rate", "update_frame_rate", "replay_ratio", "policy_lag", "evaluations", "restarts", "exit_reason",
    }  # fmt: skip
    assert wanted <= summary.keys()
    assert {"python", "torch", "mujoco", "gymnasium", "numpy", "spreeze"} == summary["versions"].keys()
    assert summary["machine"].keys() == {"cpu", "cores", "memory_gb"}


def test_the_summary_identifies_the_dataset(journal: Journal, said: list[str], clock: list[float]) -> None:
    clock[0] += 1.0
    assert journal.summary("running")["dataset"] is None
    reference = Reference(10.0, 20.0, "ten random episodes")
    dataset = Dataset("hopper/toy-v0", "Hopper-v5", "medium", "ab" * 32, 100, reference, tuple)
    journal.learns_from(dataset)
    assert journal.summary("running")["dataset"] == {
        "name": "hopper/toy-v0",
        "environment": "Hopper-v5",
        "digest": "ab" * 32,
        "reference": {"minimum": 10.0, "maximum": 20.0, "source": "ten random episodes"},
    }
    assert said == [dataset.describe()]


def test_what_is_said_is_logged_with_its_moment(
    journal: Journal, tmp_path: Path, said: list[str], clock: list[float]
) -> None:
    clock[0] += 12.34
    journal.say("hello")
    assert said == ["hello"]
    assert (tmp_path / "log.txt").read_text() == "[    12.3 s] hello\n"


def test_a_look_costs_next_to_nothing(tmp_path: Path, said: list[str]) -> None:
    journal, counters = make(tmp_path, said), Counters.create(ROLES)
    journal.begin_stage("only", counters, SIZES)
    begin = time.process_time()
    for _ in range(100):
        journal.sample()
    assert time.process_time() - begin < 1.0
    journal.close()
