"""Learner cores looked at again when updates per second drift: when, which are tried, which is kept."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from spreeze.cli import main
from spreeze.roles.learner import take_cores
from spreeze.sizing import usable_cores
from spreeze.tuning import drift as drifting
from spreeze.tuning.drift import PATIENCE, REFERENCE_LOOKS, REST_LOOKS, SETTLE_LOOKS, TRY_LOOKS, Drift, Watch

TRIAL = SETTLE_LOOKS + TRY_LOOKS


class Machine:
    """Updates per second by learner cores, which may change."""

    def __init__(self, rates: dict[int, float], cores: int = 1) -> None:
        self.rates, self.cores, self.tried, self.said = rates, cores, list[int](), list[str]()
        self.drift = Drift(cores, sorted(rates), self.apply, self.said.append)

    def apply(self, cores: int) -> None:
        self.cores = cores
        self.tried.append(cores)

    def look(self, count: int, rate: Callable[[int], float] | None = None) -> None:
        for _ in range(count):
            self.drift.look(rate(self.cores) if rate else self.rates[self.cores])


def drifted(after: dict[int, float], cores: int = 1) -> Machine:
    machine = Machine({1: 100.0, 2: 120.0}, cores)
    machine.look(REFERENCE_LOOKS + 100)
    assert machine.tried == []
    machine.rates = after
    while not machine.said:
        machine.look(1)
    return machine


def test_the_better_number_of_cores_is_kept_after_a_drift() -> None:
    machine = drifted({1: 60.0, 2: 90.0})
    assert machine.said == ["60 updates/s instead of 100: trying other numbers of learner cores"]
    machine.look(TRY_LOOKS + TRIAL)
    assert machine.tried == [2, 2]
    assert machine.drift.cores == machine.cores == 2
    assert machine.said[-1] == "learner cores: 2 (updates/s by cores: 1: 60, 2: 90)"


def test_what_is_hardly_better_is_not_taken() -> None:
    machine = drifted({1: 60.0, 2: 62.0})
    machine.look(TRY_LOOKS + TRIAL)
    assert machine.tried == [2, 1]
    assert machine.cores == 1


def test_a_rate_that_rises_is_a_drift_too() -> None:
    machine = drifted({1: 140.0, 2: 300.0})
    machine.look(TRY_LOOKS + TRIAL)
    assert machine.cores == 2


def test_short_disturbances_are_none() -> None:
    machine = Machine({1: 100.0, 2: 120.0})
    machine.look(REFERENCE_LOOKS)
    for _ in range(5):
        machine.look(PATIENCE // 2 - 1, lambda cores: 50.0)
        machine.look(PATIENCE // 2 + 1)
    assert machine.tried == []


def test_of_many_numbers_of_cores_the_near_ones_are_tried() -> None:
    machine = Machine({cores: 100.0 for cores in range(1, 33)}, cores=6)
    machine.look(REFERENCE_LOOKS)
    machine.look(PATIENCE, lambda cores: 50.0)
    machine.look(TRY_LOOKS + 4 * TRIAL, lambda cores: 50.0)
    assert machine.tried == [3, 5, 7, 12, 6]


def test_a_restarted_learner_is_given_the_cores_that_were_chosen() -> None:
    machine = drifted({1: 60.0, 2: 90.0})
    machine.look(TRY_LOOKS + TRIAL)
    machine.cores = 1
    machine.drift.restarted()
    assert machine.cores == 2


def test_a_restart_ends_the_search() -> None:
    machine = drifted({1: 60.0, 2: 90.0})
    machine.look(TRY_LOOKS)
    machine.drift.restarted()
    assert machine.cores == machine.drift.cores == 1
    machine.look(SETTLE_LOOKS + REFERENCE_LOOKS + PATIENCE)
    assert machine.tried == [2, 1]


def test_it_rests_after_a_decision_and_then_has_a_new_usual_rate() -> None:
    machine = drifted({1: 60.0, 2: 90.0})
    machine.look(TRY_LOOKS + TRIAL)
    machine.look(SETTLE_LOOKS + REST_LOOKS, lambda cores: 10.0)
    machine.look(REFERENCE_LOOKS + 100)
    assert machine.tried == [2, 2]
    machine.look(PATIENCE, lambda cores: 10.0)
    assert "updates/s instead of 90" in machine.said[-1]


def test_nothing_is_tried_where_there_is_nothing_to_choose() -> None:
    machine = Machine({1: 100.0})
    machine.look(REFERENCE_LOOKS)
    machine.look(100, lambda cores: 10.0)
    assert machine.tried == []


def test_looks_before_the_first_update_do_not_count() -> None:
    machine = Machine({1: 100.0, 2: 120.0})
    machine.look(1000, lambda cores: 0.0)
    machine.look(REFERENCE_LOOKS + PATIENCE)
    assert machine.tried == []


def test_a_look_waits_for_enough_updates_but_not_forever() -> None:
    seen, now, made = list[float](), [0.0], [0]
    drift = Drift(1, (1, 2), lambda cores: None, lambda text: None)
    drift.look = seen.append  # type: ignore[method-assign, assignment]
    watch = Watch(drift, lambda: made[0], lambda: now[0])
    for now[0], made[0] in ((0.5, 50), (1.0, 100), (2.0, 110), (3.0, 119), (4.0, 160), (13.0, 165), (14.0, 166)):
        watch()
    assert seen == [100.0, 20.0, 0.6]


def test_all_threads_of_a_learner_move() -> None:
    go, threads, cores = threading.Event(), torch.get_num_threads(), os.sched_getaffinity(0)
    other = threading.Thread(target=go.wait)
    other.start()
    assert other.native_id is not None
    try:
        take_cores({"cores": [max(cores)]})
        assert os.sched_getaffinity(other.native_id) == os.sched_getaffinity(0) == {max(cores)}
        take_cores({"cores": sorted(cores)})
        assert os.sched_getaffinity(other.native_id) == cores
        assert torch.get_num_threads() == len(cores)
    finally:
        go.set()
        other.join()
        torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.skipif(len(usable_cores()) < 2, reason="there must be cores to choose")
def test_a_run_whose_learner_slows_down_looks_at_its_cores_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {"REFERENCE_LOOKS": 3, "PATIENCE": 3, "SETTLE_LOOKS": 1, "TRY_LOOKS": 1, "DRIFT": 0.4}
    for name, value in short.items():
        monkeypatch.setattr(drifting, name, value)
    words = ["run", "--algo", "tests.faults.plugins:ALGORITHM", "--env", "tests.faults.plugins:ENVIRONMENT"]
    words += ["--samplers", "1", "--envs-per-sampler", "4", "--visualize", "none", "--out", str(tmp_path / "run")]
    assert main([*words, "--seconds", "30", "--slow-learner-at", "7"]) == 0
    said = capsys.readouterr().out
    assert "trying other numbers of learner cores" in said
    assert "learner cores: " in said
    assert "Traceback" not in said
