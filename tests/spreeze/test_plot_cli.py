"""`spreeze plot`: what it says, what it writes, what it refuses."""

import math
from pathlib import Path

import pytest
import yaml

from spreeze.cli import main
from tests.spreeze.curve_folders import evaluation, rows_of, run_folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seeds(name: str, count: int, gain: float = 1.0, **more: object) -> list[str]:
    """Runs of `count` seeds whose return is gain x minute + seed, over ten minutes."""
    for seed in range(count):
        evaluations = [evaluation(60.0 * k, 100 * k, [gain * k + seed], updates=10 * k) for k in range(11)]
        run_folder(Path(f"runs/{name}-{seed}"), evaluations, seed=seed, **more)
    return [f"runs/{name}-{seed}" for seed in range(count)]


def with_options(run: str, **options: object) -> None:
    text = yaml.safe_dump({"algo": "sac", "env": "pendulum", "run": {}, "algorithm": options, "environment": {}})
    Path(run, "config.yaml").write_text(text)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_table_and_three_files_come_of_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", *seeds("a", 5), *seeds("b", 2, 2.0, label="peer")]) == 0
    shown = said(capsys)
    assert shown.splitlines()[-3:] == ["curves.png", "curves.csv", "curves-groups.csv"]
    (ours,), (peer,) = ([line for line in shown.splitlines() if name in line] for name in ("sac (5", "peer (2"))
    assert "12.0 (10.3 to 13.7)" in ours and "10 min" in ours and "▁▁▂" in ours
    assert "20.5 " in peer and " to " not in peer and "1.00" in peer
    assert all(Path(name).stat().st_size > 100 for name in ("curves.png", "curves.csv", "curves-groups.csv"))


def test_every_evaluation_is_one_line_of_the_csv() -> None:
    evaluations = [evaluation(60.0, 2000, [10.0, 20.0]), evaluation(30.0, 1000, [1.0, 2.0, 6.0], updates=400)]
    run_folder(Path("run"), evaluations, seed=3)
    assert main(["plot", "run", "--out", "new/x.csv"]) == 0
    first, second = rows_of(Path("new/x.csv"))
    assert first == {
        "label": "sac", "environment": "Pendulum-v1", "seed": "3", "metric": "return", "seconds": "30.0",
        "env_steps": "1000", "updates": "400", "value": "3.0", "lowest": "1.0", "highest": "6.0", "episodes": "3",
    }  # fmt: skip
    assert (second["value"], second["updates"]) == ("15.0", "")
    assert {path.name for path in Path("new").iterdir()} == {"x.csv", "x-groups.csv"}


def test_groups_are_written_as_they_are_drawn() -> None:
    assert main(["plot", *seeds("a", 4), "--x", "updates", "--out", "x.csv"]) == 0
    rows = rows_of(Path("x-groups.csv"))
    assert [row["x"] for row in rows] == [f"{10.0 * k}" for k in range(11)]
    assert [float(row["iqm"]) for row in rows] == [k + 1.5 for k in range(11)]
    assert {(row["label"], row["seeds"], row["axis"], row["metric"]) for row in rows} == {
        ("sac", "4", "updates", "return")
    }
    assert all(float(row["low"]) < float(row["iqm"]) < float(row["high"]) for row in rows)


def test_an_interval_of_two_seeds_stays_empty() -> None:
    assert main(["plot", *seeds("a", 2), "--out", "x.csv"]) == 0
    assert {(row["low"], row["high"]) for row in rows_of(Path("x-groups.csv"))} == {("", "")}


@pytest.mark.parametrize(
    ("out", "files"),
    [
        ("x", {"x.png", "x.csv", "x-groups.csv"}),
        ("x.png", {"x.png", "x.csv", "x-groups.csv"}),
        ("x.svg", {"x.svg", "x.csv", "x-groups.csv"}),
        (".", {"curves.png", "curves.csv", "curves-groups.csv"}),
    ],
)
def test_files_go_where_they_are_wanted(out: str, files: set[str]) -> None:
    assert main(["plot", *seeds("a", 1), "--out", out]) == 0
    assert {path.name for path in Path().iterdir()} == files | {"runs"}


