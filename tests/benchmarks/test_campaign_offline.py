"""The rows that learn from logged data: what they are, what they wait for, and what the ledger keeps of them."""

import hashlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from spreeze.cli import parse, positional, read_settings
from spreeze.eval_cli import EvalOptions, plan_of
from spreeze.preflight import prepare

LEARN = """
import json, pathlib, sys
out, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
out.mkdir(parents=True)
reference = {"minimum": 10.0, "maximum": 110.0, "source": "a toy"}
dataset = {"name": "toy/medium-v0", "environment": "Toy-v0", "digest": "ab" * 32, "reference": reference}
evaluations = [
    {"seconds": 60.0 * k, "env_steps": 7, "updates": 100 * k + 5000, "weight_version": [1, 100 * k],
     "returns": [20.0 * k + seed]} for k in (1, 3, 2)
]
summary = {"format": 1, "wall_seconds": 200.0, "env_steps": 7, "updates": 5300, "evaluations": evaluations,
           "dataset": dataset, "exit_reason": "finished"}
(out / "summary.json").write_text(json.dumps(summary))
"""
EVALUATE = """
import json, pathlib, sys
run, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
assert (run / "summary.json").exists()
out.mkdir(parents=True)
def cell(attack, radius, friction, gravity, mean):
    return {"attack": attack, "radius": radius, "friction": friction, "gravity": gravity, "mean": mean, "std": 0.0}
cells = [cell("none", 0.0, None, None, 60.0), cell("random", 0.0, None, None, 60.0),
         cell("random", 0.2, None, None, 40.0), cell("none", 0.0, 0.5, 1.0, 30.0), cell("none", 0.0, 1.0, 1.0, 60.0)]
result = {"run": str(run), "algorithm": "toy", "environment": "Toy-v0", "mujoco": "3", "checkpoint": "checkpoint-1",
          "episodes": 10, "seed": 12345, "spread": "the observations of dataset toy", "std": [1.0],
          "reference": {"minimum": 10.0, "maximum": 110.0, "source": "a toy"}, "cells": cells,
          "areas": {"random": {"return": 50.0, "score": 40.0}}}
(out / "robustness.json").write_text(json.dumps({"format": 1, "runs": [result]}))
"""


