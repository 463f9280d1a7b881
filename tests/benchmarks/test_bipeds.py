"""Areas under curves of survival, and speeds along a heading, by hand."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def robust(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("bipeds_robust")


def curve(*alive: float) -> dict[float, list[float]]:
    """Eight episodes that survive, and some more under a push."""
    return {0.0: [1.0] * 8, 5.0: list(alive)}


def run(module: ModuleType, *alive: float) -> Any:
    return module.Robustness(curve(*alive), {"5 N s": list(alive)}, curve(*alive))


def test_area_is_the_mean_over_points_and_runs(robust: ModuleType) -> None:
    value, low, high = robust.area([curve(1, 1, 0, 0), curve(1, 0, 0, 0)])
    assert value == pytest.approx((0.75 + 0.625) / 2)
    assert low < value < high


def test_episodes_without_doubt_leave_none(robust: ModuleType) -> None:
    assert robust.area([curve(1, 1, 1, 1)]) == [1.0, 1.0, 1.0]
    assert robust.area([curve(0, 0), curve(0, 0)]) == [0.5, 0.5, 0.5]


def test_runs_that_differ_widen_the_interval(robust: ModuleType) -> None:
    apart = robust.area([curve(1, 1, 1, 1), curve(0, 0, 0, 0)])
    assert apart == [0.75, 0.5, 1.0]


def test_summary_has_every_point(robust: ModuleType) -> None:
    found = robust.summary([run(robust, 1, 0), run(robust, 1, 1)])
    assert found["runs"] == 2 and found["slopes"]["5.0"][0] == 0.75 and found["pushes"]["5 N s"][0] == 0.75
    drawn = robust.table({"planner": found})
    assert drawn.row_count == 1 and len(drawn.columns) == 6


def test_speeds_are_those_along_the_heading(robust: ModuleType) -> None:
    ahead = importlib.import_module("bipeds_walk").ahead
    speeds, headings = np.array([[0.5, 0.2], [0.2, 0.5], [0.3, 0.3]]), np.array([0.0, np.pi / 2, -np.pi / 4])
    np.testing.assert_allclose(ahead(speeds, headings), [0.5, 0.5, 0.0], atol=1e-12)
