"""What is said of a run, from its summary alone."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from spreeze.run_folder import read_summary, write_summary
from spreeze.viewer import numbers
from spreeze.viewer.numbers import RunNumbers, clock_of, rows_of, state_of


def summary(seconds: float, steps: int, **others: Any) -> dict[str, Any]:
    counts = {"wall_seconds": seconds, "env_steps": steps, "updates": 10 * steps, "rows": 100 * steps}
    means: dict[str, Any] = {
        "replay_ratio": 8.0,
        "policy_lag": 2.6,
        "best_return": None,
        "evaluations": [],
        "exit_reason": "running",
    }
    return counts | means | others


def test_a_rate_is_that_between_two_summaries() -> None:
    rows = dict(rows_of(summary(30.0, 5000), summary(20.0, 1000), 3.0))
    assert (rows["steps"], rows["updates"], rows["rows"]) == ("5,000 (400/s)", "50,000 (4,000/s)", "500,000 (40,000/s)")
    assert rows["run"] == "running, as of 3 s ago"


@pytest.mark.parametrize("before", [{}, summary(99.0, 9999)])
def test_without_a_summary_before_it_is_that_of_the_whole_run(before: dict[str, Any]) -> None:
    assert dict(rows_of(summary(20.0, 1000), before, 0.0))["steps"] == "1,000 (50/s)"


def test_the_last_and_the_best_evaluation_are_shown() -> None:
    evaluated = summary(20.0, 1000, evaluations=[{"returns": [9.0]}, {"returns": [1.0, 2.0]}], best_return=9.0)
    rows = dict(rows_of(evaluated, {}, 0.0))
    assert (rows["evaluated"], rows["best"], rows["replay ratio"], rows["policy lag"]) == (
        "1.5",
        "9.0",
        "8.00",
        "3 updates",
    )


def test_a_run_that_says_nothing_is_taken_for_dead() -> None:
    assert state_of("running", 100.0) == "silent for 0:01:40; it was killed?"
    assert state_of("finished", 1e6) == "finished"


def test_hours_minutes_and_seconds() -> None:
    assert clock_of(3 * 3600 + 4 * 60 + 5.9) == "3:04:05"


def test_a_real_run_is_described(hopper: Path) -> None:
    rows = dict(RunNumbers(hopper).rows())
    assert (rows["run"], rows["steps"].split()[0]) == ("finished", f"{read_summary(hopper)['env_steps']:,}")
    assert float(rows["best"]) > 0


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = RunNumbers(tmp_path)
    assert told.rows() == [("run", "no summary.json yet")]
    monkeypatch.setattr(numbers, "LOOK_EVERY_S", 0.0)
    write_summary(tmp_path, summary(10.0, 1000))
    assert dict(told.rows())["steps"] == "1,000 (100/s)"
    write_summary(tmp_path, summary(20.0, 3000))
    os.utime(tmp_path / "summary.json", (1.0, 1.0))
    assert dict(told.rows())["steps"] == "3,000 (200/s)"


def test_a_summary_of_another_kind_is_no_error(hopper: Path, tmp_path: Path) -> None:
    del (other := read_summary(hopper))["evaluations"]
    (tmp_path / "summary.json").write_text(json.dumps(other))
    assert RunNumbers(tmp_path).rows() == [("run", "summary.json is of another version")]
