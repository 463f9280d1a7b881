"""What bipeds measure arrives where a run is looked at; and a run is measured with another controller."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from spreeze.cli import main
from spreeze.run_folder import load_settings, read_summary

NAMES = ("walking/saturated", "walking/failed", "walking/slipped")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the ALIP walker, whose episodes last 120 decisions; not to be written to."""
    folder = tmp_path_factory.mktemp("walker") / "run"
    words = ("run", "--algo", "alip_walker", "--env", "rabbit", "--serial", "--visualize", "none")
    assert main([*words, "--evaluation-episodes", "2", "--max-episode-steps", "120", "--out", str(folder)]) == 0
    return folder


def test_shares_of_ticks_reach_summary_tensorboard_and_log(run: Path) -> None:
    [evaluation] = read_summary(run)["evaluations"]
    assert evaluation["metrics"].keys() == set(NAMES)
    assert 0 < evaluation["metrics"]["walking/saturated"] < 1
    events = EventAccumulator(str(run))
    events.Reload()
    for name in NAMES:
        [event] = events.Scalars(f"evaluate/{name}")
        assert event.value == pytest.approx(evaluation["metrics"][name])
    said = (run / "log.txt").read_text()
    assert all(f", {name} {evaluation['metrics'][name]:.4g}" in said for name in NAMES)


def test_eval_prints_them(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--episodes", "2"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert [part.rpartition(" ")[0] for part in last.split(", ")] == list(NAMES)


@pytest.fixture
def bipeds(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    found = importlib.import_module("bipeds")
    monkeypatch.setattr(found, "STEPS", 2)
    robust = importlib.import_module("bipeds_robust")
    monkeypatch.setattr(robust, "SLOPES", (0.0,))
    monkeypatch.setattr(robust, "IMPULSES", (0.0,))
    return found


def test_a_run_is_measured_with_another_controller(run: Path, bipeds: Any, tmp_path: Path) -> None:
    found = {}
    for controller in ([], ["--controller", "inverse-kinematics"]):
        bipeds.main(["walk", str(run), "--episodes", "4", "--out", str(tmp_path), *controller])
        [(name, result)] = json.loads((tmp_path / "walk.json").read_text()).items()
        found[name] = result
    usual, other = found.values()
    assert list(found) == ["alip_walker on rabbit, run", "alip_walker on rabbit, inverse-kinematics, run"]
    assert usual["survived"][0] == other["survived"][0] == 1.0
    assert usual["rms"][0] != other["rms"][0] < 0.3
    assert load_settings(run / "config.yaml").environment.controller == "auto"
    bipeds.main(["robust", str(run), "--episodes", "2", "--out", str(tmp_path), "--controller", "inverse-kinematics"])
    [(name, result)] = json.loads((tmp_path / "robust.json").read_text()).items()
    assert name.endswith("inverse-kinematics") and result["slopes"]["0.0"][0] == 1.0


def test_a_controller_that_the_robot_does_not_have_is_refused(run: Path, bipeds: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="--controller magic: there are auto, linearisation, inverse-kinematics"):
        bipeds.main(["walk", str(run), "--out", str(tmp_path), "--controller", "magic"])
