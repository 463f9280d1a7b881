"""Each part of the throughput benchmark in its smallest mode, without peers."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

SMALL = ["--quick", "--peers", "none", "--rounds", "1", "--seconds", "0.1"]


@pytest.fixture
def main(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the command; return what it has written."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    throughput = importlib.import_module("throughput")

    def run(*words: str) -> Any:
        file = tmp_path / "found.json"
        assert throughput.main([*words, *SMALL, "--json", str(file)]) == 0
        return json.loads(file.read_text())

    return run


@pytest.mark.slow
def test_sampling_is_measured_beside_the_physics_alone(main: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = main("sampling", "--env", "Hopper-v5", "--streams", "8")
    [section] = found["sections"]
    assert section["left_out"] == {}
    assert set(section["best"]) == {"spreeze", "limit"}
    assert 0 < section["ours_over"]["limit"][0] < 1.5
    [row] = found["bars"]
    assert (row["what"], row["subject"]) == ("share of physics alone", "Hopper-v5")
    assert "sampling, Hopper-v5: env steps/s" in capsys.readouterr().out


@pytest.mark.slow
def test_learning_is_measured_beside_the_products_alone(main: Any) -> None:
    found = main("learning", "--batch", "256", "--ring-rows", "20000", "--threads", "1")
    [section] = found["sections"]
    assert section["left_out"] == {}
    assert set(section["best"]) == {"spreeze", "limit"}
    assert 0 < section["ours_over"]["limit"][0] < 1.0


@pytest.mark.slow
def test_both_are_measured_in_a_whole_run(main: Any) -> None:
    options = "--samplers 1 --envs-per-sampler 8 --learner-cores 1 --batch-size 64 --replay-ratio 4"
    found = main("both", "--both-seconds", "2", "--run", options)
    steps, rows = found["sections"]
    assert steps["left_out"] == {}
    ratio = rows["rates"]["spreeze run"][0] / steps["rates"]["spreeze run"][0]
    assert ratio == pytest.approx(4.0, rel=0.2)
