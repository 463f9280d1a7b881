"""The cost benchmark: real processes, our side standing in for the kit's, which no test has."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

SIZES = ("--observations", "11", "--actions", "3", "--rows", "2000")


@pytest.fixture
def benchmark(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("offline_cost")


@pytest.fixture
def ours(benchmark: ModuleType) -> ModuleType:
    return importlib.import_module("offline_cost_ours")


@pytest.fixture
def side(benchmark: ModuleType, root: Path) -> Iterator[Any]:
    with benchmark.Side([str(root / "benchmarks" / "offline_cost_ours.py"), *SIZES], 1) as running:
        yield running


def counts(benchmark: ModuleType) -> Any:
    return benchmark.Counts(repetitions=2, learn=2, rollouts=1000, model=1, products=1)


def shown(table: Any) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_both_sides_are_timed_in_turn_and_the_sum_is_that_of_the_pieces(benchmark: ModuleType, side: Any) -> None:
    costs = benchmark.compare(side, side, counts(benchmark), [("mopo", "mopo"), ("mobile", "micro")])
    assert [cost.piece for cost in costs] == 2 * ["update", "rollouts", "sum"]
    assert all(len(cost.peer_ms) == len(cost.ours_ms) == 2 and min(cost.ours_ms) > 0 for cost in costs)
    for update, rollouts, total in (costs[:3], costs[3:]):
        assert total.peer_ms == pytest.approx([a + b for a, b in zip(update.peer_ms, rollouts.peer_ms, strict=True)])
    assert "mobile" in shown(benchmark.cost_table(costs, 1))


def test_the_pieces_of_ours_are_timed_beside_what_their_products_take(benchmark: ModuleType, side: Any) -> None:
    found = benchmark.anatomies(side, counts(benchmark), benchmark.Shape(rows=2000))
    assert [one.ours for one in found] == ["mopo", "mobile", "micro"]
    assert set(found[0].ms) == {"drawing", "target and critic", "actor", "rollouts"}
    assert set(found[1].ms) == set(found[0].ms) | {"penalty"}
    assert found[1].limit_ms("penalty", "float32") == 1000 * found[1].gflop["penalty"] / found[1].gflops["float32"]
    assert "bfloat16" in shown(benchmark.anatomy_table(found, 1))


def test_a_ratio_is_the_peers_time_over_ours(benchmark: ModuleType) -> None:
    assert benchmark.Cost("a", "b", "sum", [6.0, 9.0], [3.0, 3.0]).ratios() == [2.0, 3.0]
    assert benchmark.Cost("a", "b", "model", [6.0], [0.0]).ratios() == []


def test_a_process_that_ends_is_named(benchmark: ModuleType, root: Path) -> None:
    command = [str(root / "benchmarks" / "peers" / "offlinerl_kit.py")]
    with pytest.raises(RuntimeError, match=r"offlinerl_kit\.py ended with code 2"), benchmark.Side(command, 1):
        pass


def test_cores_are_given_back_and_too_many_threads_refused(benchmark: ModuleType) -> None:
    before = os.sched_getaffinity(0)
    assert benchmark.on_cores(1, lambda: len(os.sched_getaffinity(0))) == 1
    assert os.sched_getaffinity(0) == before
    with pytest.raises(ValueError, match="cores may be used"):
        benchmark.on_cores(len(before) + 1, list)


def test_a_weight_that_is_not_finite_is_found(ours: ModuleType) -> None:
    one = ours.Ours("mopo", ours.specification(11, 3, 2000))
    one.learn(1)
    one.check()
    with torch.no_grad():
        next(one.parts["actor"].owns["actor"].parameters()).fill_(torch.nan)
    with pytest.raises(FloatingPointError):
        one.check()


@pytest.mark.parametrize("name", ["mopo", "mobile", "micro"])
def test_the_options_are_the_peers(ours: ModuleType, root: Path, name: str) -> None:
    kit = importlib.import_module("peers.offlinerl_kit")
    one = ours.Ours(name, ours.specification(11, 3, 2000))
    assert {key: draw.rows for key, draw in one.updates.draws.items()} == {"logged": 12, "imagined": 244}
    assert (ours.OPTIONS["hidden"], ours.OPTIONS["dynamics_hidden"]) == (kit.HIDDEN, kit.DYNAMICS_HIDDEN)
    assert (ours.OPTIONS["members"], ours.OPTIONS["elites"]) == (kit.MEMBERS, kit.ELITES)
    assert (ours.OPTIONS["samples"], ours.HORIZON, ours.BATCH) == (kit.SAMPLES, kit.HORIZON, kit.BATCH)


def test_counted_work_is_what_torch_counts(
    benchmark: ModuleType, ours: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "OPTIONS", ours.OPTIONS | {"precision": "float32"})  # Products in C are not counted.
    one, shape = ours.Ours("mopo", ours.specification(11, 3, 2000)), benchmark.Shape(rows=2000)
    work = benchmark.work("mopo", shape)
    with FlopCounterMode(display=False) as counter:
        one.learn(1)
    assert sum(work[piece] for piece in ("target", "critic", "actor")) == pytest.approx(
        counter.get_total_flops(), rel=0.1
    )
    assert sys.modules["offline_cost_work"].mlp(3, 2, 1) == 16
