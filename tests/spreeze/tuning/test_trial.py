"""Trials with real roles, forked: their rates, their failures, and that nothing of them is left."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from spreeze.config import Settings
from spreeze.preflight import prepare
from spreeze.tuning.nursery import Nursery
from spreeze.tuning.trial import TrialError, Trials


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with open(os.devnull, "wb") as nothing, Nursery(("spreeze.envs",), nothing.fileno()) as started:
        yield started


def trials_of(nursery: Nursery, **request: Any) -> Trials:
    settings = Settings.from_data({"algo": "sac", "env": "pendulum"} | request)
    spec, _ = prepare(settings)
    return Trials(settings, spec, 0, None, nursery)


def left(nursery: Nursery) -> list[psutil.Process]:
    children = psutil.Process(nursery.pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def test_a_trial_runs_the_stage_at_its_ratio_and_leaves_nothing(nursery: Nursery) -> None:
    setting = {"batch_size": 64, "envs_per_sampler": 8, "samplers": 2}
    trials_of(nursery).measure(setting)  # The first trial compiles, and reads from a cold disk.
    files = set(os.listdir("/proc/self/fd"))
    rates = trials_of(nursery).measure(setting)
    assert rates.updates > 1
    assert rates.env_steps == pytest.approx(64 * rates.updates / 16, rel=0.5)
    assert min(rates.learner_waits, rates.sampler_waits) < 0.9
    assert left(nursery) == []
    assert set(os.listdir("/proc/self/fd")) == files


@pytest.mark.parametrize("delay", [0, 4])
def test_parts_apart_are_tried_too(nursery: Nursery, delay: int) -> None:
    assert trials_of(nursery).measure({"devices": "critic=cpu,actor=cpu", "delay": delay}).updates > 1


def test_a_trial_that_fails_says_why_in_a_line_and_the_next_one_works(nursery: Nursery) -> None:
    trials = trials_of(nursery, env="tests.faults.plugins:ENVIRONMENT", environment={"raise_at": 30})
    with pytest.raises(TrialError) as failed:
        trials.measure({"samplers": 1, "envs_per_sampler": 4, "batch_size": 32})
    assert "\n" not in str(failed.value)
    assert left(nursery) == []
    assert trials_of(nursery).measure({"batch_size": 64}).updates > 1


def test_stores_that_do_not_fit_are_a_problem_of_the_trial(nursery: Nursery) -> None:
    with pytest.raises(TrialError, match="GB"):
        trials_of(nursery, algorithm={"capacity": 10**6}).measure({"envs_per_sampler": 10**9})


def test_a_dead_nursery_is_told(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, pytest.raises(TrialError, match="exit code 1"):
        Nursery(("no_such_module",), log.fileno())
    assert b"no_such_module" in (tmp_path / "log").read_bytes()


def test_a_nursery_that_hangs_hears_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hanging.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def check() -> None:
        raise KeyboardInterrupt

    with open(os.devnull, "wb") as nothing, pytest.raises(KeyboardInterrupt):
        Nursery(("hanging",), nothing.fileno(), check)
    assert [child for child in psutil.Process().children() if "hanging" in child.cmdline()] == []


def test_descriptors_of_a_stage_that_cannot_be_made_are_given_back(nursery: Nursery, monkeypatch: Any) -> None:
    trials, files = trials_of(nursery), set(os.listdir("/proc/self/fd"))

    def fail(*given: Any) -> None:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr("spreeze.stage_memory.split_parts", fail)
    with pytest.raises(TrialError, match=r"^out of memory$"):
        trials.measure({"devices": "critic=cpu,actor=cpu"})
    assert set(os.listdir("/proc/self/fd")) == files
