"""Adaptation as it is recorded and drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spreeze.algorithms._meta.adaptation import record, tokens
from spreeze.algorithms._meta.episodes import adapt, adapting, evaluate, stays
from spreeze.algorithms._meta.stage import plan_of
from spreeze.algorithms.metacure import MetaCUREConfig
from spreeze.cli import main
from spreeze.contract import EvaluationSetup, TaskFamily
from spreeze.envs.sparse.point import PointVector, near_noise, tasks
from spreeze.envs.sparse.tasks import FamilyOptions
from tests.algorithms.metacure.test_plugin import CONFIG, scene, setup, spec
from tests.contract.playing import play

PLAN = plan_of(spec(), CONFIG, "MetaCURE")


def test_a_record_is_the_adaptation_that_is_evaluated() -> None:
    _, policy = scene()
    found, evaluation = record(setup(policy), PLAN), evaluate(setup(policy), PLAN)
    assert [trail.title for trail in found.trails] == ["before", "explores, 1", "explores, 2", "after"]
    assert [trail.told for trail in found.trails] == [False, True, True, False]
    assert found.task.tolist() == list(range(40, 60))
    np.testing.assert_allclose(found.trails[-1].reward.sum(0), evaluation.returns[:20])
    for index in (1, 2):
        mean = found.trails[index].reward.sum(0).mean()
        assert mean == pytest.approx(evaluation.metrics[f"explored/return_{index}"])


def test_the_recorded_beliefs_are_those_that_were_acted_on() -> None:
    _, policy = scene()
    found = record(setup(policy), PLAN)
    assert found.belief is not None
    mean, deviation = found.belief
    assert mean.shape == deviation.shape == (65, 20, 5)
    first, second, _ = adapt(adapting(setup(policy), PLAN, found.task), PLAN, "exploit")
    for step, told in ((32, first), (64, second)):
        wanted_mean, variance = told.belief.chunk(2, -1)
        np.testing.assert_allclose(mean[step], wanted_mean, atol=1e-5)
        np.testing.assert_allclose(deviation[step], variance.sqrt(), atol=1e-5)


def test_before_anything_is_known_all_tasks_are_played_alike() -> None:
    _, policy = scene()
    before = record(setup(policy), PLAN).trails[0].observation
    np.testing.assert_array_equal(before, np.repeat(before[:, :1], 20, axis=1))


def test_tokens_are_transitions_and_no_token_crosses_episodes() -> None:
    _, policy = scene()
    explored = adapt(adapting(setup(policy), PLAN, np.array([40, 41])), PLAN, "exploit")[:2]
    seen, action, _, after = tokens(explored).split((2, 2, 1, 2), -1)
    assert (seen[[0, 32]] == 0).all()
    torch.testing.assert_close(after, seen + 0.1 * action, atol=1e-5, rtol=0)


def noisy(count: int, seed: int) -> TaskFamily:
    return PointVector("points", tasks(True), FamilyOptions(), count, seed, noisy=True)


def test_the_share_of_steps_near_the_noise_is_told_where_there_is_noise() -> None:
    _, policy = scene()
    played = adapt(adapting(setup(policy), PLAN, np.arange(40, 60)), PLAN, "exploit")
    for one, place in zip(played, ((0.0, -1.2), (0.25, -1.25), (0.0, 0.0)), strict=True):
        one.fields["observation"][1:] = place
    assert stays(noisy(1, 0), played[:2]) == {"explored/at_noise": 0.5}
    assert near_noise(np.array([[0.0, -1.2], [0.25, -1.25]])).tolist() == [True, False]
    assert stays(setup(policy).make_envs(1, 0), played[:2]) == {}  # type: ignore[arg-type]


TINY: dict[str, Any] = {"warmup": 600, "hidden": [16], "encoder_width": 16, "tasks_per_update": 4}
RL2: dict[str, Any] = {"hidden": [16], "horizon": 32, "task_episodes": 2}


@pytest.mark.parametrize(("name", "options"), [("metacure", TINY), ("pearl", TINY), ("rl2", RL2)])
def test_a_run_is_drawn_by_eval(
    name: str, options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    play(folder, name, "point-robot-sparse", options, steps=1500, envs_per_sampler=4, serial=True, batch_size=64)
    assert main(["eval", str(folder), "--plot"]) == 0
    said = capsys.readouterr().out
    assert f"{name} on point-robot-sparse, 20 tasks held out" in said and "last episode" in said
    assert (folder / "adaptation.png").stat().st_size > 10_000
    assert main(["eval", str(folder), str(folder), "--plot", "--out", str(tmp_path / "other.png")]) == 2
    assert "one picture" in capsys.readouterr().err


def test_the_explorer_s_last_episode_is_recorded_without_the_exploiter() -> None:
    stage, policy = scene(MetaCUREConfig(**{**vars(CONFIG), "last_episode": "explorer"}))
    assert stage.adapt is not None
    policy.exploiter = None  # type: ignore[assignment]
    asked: EvaluationSetup = setup(policy)
    assert len(stage.adapt(asked).trails) == 4
