"""Time to a target return, by hand-computed cases; the command on the campaign's own ledger."""

import argparse
import importlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from spreeze.curves import Curve, Point


@pytest.fixture
def times(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("learning_times")


def curve(label: str, seconds: Sequence[float], values: Sequence[float], seed: int = 0) -> Curve:
    points = (Point(s, 0, value) for s, value in zip(seconds, values, strict=True))
    return Curve(label, "Toy-v0", seed, tuple(points))


def runs(label: str, *reached: float | None) -> list[Curve]:
    """Runs of evaluations every 10 s until 100 s, whose return is 0 before a moment and 10 from it on."""
    seconds = [10.0 * k for k in range(1, 11)]
    return [
        curve(label, seconds, [10.0 if at is not None and s >= at else 0.0 for s in seconds], seed)
        for seed, at in enumerate(reached)
    ]


def test_a_target_is_reached_at_the_first_evaluation_whose_smoothed_return_is_enough(times: Any) -> None:
    run = curve("a", [10.0, 20.0, 30.0, 40.0], [0.0, 9.0, 0.0, 9.0])
    assert times.reach(run, 9.0, 0.0) == times.Reach(20.0, 40.0)
    assert times.reach(run, 4.5, 20.0) == times.Reach(20.0, 40.0)
    assert times.reach(run, 4.6, 20.0) == times.Reach(None, 40.0)


def test_rare_and_frequent_evaluations_of_one_curve_reach_a_target_together(times: Any) -> None:
    often, rare = (curve("a", range(every, 301, every), range(every, 301, every)) for every in (10, 30))
    found = [times.reach(run, 150.0, 60.0).seconds for run in (often, rare)]
    assert found == [180.0, 180.0]


def test_runs_that_do_not_reach_it_limit_what_is_known(times: Any) -> None:
    reaches = [times.Reach(20.0, 100.0), times.Reach(None, 90.0), times.Reach(95.0, 100.0)]
    assert times.horizon(reaches) == 90.0
    assert times.restricted(reaches, 90.0) == [20.0, 90.0, 90.0]
    assert times.median_time(reaches) == 95.0
    assert times.median_time([reaches[1], reaches[1], reaches[0]]) == math.inf
    assert times.horizon([reaches[0], reaches[2]]) == 95.0


def test_sides_are_compared_within_one_common_limit(times: Any) -> None:
    mine, theirs = runs("ours", 20.0, 40.0), runs("peer 1.0", 80.0, None)
    ours, peer = times.summaries([*mine, *theirs], 10.0, 0.0, "peer", seed=0)
    assert (ours.reached, ours.seeds, ours.median_s, ours.limit_s) == (2, 2, 30.0, 100.0)
    assert (peer.reached, peer.seeds, peer.median_s, peer.ratio) == (1, 2, math.inf, None)
    assert ours.restricted_s.value == 30.0
    assert peer.restricted_s.value == 90.0
    assert ours.ratio.value == pytest.approx(1 / 3)
    assert ours.ratio.low == pytest.approx(20 / 100)
    assert ours.ratio.high == pytest.approx(40 / 80)


def test_sides_of_which_none_reached_the_target_have_no_ratio(times: Any) -> None:
    found = times.summaries([*runs("ours", None), *runs("peer", None)], 10.0, 0.0, "peer", seed=0)
    assert [one.ratio for one in found] == [None, None]
    assert times.summaries(runs("ours", 20.0), 10.0, 0.0, "peer", seed=0)[0].ratio is None


def entry(label: str, seed: int, reached: float) -> dict[str, Any]:
    curve = [[10.0 * k, 100 * k, 3000.0 if 10.0 * k >= reached else None if k == 1 else 5.0] for k in range(1, 11)]
    return {"row": f"{label}-{seed}", "label": label, "environment": "Hopper-v5", "seed": seed, "curve": curve}


def test_the_command_reads_a_ledger_prints_a_table_and_draws_a_figure(
    times: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger, figure, file = tmp_path / "ledger.jsonl", tmp_path / "figures" / "times.png", tmp_path / "times.json"
    entries = [entry("spreeze SAC", 0, 30.0), entry("spreeze SAC", 1, 50.0), entry("Stable-Baselines3 SAC", 0, 80.0)]
    ledger.write_text("".join(json.dumps(one) + "\n" for one in entries))
    main = importlib.import_module("learning").main
    words = ["--ledger", str(ledger), "--out", str(figure), "--json", str(file), "--window", "0"]
    assert main(words) == 0
    assert "2 of 2" in capsys.readouterr().out
    assert figure.read_bytes().startswith(b"\x89PNG")
    ours, _ = json.loads(file.read_text())
    assert (ours["median_s"], ours["restricted_s"]["value"], ours["ratio"]["value"]) == (40.0, 40.0, 0.5)
    assert main([*words, "--target", "Ant-v5=1"]) == 1
    assert "no run of Ant-v5" in capsys.readouterr().err


def test_the_command_reads_run_folders_and_knows_short_names(times: Any, tmp_path: Path) -> None:
    evaluations = [{"seconds": 10.0 * k, "env_steps": k, "returns": [float(k), k + 2.0]} for k in range(1, 5)]
    summary = {"algorithm": "sac", "environment": "hopper", "seed": 0, "evaluations": evaluations}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    [run] = importlib.import_module("learning").chosen_runs(argparse.Namespace(runs=[tmp_path]))
    assert (run.environment, [(p.seconds, p.value) for p in run.points]) == (
        "Hopper-v5",
        [(10.0, 2.0), (20.0, 3.0), (30.0, 4.0), (40.0, 5.0)],
    )
    assert times.reach(run, 4.0, 0.0).seconds == 30.0


def test_the_share_of_seeds_rises_by_one_at_each_that_reaches_the_target(times: Any) -> None:
    shares = importlib.import_module("learning_figure").shares
    found = shares(runs("ours", 60.0, 30.0, None, 90.0), 10.0, 0.0)
    assert found == ([0.0, 30.0, 60.0, 90.0, 100.0], [0.0, 0.25, 0.5, 0.75, 0.75])


def test_rows_are_chosen_by_several_patterns(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    learning = importlib.import_module("learning")
    ledger = root / "benchmarks" / "ledger.jsonl"
    one, other = (learning.ledger_runs(ledger, only) for only in ("sb3-sac-hopper", "faster-sac-halfcheetah"))
    both = learning.ledger_runs(ledger, "sb3-sac-hopper, faster-sac-halfcheetah")
    assert {curve.environment for curve in one} != {curve.environment for curve in other}
    assert len(both) == len(one) + len(other) >= 2
