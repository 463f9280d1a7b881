"""`spreeze eval` with attacks, friction and gravity: its lines, its files, its refusals."""

import json
from pathlib import Path

import pytest

from spreeze.cli import main
from tests.spreeze.attackable import run_folder

QUICK = ("--episodes", "2", "--radius", "0,0.1")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of the linear policy, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    return run_folder(Path("runs/line"))


def test_attacks_are_shown_and_kept_in_the_run_folder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--attack", "random,min-q", *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:7]] == ["attack", "none", "random", "random", "min-q", "min-q"]
    assert "2 episodes each, seed 12345" in lines[7] and "best-00000001" in lines[7] and "mujoco" in lines[7]
    assert lines[8] == "radius in standard deviations of the observations of the unattacked policy"
    assert lines[9].startswith("area under return against radius, random: -")
    assert lines[-2:] == ["runs/line/robustness.png", "runs/line/robustness.json"]
    assert all(Path(line).stat().st_size > 0 for line in lines[-2:])


def test_without_an_attack_a_run_is_measured_as_ever(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "latest", "--episodes", "2"]) == 0
    assert "over 2 episodes, best policy (best-00000001)" in capsys.readouterr().out
    assert not (run / "robustness.json").exists()


def test_several_runs_are_compared_in_one_picture(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run_folder(Path("runs/other"), critic=False)
    assert main(["eval", str(run), str(other), "--attack", "random", *QUICK]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["robustness.png", "robustness.json"]
    assert [r["run"] for r in json.loads(Path("robustness.json").read_text())["runs"]] == ["runs/line", "runs/other"]


@pytest.mark.parametrize("out", ["new/place", "new/place.png", "new/place.json"])
def test_results_go_where_they_are_wanted(out: str, run: Path) -> None:
    assert main(["eval", str(run), "--attack", "random", *QUICK, "--out", out]) == 0
    assert {path.name for path in Path("new").iterdir()} == {"place.png", "place.json"}


def test_friction_and_gravity_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_folder(tmp_path / "run", "hopper")
    assert main(["eval", str(run), "--friction", "0.5,1", "--gravity", "1", "--episodes", "1"]) == 0
    shown = capsys.readouterr().out
    assert "mean over friction and gravity: " in shown and "Hopper-v5" in shown
    rows = [line.split()[:4] for line in shown.splitlines()[2:4]]
    assert rows == [["none", "0", "0.5", "1"], ["none", "0", "1", "1"]]


def test_scores_are_shown_with_their_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_folder(tmp_path / "run", "tests.spreeze.attackable:RECORDED")
    assert main(["eval", str(run), "--attack", "random", *QUICK]) == 0
    shown = capsys.readouterr().out
    assert "(score 100.0, by hand)" in shown  # -0.00 of -10 to 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--attack minq", "did you mean 'min-q'"),
        ("--attack random --radius 0,x", "--radius 0,x"),
        ("--attack random --radius -1", "--radius -1"),
        ("--attack random --radius nan", "--radius nan"),
        ("--attack random --episodes 0", "--episodes 0"),
        ("--attack random --seed -1", "--seed -1"),
        ("--friction 0", "--friction 0"),
        ("--gravity -1", "--gravity -1"),
        ("--friction 1", "no option friction"),
        ("--friction 1 --radius 0.1", "--radius belongs to --attack"),
        ("--radius 0.1", "--radius and --out belong to --attack"),
        ("--out here", "--radius and --out belong to --attack"),
        ("--episodes 0", "--episodes 0"),
        ("--atack random", "--attack"),
    ],
)
def test_options_that_cannot_be_served_are_named(
    options: str, complaint: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["eval", str(run), *options.split()])
    except SystemExit as end:
        assert isinstance(end.code, int)
        code = end.code
    error = capsys.readouterr().err
    assert code == 2
    assert complaint in error and "Traceback" not in error
    assert not list(Path.cwd().rglob("robustness.*"))


def test_results_that_cannot_be_written_are_refused_before_an_episode(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    assert main(["eval", str(run), "--attack", "random", "--out", "file/place"]) == 2
    said = capsys.readouterr()
    assert "--out file/place" in said.err and said.out == ""
