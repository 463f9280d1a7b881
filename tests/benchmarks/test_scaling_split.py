"""The model of a split learner, by hand-computed cases; the command in its smallest mode."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def split(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("scaling_split")


@pytest.fixture
def costs(split: Any) -> Any:
    """100 rows; 6 ms for the critic, 3 ms for the actor, 0.5 ms for the exchange of 1.2 MB."""
    return split.Costs(100, 6e-3, 3e-3, 0.5e-3, 1_200_000)


def test_parts_take_turns_without_a_delay_and_work_at_once_with_one(split: Any, costs: Any) -> None:
    assert split.joint(costs) == pytest.approx(100 / 9e-3)
    assert split.split(costs, 0) == pytest.approx(100 / 10e-3)
    assert split.split(costs, 1) == split.split(costs, 16) == pytest.approx(100 / 6.5e-3)


def test_gpus_keep_the_shares_of_the_work_and_add_copies_to_the_exchange(split: Any, costs: Any) -> None:
    """32,000 rows at 320,000 rows/s take 100 ms, two thirds of them the critic's; 1.2 MB at 12 GB/s take 0.1 ms."""
    found = split.on_gpus(costs, 320_000, 32_000, 12e9)
    assert (found.critic_s, found.actor_s) == (pytest.approx(2 / 30), pytest.approx(1 / 30))
    assert found.exchange_s == pytest.approx(0.6e-3)
    assert split.joint(found) == pytest.approx(320_000)


def test_the_command_measures_both_parts_and_their_exchange(
    split: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units, file = tmp_path / "units.json", tmp_path / "costs.json"
    affine = {"fixed": 1e-5, "each": 1e-6}
    of_a_core = {"policy": affine, "physics_s": 2e-5, "rest": affine, "contention": 0.0, "update": affine}
    units.write_text(json.dumps({"units": of_a_core | {"serial_share": 0.5}}), encoding="utf-8")
    words = ["--batches", "64", "--rounds", "3", "--env", "pendulum", "--units", str(units), "--json", str(file)]
    assert split.main(words) == 0
    here, on_paper = json.loads(file.read_text(encoding="utf-8"))["costs"]
    assert min(here["critic_s"], here["actor_s"], here["exchange_s"]) > 0
    assert here["exchanged_bytes"] > 4 * 256 * 256
    assert on_paper["exchange_s"] > here["exchange_s"]
    assert "on paper: two GPUs" in capsys.readouterr().out