@pytest.fixture
def campaign(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("campaign")


@pytest.fixture
def rows(campaign: ModuleType) -> ModuleType:
    return importlib.import_module("campaign_offline_rows")


@pytest.fixture
def make(campaign: ModuleType, tmp_path: Path) -> Callable[..., Any]:
    """Build a campaign below `tmp_path` of one training from `data.hdf5` and the evaluation that follows it."""

    def build(needs: str = "data.hdf5") -> Any:
        command = ("{python}", "-c", LEARN, "{out}", "{seed}")
        row = campaign.Row("train-4", command, "Toy-v0", "toy", 4, 0.1, needs=needs, advice="draw it by hand")
        words = ("{python}", "-c", EVALUATE, "{run}", "{out}")
        after = campaign.Row("robust-4", words, "Toy-v0", "toy", 4, 0.1, after="train-4", result="robustness.json")
        return campaign.Campaign(tmp_path, [row, after])

    return build


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_ledger_keeps_the_dataset_and_the_updates_of_the_policy(
    campaign: ModuleType, make: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "data.hdf5").touch()
    toy = make()
    assert campaign.run(toy, only="train") == 0
    (entry,) = lines(toy.ledger)
    assert entry["dataset"] == {
        "name": "toy/medium-v0",
        "environment": "Toy-v0",
        "digest": "ab" * 32,
        "reference": {"minimum": 10.0, "maximum": 110.0, "source": "a toy"},
    }
    assert entry["curve"] == [[60.0, 7, 24.0, 100], [120.0, 7, 44.0, 200], [180.0, 7, 64.0, 300]]
    assert (entry["last_return"], entry["best_return"], entry["updates"]) == (64.0, 64.0, 5300)


def test_a_row_without_its_data_is_left_out_with_advice(
    campaign: ModuleType, make: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert campaign.run(make()) == 0
    said = capsys.readouterr().out
    assert "train-4: left out: data.hdf5 is missing; draw it by hand" in said
    assert "robust-4: left out: it follows train-4, which has not finished; `run --only train-4` makes that" in said
    assert not make().ledger.exists()
    (tmp_path / "data.hdf5").touch()
    assert campaign.run(make()) == 0
    assert [entry["row"] for entry in lines(make().ledger)] == ["train-4", "robust-4"]


def test_an_evaluation_follows_its_training_and_its_numbers_are_kept(
    campaign: ModuleType, make: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    toy = make(needs="")
    assert campaign.run(toy) == 0
    _, entry = lines(toy.ledger)
    assert entry["row"] == "robust-4" and "curve" not in entry
    assert entry["robustness"] == {
        "checkpoint": "checkpoint-1",
        "episodes": 10,
        "seed": 12345,
        "spread": "the observations of dataset toy",
        "reference": {"minimum": 10.0, "maximum": 110.0, "source": "a toy"},
        "areas": {"random": 50.0},
        "grid_mean": 45.0,
        "attacked": [["none", 0.0, 60.0], ["random", 0.0, 60.0], ["random", 0.2, 40.0]],
        "grid": [[0.5, 1.0, 30.0], [1.0, 1.0, 60.0]],
    }
    assert "robust-4: areas: random 50.0; mean over friction and gravity 45.0" in capsys.readouterr().out


def test_an_evaluation_without_the_folder_of_its_run_is_left_out(
    campaign: ModuleType, make: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    toy = make(needs="")
    assert campaign.run(toy, only="train") == 0
    (toy.results / "train-4" / "summary.json").unlink()
    assert campaign.run(toy) == 0
    assert "robust-4: left out: the finished run is gone from runs/campaign/train-4" in capsys.readouterr().out
    assert [row.name for row in toy.open_rows()] == ["robust-4"]


def test_the_status_tells_what_waits(campaign: ModuleType, make: Callable[..., Any]) -> None:
    def states() -> list[str]:
        console = Console(width=140)
        with console.capture() as capture:
            console.print(campaign.status(make(needs="")))
        return [line.split()[7] for line in capture.get().splitlines() if "-4" in line]

    assert states() == ["open", "waits"]
    campaign.run(make(needs=""))
    assert states() == ["done", "done"]


def test_each_dataset_has_a_figure_of_its_own(campaign: ModuleType, make: Callable[..., Any]) -> None:
    toy = make(needs="")
    campaign.run(toy)
    assert campaign.plot(toy) == [toy.figures / "offline-toy-medium-v0.png"]
    assert (toy.figures / "offline-toy-medium-v0.png").read_bytes().startswith(b"\x89PNG")


def test_every_seed_is_complete_before_the_next_begins(rows: ModuleType) -> None:
    assert [row.seed for row in rows.ROWS] == sorted(row.seed for row in rows.ROWS)
    names = {seed: {row.name.removesuffix(f"-{seed}") for row in rows.ROWS if row.seed == seed} for seed in range(5)}
    methods = ("micro", "mopo", "mobile", "td3_bc", "bc", "bc_tenth")
    for found in names.values():
        assert found == {
            *(f"offline-{name}-{data}" for name in methods for data in ("hopper", "walker2d")),
            *(f"robust-{name}-{data}" for name in methods[:3] for data in ("hopper", "walker2d")),
            "d3rlpy-td3_bc-hopper",
        }


def test_an_evaluation_comes_after_its_training(rows: ModuleType) -> None:
    names = [row.name for row in rows.ROWS]
    for index, row in enumerate(rows.ROWS):
        assert not row.after or row.after in names[:index]


def test_all_algorithms_make_the_same_updates_on_the_same_data(rows: ModuleType, root: Path) -> None:
    trained = [row for row in rows.ROWS if not row.after]
    assert {row.command[row.command.index("--updates") + 1] for row in trained} == {"50000"}
    assert all((root / row.needs).is_file() for row in rows.ROWS)
    assert {row.needs for row in trained if row.name.startswith("d3rlpy")} == {
        row.needs for row in trained if row.name.startswith("offline-micro-hopper")
    }


def test_every_training_passes_the_checks_before_a_run(
    rows: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    for row in rows.ROWS:
        if row.seed == 0 and row.name.startswith("offline-"):
            settings = read_settings([word.replace("{seed}", "0") for word in row.command[4:]])
            spec, stages = prepare(settings)
            assert spec.dataset is not None
            assert spec.dataset.digest == hashlib.sha256((root / row.needs).read_bytes()).hexdigest()
            assert stages[-1].until.updates == 50_000
            assert (settings.run.evaluate_every, settings.run.visualize) == (60.0, "none")


def test_every_policy_meets_all_attacks_and_the_whole_grid(rows: ModuleType) -> None:
    for row in (row for row in rows.ROWS if row.after):
        plan = plan_of(parse(positional(EvalOptions), row.command[4:], "eval"))
        assert plan.attacks == ("random", "action-diff", "min-q")
        assert plan.conditions == 1 + 3 * 10 + 25
        assert (plan.checkpoint, plan.episodes) == ("latest", 10)
