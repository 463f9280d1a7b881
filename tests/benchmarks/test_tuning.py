"""The grid, the finalists and the regret of tuning.py; the ratios of split.py; the slow environment."""

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from spreeze.contract import Range
from spreeze.tuning.search import Choice, Space

FIRST = Choice(1, 16, 1, 256, 1, "auto")
SPACE = Space(frozenset({"batch_size"}), 2, Range(256, 16, 65536), split="critic=cpu,actor=cpu")


@pytest.fixture
def tuning(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("tuning")


@pytest.fixture
def split(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("split")


def grid(tuning: Any, workload: Any, space: Space) -> Iterator[Choice]:
    found: Iterator[Choice] = tuning.grid(workload, space, FIRST)
    return found


def test_the_grid_holds_every_division_of_two_cores_once(tuning: Any) -> None:
    workload = tuning.Workload({}, batches=(64, 256), environments=(16,))
    found = list(grid(tuning, workload, SPACE))
    assert len(found) == len(set(found)) == 2 * (2 * 2 + 1)
    assert {(c.samplers, c.learner_cores) for c in found if c.devices == "auto"} == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert [c for c in found if c.devices != "auto"] == [
        Choice(1, 16, 1, batch, 1, "critic=cpu,actor=cpu") for batch in (64, 256)
    ]


def test_the_rules_of_thumb_are_in_every_grid(tuning: Any) -> None:
    for workload in tuning.WORKLOADS.values():
        assert {16, 4} & set(workload.environments)
        assert 256 in workload.batches


def test_regret_is_the_share_of_the_grids_best_that_the_choice_lacks(tuning: Any) -> None:
    def setting(batch: int, *trials: float) -> Any:
        return tuning.Measured(Choice(1, 16, 1, batch, 1, "auto"), list(trials))

    tried = [setting(batch, progress) for batch, progress in ((16, 1.0), (32, 9.0), (64, 8.0), (128, 7.0), (512, 2.0))]
    finalists = tuning.finalists_of(tried, setting(64).choice, FIRST)
    assert [one.choice.batch_size for one in finalists["grid"]] == [32, 64, 128]
    for batch, group in ((32, "grid"), (64, "grid"), (128, "grid"), (64, "tuned"), (256, "rules")):
        [one] = [one for one in finalists[group] if one.choice.batch_size == batch]
        assert one.trials == []
        one.trials += {"grid": [8.0, 10.0, 12.0], "tuned": [8.0, 9.0, 12.0], "rules": [5.0, 5.0, 6.0]}[group]
    found = tuning.outcome("one", 20.0, 7, 5, finalists)
    assert found["regret"] == pytest.approx(0.1)
    assert found["rules_regret"] == pytest.approx(0.5)
    assert found["spread"] == [pytest.approx(0.0), pytest.approx(0.1)]
    assert tuning.table([found]).row_count == 1


def test_an_unknown_workload_is_named(tuning: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tuning.parse(["fast environment"])
    assert "slow environment" in capsys.readouterr().err


@pytest.mark.alone
def test_a_step_of_the_slow_environment_takes_five_milliseconds(tuning: Any) -> None:
    env = gymnasium.make("tuning_slow:SlowPendulum-v0")
    env.reset(seed=0)
    begun = time.perf_counter()
    for _ in range(10):
        env.step(np.zeros(1, np.float32))
    assert 0.05 <= time.perf_counter() - begun < 0.5


def test_ratios_are_taken_within_a_round(split: Any) -> None:
    settings = split.settings_of([0, 4], 2)
    assert list(settings) == ["joint, 1 core", "joint, 2 cores", "split, d = 0", "split, d = 4"]
    assert settings["split, d = 4"] == {"devices": "critic=cpu,actor=cpu", "delay": 4}
    found = {"joint, 1 core": [10.0, 20.0], "split, d = 4": [15.0, 20.0]}
    assert split.ratios(found, "split, d = 4") == [1.5, 1.0]
    assert split.table({256: found}).row_count == 2