def test_runs_are_named_by_pattern_and_latest_and_count_once(capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = seeds("a", 3)
    with_options(first)
    assert main(["plot", "latest", "runs/a-*", first]) == 0
    assert "sac (3 seeds)" in said(capsys)


def test_labels_name_groups(capsys: pytest.CaptureFixture[str]) -> None:
    seeds("a", 2)
    seeds("b", 1)
    assert main(["plot", "runs/a-*", "runs/b-0", "--label", "small steps", "large steps"]) == 0
    shown = said(capsys)
    assert "small steps (2 seeds)" in shown and "large steps (1 seed)" in shown


def test_options_tell_groups_apart(capsys: pytest.CaptureFixture[str]) -> None:
    for run, rate in zip(seeds("a", 3), (0.001, 0.001, 0.0003), strict=True):
        with_options(run, learning_rate=rate, hidden=[64, 64])
    assert main(["plot", "runs/*", "--group-by", "algorithm,learning-rate"]) == 0
    shown = said(capsys)
    assert "sac, learning_rate 0.001 (2 seeds)" in shown and "sac, learning_rate 0.0003 (1 seed)" in shown
    assert main(["plot", "runs/*", "--group-by", "run,hidden"]) == 0
    assert "a-0, hidden 64x64 (1 seed)" in said(capsys)


def test_what_was_auto_is_grouped_by_what_it_became(capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = seeds("a", 1, batch_size=512)
    with_options(run, batch_size="auto")
    assert main(["plot", run, "--group-by", "batch_size"]) == 0
    assert "batch_size 512 (1 seed)" in said(capsys)


def test_smoothing_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", *seeds("a", 1), "--smooth", "120", "--out", "x.csv"]) == 0
    assert [row["value"] for row in rows_of(Path("x.csv"))][:3] == ["0.0", "0.5", "1.5"]


def test_a_seed_that_counts_twice_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", *seeds("a", 2), *seeds("b", 1)]) == 0
    assert "sac (3 seeds) on Pendulum-v1 holds a seed more than once" in said(capsys)


def test_a_run_without_evaluations_is_left_out_with_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(Path("runs/empty"), [])
    run_folder(Path("runs/unfinished"), [evaluation(1.0, 10, [])])
    assert main(["plot", "runs/empty", *seeds("good", 1), "runs/unfinished"]) == 0
    shown = said(capsys)
    assert "runs/empty: no evaluations, left out" in shown and "runs/unfinished: no evaluations" in shown


def test_seeds_that_never_meet_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        run_folder(Path(f"runs/{seed}"), [evaluation(100.0 * seed + k, k, [1.0]) for k in range(3)], seed=seed)
    assert main(["plot", "runs/*"]) == 0
    shown = said(capsys)
    assert "sac (3 seeds) on Pendulum-v1 along wall clock: no stretch that all of its seeds reach" in shown
    assert "along environment steps" not in shown


def test_a_return_that_is_not_a_number_leaves_a_gap(capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(Path("run"), [evaluation(1.0, 1, [0.5]), evaluation(2.0, 2, [math.nan])])
    assert main(["plot", "run"]) == 0
    assert math.isnan(float(rows_of(Path("curves.csv"))[1]["value"]))
    assert "nan" in said(capsys)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("plot", "give the folder of a RUN"),
        ("plot nowhere", "'nowhere' holds no summary.json"),
        ("plot nowhere/*", "no folder with a summary.json matches 'nowhere/*'"),
        ("plot runs/empty", "none of the 1 runs holds an evaluation"),
        ("plot runs/a-0 --out x.jpg", "--out x.jpg: give a name that ends in .png, .svg or .csv"),
        ("plot runs/a-0 --x second", "no axis 'second'; did you mean 'seconds'?"),
        ("plot runs/offline --x steps", "--x steps: these runs made no environment steps"),
        ("plot runs/a-0 --label one two", "2 names for 1 RUNs"),
        ("plot runs/a-0 --group-by learning_rate", "cannot read the configuration"),
        ("plot runs/b-0 --group-by learning_rat", "did you mean 'learning_rate'?"),
        ("plot runs/a-0 --metric loss/critic", "holds no TensorBoard events with 'loss/critic'"),
        ("plot runs/a-0 --smooth -1", "--smooth -1"),
        ("plot runs/a-0 --out runs/a-0/summary.json/x.png", "cannot write"),
    ],
)
def test_what_cannot_be_served_is_named(words: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    seeds("a", 1)
    with_options(seeds("b", 1)[0], learning_rate=0.001)
    run_folder(Path("runs/empty"), [])
    run_folder(Path("runs/offline"), [evaluation(1.0, 0, [0.5], updates=3)])
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert complaint in error and "Traceback" not in error
    assert not list(Path().glob("*.png"))
