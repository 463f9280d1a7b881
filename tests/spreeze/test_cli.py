"""The command line: fast help, typos answered, options from file and flags, every command on a real run."""

import dataclasses
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from spreeze import registry
from spreeze.cli import COMMANDS, main, read_settings
from spreeze.config import RunOptions
from spreeze.contract import Algorithm

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


@pytest.mark.alone
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
    for name, reason in (("no_such_module:X", "No module named"), (f"{__name__}:HELP", "is no Algorithm")):
        code, error = fails_with(["run", "--algo", name], capsys)
        assert code == 2
        assert reason in error and name in error


def test_what_can_be_run_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "  sac " in shown and "  pendulum " in shown and "BROKEN" not in shown


def test_the_machine_is_examined(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) in (0, 1)
    assert "cores" in capsys.readouterr().out.lower()


def test_every_common_option_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    assert [f.name for f in dataclasses.fields(RunOptions) if f"--{f.name.replace('_', '-')}" not in shown] == []
