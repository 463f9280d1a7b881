"""Trials with real roles, forked: their rates, their failures, and that nothing of them is left."""

import os
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from spreeze.config import Settings
from spreeze.forkserver import ForkServer
from spreeze.preflight import prepare
from spreeze.tuning.trial import TrialError, Trials
from tests.faults.scene import title


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer() as started:
        yield started


def trials_of(forkserver: ForkServer, **request: Any) -> Trials:
    settings = Settings.from_data({"algo": "sac", "env": "pendulum"} | request)
    spec, _ = prepare(settings)
    return Trials(settings, spec, 0, None, forkserver)


def left() -> list[list[str]]:
    """Roles that are children of this process."""
    return [words for child in psutil.Process().children() if (words := title(child))[:1] == ["spreeze:"]]


def test_a_trial_runs_the_stage_at_its_ratio_and_leaves_nothing(forkserver: ForkServer) -> None:
    setting = {"batch_size": 64, "envs_per_sampler": 8, "samplers": 2}
    trials_of(forkserver).measure(setting)  # The first trial compiles, and reads from a cold disk.
    files = set(os.listdir("/proc/self/fd"))
    rates = trials_of(forkserver).measure(setting)
    assert rates.updates > 1
    assert rates.env_steps == pytest.approx(64 * rates.updates / 16, rel=0.5)
    assert min(rates.learner_waits, rates.sampler_waits) < 0.9
    assert left() == []
    assert set(os.listdir("/proc/self/fd")) == files


@pytest.mark.parametrize("delay", [0, 4])
def test_parts_apart_are_tried_too(forkserver: ForkServer, delay: int) -> None:
    assert trials_of(forkserver).measure({"devices": "critic=cpu,actor=cpu", "delay": delay}).updates > 1


def test_a_trial_that_fails_says_why_in_a_line_and_the_next_one_works(forkserver: ForkServer) -> None:
    trials = trials_of(forkserver, env="tests.faults.plugins:ENVIRONMENT", environment={"raise_at": 30})
    with pytest.raises(TrialError) as failed:
        trials.measure({"samplers": 1, "envs_per_sampler": 4, "batch_size": 32})
    assert "\n" not in str(failed.value)
    assert left() == []
    assert trials_of(forkserver).measure({"batch_size": 64}).updates > 1


def test_stores_that_do_not_fit_are_a_problem_of_the_trial(forkserver: ForkServer) -> None:
    with pytest.raises(TrialError, match="GB"):
        trials_of(forkserver, algorithm={"capacity": 10**6}).measure({"envs_per_sampler": 10**9})


def test_descriptors_of_a_stage_that_cannot_be_made_are_given_back(forkserver: ForkServer, monkeypatch: Any) -> None:
    trials, files = trials_of(forkserver), set(os.listdir("/proc/self/fd"))

    def fail(*given: Any) -> None:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr("spreeze.stage_memory.split_parts", fail)
    with pytest.raises(TrialError, match=r"^out of memory$"):
        trials.measure({"devices": "critic=cpu,actor=cpu"})
    assert set(os.listdir("/proc/self/fd")) == files
