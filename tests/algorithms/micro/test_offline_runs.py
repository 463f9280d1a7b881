"""Whole runs from logged data: in turns, in processes, stopped and resumed, with a sampler killed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from spreeze import run_folder
from spreeze.signals import Interrupted
from spreeze.transport.counters import BEAT, ENV_STEPS, INCARNATION, Counters
from tests.algorithms.micro.line_world import EPISODE, LineWorld, behaviour
from tests.contract.playing import play, resume, tensors
from tests.faults.scene import Scene, staged, title, wait_for
from tests.warm import template

PLUGINS = "tests.algorithms.micro.line_world"
FAMILY = ("micro", "mopo", "mobile", "offline_sac")
UPDATES = 400
OPTIONS: Mapping[str, Any] = {
    **{"hidden": [32, 32], "dynamics_hidden": [32, 32], "members": 3, "elites": 2, "dynamics_epochs": 8},
    **{"dynamics_batch": 64, "dynamics_learning_rate": 3e-3, "samples": 3, "horizon": 3, "rollout_batch": 60},
    **{"imagined_per_update": 60, "retained_updates": 200, "updates": UPDATES, "discount": 0.9, "polyak_rate": 0.02},
    **{"actor_learning_rate": 3e-3, "critic_learning_rate": 3e-3, "initial_temperature": 0.05},
}
RUN: Mapping[str, Any] = {"batch_size": 64, "evaluation_episodes": 20, "seed": 1}
SERIAL: Mapping[str, Any] = {**RUN, "serial": True, "evaluate_every_steps": 6000}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for those tests that want an ensemble, whoever fitted it."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def scene(root: Path, tmp_path: Path) -> Iterator[Scene]:
    template()  # What it opens is nothing of the run's.
    with staged(root, tmp_path) as made:
        yield made


def play_serial(folder: Path, algo: str, **options: Any) -> dict[str, Any]:
    return play(folder, algo, f"{PLUGINS}:ENVIRONMENT", {**OPTIONS, **options}, **SERIAL)


def words_of(scene: Scene, algo: str, **options: Any) -> list[str]:
    """The command line of a run in processes."""
    words = ["run", "--algo", algo, "--env", f"{PLUGINS}:ENVIRONMENT", "--out", str(scene.folder)]
    words += ["--visualize", "none", "--evaluate-every", "1"]
    for name, value in {**RUN, **OPTIONS, **options}.items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def assert_learned(summary: Mapping[str, Any]) -> None:
    """The policy is far better than what was shown; of 100, standing at the origin from the start, 92 are possible."""
    assert summary["exit_reason"] == "finished"
    last = summary["evaluations"][-1]
    score = 100 * (float(np.mean(last["returns"])) - behaviour()) / (EPISODE - behaviour())
    assert last["metrics"]["score"] == pytest.approx(score)
    assert score > 75


@pytest.mark.parametrize("algo", FAMILY)
def test_a_run_in_turns_learns_more_than_was_shown(
    algo: str, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPREEZE_CACHE", str(shared))
    summary = play_serial(tmp_path / "run", algo)
    assert_learned(summary)
    stages = [stage["name"] for stage in summary["stages"]]
    assert stages == (["policy"] if algo == "offline_sac" else ["dynamics", "policy"])
    assert (tmp_path / "run" / "log.txt").read_text().count("line/random: LineWorld-v0") == 1


PLAYED = [pytest.param(algo, marks=pytest.mark.slow) for algo in FAMILY[1:3]]


@pytest.mark.parametrize("algo", [*PLAYED, "offline_sac"])
def test_a_run_in_processes_does_too(algo: str, scene: Scene, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPREEZE_CACHE", str(shared))
    samplers = {} if algo == "offline_sac" else {"samplers": 1}
    assert scene.play(words_of(scene, algo, **samplers)) == 0
    assert_learned(scene.summary)
    assert scene.summary["restarts"] == {}
    scene.assert_clean()


ROLES = ("sampler-0", "sampler-1", "learner", "evaluator")


def kill_one_sampler(scene: Scene, end: Path) -> None:
    """Kill the first of two samplers of the second stage; end the run when its successor has imagined rows too."""
    wait_for(lambda: "sampler-1" in scene.roles())
    counters = scene.await_roles(ROLES)
    wait_for(lambda: counters.updates > UPDATES / 2 and min(rows_of(counters)) > 0)
    scene.roles()["sampler-0"].kill()
    killed, other = rows_of(counters)
    wait_for(lambda: counters.row("sampler-0")[INCARNATION] == 2 and rows_of(counters)[0] > killed)
    assert counters.row("sampler-0")[BEAT] > 0
    assert rows_of(counters)[1] > other
    wait_for(lambda: counters.updates > UPDATES)
    end.touch()


def rows_of(counters: Counters) -> tuple[int, int]:
    """Rows that each sampler has imagined."""
    first, second = (int(counters.row(role)[ENV_STEPS]) for role in ROLES[:2])
    return first, second


@pytest.mark.alone
def test_a_sampler_that_is_killed_changes_nothing_but_a_count(scene: Scene) -> None:
    end = scene.folder.parent / "end"
    words = words_of(scene, f"{PLUGINS}:MICRO", updates=1_000_000, samplers=2, tune="off", end=end)
    assert scene.play(words, lambda: kill_one_sampler(scene, end)) == 0
    assert scene.summary["restarts"] == {"sampler-0": 1}
    assert_learned(scene.summary)
    scene.assert_clean()


def test_a_run_stopped_in_its_second_stage_goes_on_to_the_bit(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only evaluations step the environment: the 400th step is in the second one."""
    monkeypatch.setenv("SPREEZE_CACHE", str(shared))
    whole = play_serial(tmp_path / "whole", "micro", updates=300)
    LineWorld.steps_left = 400
    with pytest.raises(Interrupted):
        play_serial(tmp_path / "stopped", "micro", updates=300)
    assert run_folder.read_summary(tmp_path / "stopped")["updates"] < whole["updates"]
    assert LineWorld.steps_left <= 0
    LineWorld.steps_left = -1
    assert resume(tmp_path / "stopped")["exit_reason"] == "finished"
    one, other = tensors(tmp_path / "whole", "*"), tensors(tmp_path / "stopped", "*")
    assert one.keys() == other.keys()
    assert [name for name, array in one.items() if array.tobytes() != other[name].tobytes()] == []


def test_a_second_run_takes_the_ensemble_of_the_first_and_learns_alike(tmp_path: Path, own_cache: Path) -> None:
    first = play_serial(tmp_path / "first", "micro", updates=50)
    assert len(list(own_cache.glob("dynamics/*.safetensors"))) == 1
    second = play_serial(tmp_path / "second", "micro", updates=50)
    assert first["updates"] > second["updates"] == 50
    one, other = tensors(tmp_path / "first", "part-*"), tensors(tmp_path / "second", "part-*")
    assert [name for name, array in one.items() if array.tobytes() != other[name].tobytes()] == []


def test_the_ensemble_is_not_kept_where_that_is_not_wanted(tmp_path: Path, own_cache: Path) -> None:
    play_serial(tmp_path / "run", "micro", updates=20, dynamics_epochs=1, cache=False)
    assert not (own_cache / "dynamics").exists()


def test_an_unknown_dataset_is_refused_before_anything_starts(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    assert scene.play([*words_of(scene, "micro"), "--dataset", "expert"]) == 2
    assert "no dataset 'expert'; there is random" in capfd.readouterr().err


def test_no_process_is_left() -> None:
    children = psutil.Process().children(recursive=True)
    assert [child for child in children if title(child)[:1] == ["spreeze:"]] == []
