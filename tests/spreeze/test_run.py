"""What a run goes on from: the data it began with, and checkpoints of the stage that it is in."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gymnasium.spaces import Box

from spreeze.checkpoint import Checkpoints
from spreeze.config import Settings
from spreeze.contract import Dataset, EnvironmentSpec
from spreeze.errors import UsageError
from spreeze.forkserver import ForkServer
from spreeze.journal import Journal
from spreeze.preflight import prepare
from spreeze.processes import ProcessStage
from spreeze.run import allocate, check_same_data, stage_sizes
from spreeze.stage_hub import StageHub

BOX = Box(-1.0, 1.0, (1,), np.float32)
TOY = {
    "algo": "tests.contract.two_stages:ALGORITHM",
    "env": "tests.contract.environments:LINE",
    "run": {"samplers": 1, "visualize": "none"},
}


def spec_with(digest: str | None) -> EnvironmentSpec:
    data = Dataset("toy", "Toy-v0", "random", digest, 0, None, list) if digest else None
    return EnvironmentSpec(BOX, BOX, None, data)


@pytest.mark.parametrize("now", ["b" * 64, None])
def test_a_run_does_not_go_on_with_other_data(now: str | None, tmp_path: Path) -> None:
    learned = {"name": "toy", "environment": "Toy-v0", "digest": "a" * 64, "reference": None}
    (tmp_path / "summary.json").write_text(json.dumps({"dataset": learned}))
    check_same_data(tmp_path, spec_with("a" * 64))
    with pytest.raises(UsageError, match="learned from dataset toy with SHA-256 aaaaaaaaaaaa, now there is"):
        check_same_data(tmp_path, spec_with(now))


@pytest.mark.parametrize("summary", [{}, {"dataset": None}])
def test_a_run_that_learned_from_no_data_goes_on_with_whatever_there_is(
    summary: dict[str, None], tmp_path: Path
) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    check_same_data(tmp_path, spec_with("b" * 64))
    check_same_data(tmp_path / "nothing", spec_with(None))


def test_a_replay_ratio_serves_an_algorithm_of_which_one_stage_holds_it() -> None:
    settings = Settings.from_data({"algo": "micro", "env": "hopper", "run": {"replay_ratio": 2.0}})
    _, stages = prepare(settings)
    chosen = [stage_sizes(settings, stage, None).replay_ratio for stage in stages]
    assert chosen == [None, 2.0]


@pytest.fixture
def second(tmp_path: Path) -> Iterator[ProcessStage]:
    """The second stage of a run, of which no process was started."""
    settings = Settings.from_data(TOY)
    spec, _ = prepare(settings)
    journal = Journal(tmp_path, settings, {}, lambda text: None)
    with ForkServer() as forkserver:
        stage = ProcessStage(StageHub(tmp_path, allocate(settings, spec, 1, None), journal, None), None, forkserver)
        yield stage
        stage.close()
    journal.close()


def test_a_learner_is_restarted_from_a_checkpoint_of_its_own_stage_only(second: ProcessStage) -> None:
    checkpoints = second.hub.saver.checkpoints
    for index in (0, 1):
        newest = Checkpoints(checkpoints.folder).commit(checkpoints.begin(), {"stage": index})
        second._before_restart("learner")
        assert second._checkpoint == (str(newest) if index == 1 else "")


@pytest.mark.parametrize(("asked", "delay"), [("auto", 1), (3, 3)])
def test_the_delay_of_a_split_learner_is_the_algorithms_or_the_one_asked_for(asked: int | str, delay: int) -> None:
    run = {"delay": asked, "devices": "critic=cpu,actor=cpu", "samplers": 1}
    settings = Settings.from_data({"algo": "sac", "env": "pendulum", "run": run, "algorithm": {"capacity": 1000}})
    spec, [stage] = prepare(settings)
    memory = allocate(settings, spec, 0, None)
    try:
        assert stage.delay == delay
        assert {channel.slots for channel in memory.exchanges.values()} == {delay + 2}
    finally:
        memory.close()
