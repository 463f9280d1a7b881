"""Commands about runs: a run, what it leaves, resuming, measuring and drawing it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spreeze.cli import main, read_settings
from spreeze.run_folder import load_settings, read_summary

TINY = (
    *("--serial", "--env", "pendulum", "--hidden", "16", "--warmup", "64", "--capacity", "5000", "--batch-size", "16"),
    *("--replay-ratio", "1", "--samplers", "1", "--envs-per-sampler", "4", "--visualize", "none"),
    *("--evaluation-episodes", "1", "--evaluate-every-steps", "200"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with one short serial run, `runs/first`, made by the command line."""
    folder = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "spreeze", "run", *TINY, "--steps", "400", "--out", "runs/first"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    (folder / "output.txt").write_text(done.stdout)
    assert done.stderr == ""
    yield folder


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run, in a working folder of its own."""
    shutil.copytree(home / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return Path("runs/first")


def test_a_run_says_plain_lines_where_there_is_no_terminal(home: Path) -> None:
    output = (home / "output.txt").read_text()
    assert "\x1b" not in output and "\r" not in output
    assert output.startswith("sac on pendulum -> runs/first   (curves: tensorboard --logdir runs/first)\n")
    assert "evaluation at" in output
    assert output.endswith("finished: runs/first/summary.json\n")


def test_a_run_folder_holds_everything(home: Path) -> None:
    names = {path.name for path in (home / "runs/first").iterdir()}
    assert {"config.yaml", "summary.json", "log.txt", "checkpoints"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    summary = read_summary(home / "runs/first")
    assert summary["exit_reason"] == "finished"
    assert summary["env_steps"] >= 400 and summary["updates"] > 0
    for path in (home / "runs/first").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"


def test_the_configuration_of_a_run_makes_the_same_run(run: Path) -> None:
    words = ["--config", f"{run}/config.yaml", "--out", "runs/second"]
    first, second = load_settings(run / "config.yaml"), read_settings(words)
    assert second == first.replace(out=Path("runs/second"))
    assert main(["run", *words]) == 0
    for name in ("env_steps", "updates", "best_return"):
        assert read_summary(Path("runs/second"))[name] == read_summary(run)[name]


@pytest.mark.parametrize("given", ["latest", "runs/first", "runs/first/checkpoints/checkpoint-00000001"])
def test_a_run_is_resumed_by_any_of_its_names(given: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_summary(run)
    assert main(["resume", given, "--steps", str(before["env_steps"] + 100)]) == 0
    after = read_summary(run)
    assert after["env_steps"] >= before["env_steps"] + 100
    assert after["updates"] > before["updates"]
    assert after["evaluations"][: len(before["evaluations"])] == before["evaluations"]
    assert f"resuming at {before['env_steps']:,} steps" in capsys.readouterr().out


def test_a_run_without_an_intact_checkpoint_is_not_resumed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in run.glob("checkpoints/checkpoint-*/manifest.json"):
        path.write_text("{")
    assert main(["resume", str(run), "--steps", "9999"]) == 5
    assert "holds no intact checkpoint; start anew with" in capsys.readouterr().err


def test_a_run_that_saved_nothing_begins_anew(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "checkpoints")
    assert main(["resume", str(run), "--steps", "300"]) == 0
    assert "nothing was saved: the run begins anew" in capsys.readouterr().out
    assert 300 <= read_summary(run)["env_steps"] < 1000


def test_a_damaged_checkpoint_is_told_and_the_one_before_resumed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", str(run), "--steps", "500"]) == 0
    newest = sorted(run.glob("checkpoints/checkpoint-*"))[-1]
    os.truncate(newest / "part-critic.safetensors", 100)
    assert main(["resume", str(run), "--steps", "600"]) == 0
    assert f"{newest.name} is damaged: part-critic.safetensors differs from its digest" in capsys.readouterr().out


@pytest.mark.parametrize("which", ["best", "latest"])
def test_a_policy_is_measured(which: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", str(run), "--episodes", "2", "--checkpoint", which]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "episode   1: return" in shown and "200 steps" in shown
    assert f"over 2 episodes, {which} policy" in shown
    assert main(words) == 0
    assert capsys.readouterr().out == shown


def test_a_run_is_drawn(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(run), "--out", "curves.png"]) == 0
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    assert Path("curves.csv").read_text().count("\n") > 1
    assert capsys.readouterr().out.splitlines()[-3:] == ["curves.png", "curves.csv", "curves-groups.csv"]


def test_a_second_run_of_the_same_name_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *TINY, "--out", str(run)]) == 2
    assert "holds a run; `spreeze resume" in capsys.readouterr().err
