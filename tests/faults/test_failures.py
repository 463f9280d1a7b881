"""Environments and learners that fail: named with their own traceback, tolerated where that makes sense."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from spreeze.cli import main
from tests.faults.scene import Scene


def test_an_environment_that_always_raises_ends_the_run_with_its_own_traceback(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(scene.words("--raise-at", "5", "--steps", "1000000")) == 3
    out, error = capsys.readouterr()
    assert "spreeze: sampler-0 failed 3 times in a row" in error
    assert 'raise RuntimeError("the motor burned out")' in error
    assert out.count("Traceback") <= 3
    assert scene.summary["exit_reason"].startswith("EnvironmentFault: sampler-0 failed")
    scene.assert_clean()


def test_an_environment_that_raises_at_times_does_not_end_the_run(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(scene.words("--raise-with", "0.002", "--steps", "1000")) == 0
    assert scene.summary["exit_reason"] == "finished"
    assert scene.summary["restarts"].get("sampler-0", 0) >= 1
    assert "the motor stuttered" in capsys.readouterr().out
    scene.assert_clean()


def test_a_learner_that_turns_nan_ends_the_run_and_publishes_nothing_of_it(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(scene.words("--nan-at", "30", "--steps", "1000000", "--checkpoint-every", "0.2")) == 4
    error = capsys.readouterr().err
    assert "spreeze: learner failed" in error
    assert "NaN or infinity in" in error
    for file in scene.folder.rglob("*.safetensors"):
        for name, array in load_file(file).items():
            assert np.isfinite(array).all(), f"{name} of {file.name}"
    scene.assert_clean()


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("nan-observation", 3, "not finite"),
        ("wrong-shape", 3, "declared is (3,)"),
        ("infinite-reward", 3, "not finite"),
        ("raises", 3, "the simulation diverged"),
        ("reset-raises", 3, "no episode begins"),
        ("named", 2, "Dict"),
    ],
)
def test_a_fault_that_shows_at_once_is_told_before_any_process_is_started(
    fault: str, code: int, words: str, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    env = f"tests.envs.faulty:test/{fault}-v0"
    assert main(["run", "--algo", "sac", "--env", env, "--out", str(scene.folder)]) == code
    out, error = capsys.readouterr()
    assert words in error
    assert not scene.seen and "restarting" not in out
    assert not scene.folder.exists()


def test_a_space_that_the_algorithm_cannot_serve_is_told_before_any_process_is_started(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--algo", "sac", "--env", "cartpole", "--out", str(scene.folder)]) == 2
    assert "SAC needs actions in a one-dimensional Box" in capsys.readouterr().err
    assert not scene.folder.exists()


def test_a_folder_that_cannot_be_written_is_told_before_any_process_is_started(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["run", "--env", "pendulum", "--out", str(tmp_path / "file" / "run")]) == 2
    assert "cannot write to the run folder" in capsys.readouterr().err


def test_stores_that_do_not_fit_are_told_before_any_process_is_started(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*scene.words(), "--capacity", "100000000000"]) == 2
    error = capsys.readouterr().err
    assert "lower the capacity" in error and "replay" in error
    scene.assert_clean()
