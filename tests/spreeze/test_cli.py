"""The command line: fast help, typos answered, options from file and flags, every command on a real run."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from spreeze import registry
from spreeze.cli import COMMANDS, main, read_settings
from spreeze.config import RunOptions
from spreeze.contract import Algorithm
from spreeze.run_folder import load_settings, read_summary

HELP = [["--help"], *([command, "--help"] for command in COMMANDS)]
SHOW_HELP = """
import sys
from spreeze.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
print("LOADED", *sys.modules)
"""
TINY = (
    *("--serial", "--env", "pendulum", "--hidden", "16", "--warmup", "64", "--capacity", "5000", "--batch-size", "16"),
    *("--replay-ratio", "1", "--samplers", "1", "--envs-per-sampler", "4", "--visualize", "none"),
    *("--evaluation-episodes", "1", "--evaluate-every-steps", "200"),
)


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_comes_at_once_and_without_torch(words: list[str], root: Path) -> None:
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", SHOW_HELP, *words], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - begin)
    shown, loaded = done.stdout.split("LOADED")
    assert "usage: spreeze" in shown
    assert not {"torch", "numpy", "gymnasium", "mujoco", "tensorboard", "matplotlib"} & set(loaded.split())
    assert min(seconds) < 1.0, f"{' '.join(words)} took {min(seconds):.2f} s"


def test_no_command_shows_the_commands_and_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: spreeze COMMAND" in capsys.readouterr().out


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [command for command in COMMANDS if f"\n  {command} " not in shown] == []


def test_help_of_an_algorithm_shows_its_options_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", "--algo", "sac", "--env", "pendulum", "--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    for option in ("--seed", "--discount", "--max-episode-steps", "--hidden", "--steps"):
        assert option in shown
    assert "Discount factor gamma" in shown


def fails_with(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code of a command that cannot be served, and what it said on standard error."""
    try:
        code = main(words)
    except SystemExit as end:
        assert isinstance(end.code, int)
        code = end.code
    return code, capsys.readouterr().err


TYPOS = [
    ("runn", "run"),
    ("resum latest", "resume"),
    ("evaluate x", "eval"),
    ("plt x", "plot"),
    ("lst", "list"),
    ("datset list", "dataset"),
    ("docter", "doctor"),
    ("run --algo sak", "sac"),
    ("run --algo SACC", "sac"),
    ("run --env hoper", "hopper"),
    ("run --env HalfCheetah", "halfcheetah"),
    ("run --env pendulum-v1", "pendulum"),
    ("run --sed 1", "--seed"),
    ("run --step 100", "--steps"),
    ("run --batchsize 64", "--batch-size"),
    ("run --env-per-sampler 4", "--envs-per-sampler"),
    ("run --reply-ratio 4", "--replay-ratio"),
    ("run --discont 0.9", "--discount"),
    ("run --max-episode-stps 9", "--max-episode-steps"),
    ("resume latest --stps 5", "--steps"),
    ("eval latest --episode 5", "--episodes"),
    ("plot x --titel y", "--title"),
]


