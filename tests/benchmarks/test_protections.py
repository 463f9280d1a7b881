"""What protections cost: turns and shares by hand, and that the switches switch."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SWITCHED = """
import math, sys
sys.path[:0] = sys.argv[1:]
import numpy as np
from protections import Protections
from spreeze import means
from spreeze.contract import Block
from spreeze.errors import SpreezeError
from spreeze.roles import sampler

def refused(function, *given):
    try:
        function(*given)
    except SpreezeError:
        return True
    return False

protections = Protections()
protections.install()
block = Block("replay", {"reward": np.full((1, 1), np.nan, np.float32)}, np.ones((1, 1), np.uint8), np.zeros((1, 1)))
for protections.on in (True, False, True):
    print(refused(sampler.check_finite, block, 0), refused(means.MetricMeans().add, {"loss": math.nan}))
"""


@pytest.fixture
def benchmark(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("protections")


def clock_of(benchmark: ModuleType, turns: list[float]) -> Any:
    """One whose turns are known; those that do not count are long."""

    class Owner:
        def work(self) -> None:
            raise AssertionError("it is not called")

    clock = benchmark.Clock(benchmark.Protections(), Owner, "work")
    clock.turns = [100.0] * benchmark.WARM + [benchmark.TURN * seconds for seconds in turns]
    clock._calls = benchmark.TURN * len(clock.turns)
    return clock


def test_turns_are_with_protections_and_without(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: now[0])

    class Owner:
        def work(self, seconds: float) -> float:
            now[0] += seconds + 1.0 * protections.on
            return 2 * seconds

    protections = benchmark.Protections()
    clock = benchmark.Clock(protections, Owner, "work")
    for _ in range((benchmark.WARM + 4) * benchmark.TURN):
        assert Owner().work(2.0) == 4.0
        assert protections.on, "outside of what is timed they always are"
    assert clock.pairs() == ([3.0, 3.0], [2.0, 2.0])


def test_shares_of_a_learners_time_are_those_of_updates_and_of_publications(benchmark: ModuleType) -> None:
    clocks = {
        "collect": clock_of(benchmark, [1.02, 1.0, 1.04, 1.0, 1.01, 1.0]),
        "update": clock_of(benchmark, [2.02, 2.0, 2.02, 2.0]),
        "publish": clock_of(benchmark, [0.0002, 0.0001, 0.0003, 0.0001, 0.0001, 0.0001]),
    }
    found = benchmark.costs(clocks, 0.05)
    assert found["sampler"].value == pytest.approx((0.01 + 0.02 + 0.04) / 3), "of three the middle is all"
    assert 0.009 <= found["sampler"].low < found["sampler"].high <= 0.041
    assert found["learner"].value == pytest.approx(0.01 + 0.0001 / 0.05)


def test_switches_let_pass_what_protections_refuse(root: Path) -> None:
    words = [sys.executable, "-c", SWITCHED, str(root / "benchmarks"), str(root)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["True", "True", "False", "False", "True", "True"]
