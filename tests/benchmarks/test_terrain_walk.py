"""Walking over terrain is measured: shares and intervals by hand, and a whole run, stage by stage."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from spreeze import registry
from spreeze.cli import read_settings
from spreeze.contract import Evaluation
from spreeze.spaces import probe
from spreeze.stages import build_stages, environment_spec
from tests.algorithms.heightmap.scene import ENV, SMALL
from tests.contract.playing import play


@pytest.fixture(autouse=True)
def benchmarks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))


@pytest.fixture
def walk() -> ModuleType:
    return importlib.import_module("terrain_walk")


def evaluation(success: float, error: float, size: int) -> Evaluation:
    shares = {"terrain/success": success, "terrain/passed": 0.0, "terrain/with_foot_collision": 1.0}
    errors = {"map/error_cm": error, "map/edge_error_cm": 2 * error, "map/coarse_error_cm": error}
    return Evaluation([0.0] * size, [1] * size, shares | errors)


def test_parts_of_a_run_count_by_their_episodes_and_runs_alike(walk: ModuleType) -> None:
    walks = walk.Walks()
    walks.add([evaluation(0.75, 2.0, 4), evaluation(0.5, 5.0, 2)])
    walks.add([evaluation(0.0, 4.0, 10)])
    assert walks.shares["success"] == [[1.0] * 4 + [0.0] * 2, [0.0] * 10]
    summary = walks.summary()
    assert summary["success"][0] == pytest.approx((4 / 6 + 0) / 2)
    assert summary["success"][1] == 0.0 < summary["success"][0] < summary["success"][2]
    assert summary["passed"] == [0.0, 0.0, 0.0] and summary["foot collision"] == [1.0, 1.0, 1.0]
    assert summary["error"] == [3.5, 3.0, 4.0]


def test_every_stage_of_a_run_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "tiny-0", tmp_path / "terrain.json"
    options = {"algorithm": dataclasses.asdict(SMALL), "environment": {"max_episode_steps": 12}}
    play(run, "heightmap", ENV, serial=True, evaluation_episodes=1, **options)
    benchmark = importlib.import_module("terrain")
    words = f"terrain.py walk {run} --terrain stairs --heights easy hard --episodes 3 --out {out}".split()
    monkeypatch.setattr(sys, "argv", words)
    benchmark.main()
    rows = json.loads(out.read_text())
    places = [(row["name"], row["stage"], row["terrain"], row["heights"]) for row in rows]
    assert places == [
        ("tiny", stage, "stairs", heights) for stage in ("modulator", "closed") for heights in ("easy", "hard")
    ]
    assert ["error" in row for row in rows] == [False, False, True, True]
    assert "stairs" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*words, "--stages", "sixth"])
    with pytest.raises(SystemExit, match="these runs hold policies of blind, modulator, predictor, closed"):
        benchmark.main()


def test_the_command_line_and_the_algorithm_take_every_row() -> None:
    rows = importlib.import_module("campaign_terrain_rows").ROWS
    assert len({row.name for row in rows}) == len(rows) == 40
    for row in (*rows[:7], rows[-1]):
        words = [word.format(seed=row.seed, out="runs/x", python="python") for word in row.command]
        settings = read_settings(words[words.index("run") + 1 :])
        environment = registry.environment(settings.env)
        robot = environment_spec(settings, *probe(environment, settings.environment))
        stages = build_stages(settings, robot)
        assert len(stages) == (2 if row.name.startswith("heightmap-unseeing") else 5)