@pytest.mark.parametrize(("line", "nearest"), TYPOS)
def test_a_typo_is_answered_with_the_nearest_word(
    line: str, nearest: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, error = fails_with(line.split(), capsys)
    assert code == 2
    assert nearest in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("run: {sed: 3}", "seed"), ("algoritm: {}", "algorithm"), ("algorithm: {hiden: [16]}", "hidden"),
     ("environment: {max_episode_step: 3}", "max_episode_steps"), ("run: {visualise: none}", "visualize")],
)  # fmt: skip
def test_a_typo_in_a_file_is_answered_with_the_nearest_word(
    text: str, nearest: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(text)
    code, error = fails_with(["run", "--config", str(tmp_path / "config.yaml")], capsys)
    assert code == 2
    assert f"did you mean '{nearest}'" in error


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("run --seed one", "one"),
        ("run --samplers many", "many"),
        ("run --samplers 0 --env pendulum", "at least 1"),
        ("run --envs-per-sampler 0 --env pendulum", "at least 1"),
        ("run --batch-size 1 --env pendulum", "--batch-size 1 is outside"),
        ("run --replay-ratio 0.01 --env pendulum", "--replay-ratio 0.01 is outside"),
        ("run --algo bc --replay-ratio 4", "no stage of bc holds a replay ratio"),
        ("run --devices tpu --env pendulum", "'tpu' is no torch device"),
        ("run --devices cuda:99 --env pendulum", "is not there"),
        ("run --devices critic=cpu,actr=cpu --env pendulum", "actr"),
        ("run --visualize maybe", "maybe"),
        ("run --config missing.yaml", "missing.yaml"),
        ("run --algo", "--algo"),
        ("run --steps 0 --env pendulum", "--steps"),
        ("run --seconds -1 --env pendulum", "--seconds"),
        ("run --until-return nan --env pendulum", "--until-return"),
        ("run --evaluation-episodes 0 --env pendulum", "--evaluation-episodes"),
        ("run --seed -1 --env pendulum", "--seed"),
        ("run --delay -1 --env pendulum", "--delay"),
        ("resume", "RUN"),
        ("resume nowhere", "nowhere"),
        ("eval nowhere", "nowhere"),
        ("plot nowhere", "nowhere"),
        ("list everything", "everything"),
        ("doctor --now", "--now"),
    ],
)
def test_a_value_that_cannot_be_served_is_named_before_anything_is_started(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, error = fails_with(line.split(), capsys)
    assert code == 2
    assert complaint in error
    assert "Traceback" not in error
    assert list(tmp_path.rglob("config.yaml")) == []


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    data = {"env": "pendulum", "run": {"seed": 3, "batch_size": 32}, "algorithm": {"discount": 0.9, "hidden": [8]}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(data))
    settings = read_settings(["--config", str(tmp_path / "mine.yaml"), "--seed", "5", "--hidden", "4", "4"])
    assert (settings.run.seed, settings.algorithm.hidden) == (5, (4, 4))
    assert (settings.env, settings.run.batch_size, settings.algorithm.discount) == ("pendulum", 32, 0.9)
    assert settings.run.samplers == RunOptions().samplers
    assert settings.algorithm.polyak_rate == registry.algorithm("sac").config().polyak_rate


def test_a_file_for_another_environment_keeps_what_still_fits(tmp_path: Path) -> None:
    data = {
        "env": "pendulum",
        "run": {"seed": 3},
        "environment": {"max_episode_steps": 7},
        "algorithm": {"hidden": [8]},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(data))
    settings = read_settings(["--config", str(tmp_path / "mine.yaml"), "--env", "hopper"])
    assert (settings.env, settings.run.seed, settings.algorithm.hidden) == ("hopper", 3, (8,))
    assert settings.environment.max_episode_steps is None


@dataclass(frozen=True)
class Colliding:
    """Options of an algorithm that wants one of spreeze's own names."""

    seed: int = 1
    """A second seed."""


COLLIDING = Algorithm("collides", "nowhere", Colliding, lambda spaces, config, batch: [])


def test_an_algorithm_that_takes_a_common_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, error = fails_with(["run", "--algo", f"{__name__}:COLLIDING", "--env", "pendulum"], capsys)
    assert code == 2
    assert "'seed'" in error and "Traceback" not in error


def test_an_unusable_plug_in_is_named_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    for name, reason in (("no_such_module:X", "No module named"), (f"{__name__}:TINY", "is no Algorithm")):
        code, error = fails_with(["run", "--algo", name], capsys)
        assert code == 2
        assert reason in error and name in error


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


def test_what_can_be_run_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "  sac " in shown and "  pendulum " in shown and "BROKEN" not in shown


def test_the_machine_is_examined(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) in (0, 1)
    assert "cores" in capsys.readouterr().out.lower()


def test_a_second_run_of_the_same_name_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *TINY, "--out", str(run)]) == 2
    assert "holds a run; `spreeze resume" in capsys.readouterr().err


def test_every_common_option_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    assert [f.name for f in dataclasses.fields(RunOptions) if f"--{f.name.replace('_', '-')}" not in shown] == []
