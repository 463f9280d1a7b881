"""Statistics of few seeds: hand-computed cases, and rliable's numbers (from benchmarks/peers/rliable_numbers.py)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spreeze.statistics import Interval, bootstrap, improvement, iqm, mean, mean_ratio, resampled

RLIABLE = json.loads((Path(__file__).parent / "rliable_numbers.json").read_text())
NOISE = 0.03
"""Share of an interval's width by which its ends may differ: rliable's own do so from one random state to the next."""


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def value(statistic: Callable[..., np.ndarray], *strata: list[float]) -> float:
    return float(statistic(*(np.array(stratum)[None] for stratum in strata))[0])


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([7.0], 7.0),
        ([1.0, 3.0], 2.0),
        ([1.0, 3.0, 11.0], 5.0),
        ([100.0, 1.0, 3.0, 2.0], 2.5),  # one of four is left out at either end
        ([5.0, 1.0, 2.0, 3.0, 1000.0], 10 / 3),
        ([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 4.5),
    ],
)
def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end(seeds: list[float], expected: float) -> None:
    assert value(iqm, seeds) == pytest.approx(expected, rel=1e-15)


def test_strata_are_pooled() -> None:
    assert value(iqm, [0.0, 10.0], [1.0, 3.0]) == 2.0


def test_a_seed_that_is_no_number_makes_the_result_none_though_it_would_be_left_out() -> None:
    assert np.isnan(value(iqm, [1.0, 2.0, 3.0, float("nan")]))


def test_moments_of_a_curve_are_computed_side_by_side() -> None:
    curves = np.arange(8.0).reshape(4, 2) ** 2  # (seeds, moments)
    np.testing.assert_array_equal(iqm(curves[None])[0], [value(iqm, column.tolist()) for column in curves.T])


def test_the_probability_of_improvement_counts_pairs_and_half_of_the_ties() -> None:
    assert value(improvement, [1.0, 2.0], [0.0, 2.0]) == 0.625  # 1 > 0, 1 < 2, 2 > 0, 2 = 2
    assert value(improvement, [5.0], [1.0, 2.0, 9.0]) == pytest.approx(2 / 3)


def test_an_interval_of_equal_values_is_a_point() -> None:
    assert bootstrap([[3.0, 3.0]], mean, random()) == Interval(3.0, 3.0, 3.0)


def test_an_interval_is_that_of_the_resampled_statistic() -> None:
    """The mean of two draws from {0, 1} is 0, 1/2, 1 with probability 1/4, 1/2, 1/4: its 2.5 % quantile is 0."""
    assert bootstrap([[0.0, 1.0]], mean, random()) == Interval(0.5, 0.0, 1.0)
    ratio = bootstrap([[2.0, 4.0], [6.0]], mean_ratio, random())
    assert [ratio.value, ratio.low, ratio.high] == pytest.approx([1 / 2, 1 / 3, 2 / 3])


def test_the_interval_of_three_seeds_is_their_range() -> None:
    """All three draws are the lowest with probability 1/27, which is more than 2.5 %."""
    assert bootstrap([[4.0, 1.0, 10.0]], iqm, random()) == Interval(5.0, 1.0, 10.0)


def test_strata_are_resampled_apart() -> None:
    """With one member in each, nothing can change."""
    assert bootstrap([[1.0], [2.0], [6.0]], iqm, random()) == Interval(3.0, 3.0, 3.0)


def test_the_same_generator_gives_the_same_interval() -> None:
    assert bootstrap([[0.0, 1.0, 5.0, 6.0]], iqm, random()) == bootstrap([[0.0, 1.0, 5.0, 6.0]], iqm, random())


def test_an_interval_of_many_values_fits_the_normal_one() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, size=400)
    found, half = bootstrap([values.tolist()], mean, random()), 1.96 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_a_curve_is_resampled_by_whole_seeds() -> None:
    seeds = np.array([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])  # the second moment is ten times the first
    middle, low, high = resampled([seeds], iqm, random())
    np.testing.assert_allclose(np.stack([middle, low, high])[:, 1], 10 * np.stack([middle, low, high])[:, 0])
    assert (middle == [1.5, 15.0]).all()


def cases() -> list[Any]:
    statistics = {"iqm": iqm, "mean": mean_of_all, "improvement": improvement_of_tasks}
    return [
        pytest.param(case, name, statistic, id=f"{title}-{name}")
        for title, case in RLIABLE["cases"].items()
        for name, statistic in statistics.items()
    ]


def mean_of_all(*tasks: np.ndarray) -> np.ndarray:
    return mean(np.concatenate(tasks, axis=1))


def improvement_of_tasks(*tasks: np.ndarray) -> np.ndarray:
    """The mean over tasks, of which the first half are ours and the second theirs."""
    half = len(tasks) // 2
    found: np.ndarray = np.mean([improvement(*pair) for pair in zip(tasks[:half], tasks[half:], strict=True)], axis=0)
    return found


@pytest.mark.parametrize(("case", "name", "statistic"), cases())
def test_numbers_are_those_of_rliable(case: Any, name: str, statistic: Callable[..., np.ndarray]) -> None:
    sides = ("ours", "theirs") if name == "improvement" else ("ours",)
    tasks = [list(task) for side in sides for task in zip(*case[side], strict=True)]
    found = bootstrap(tasks, statistic, random(), RLIABLE["resamples"])
    assert found.value == pytest.approx(case[name]["value"], abs=1e-12)
    theirs = np.array(case[name]["intervals"])  # (random states, 2)
    tolerance = NOISE * np.ptp(theirs.mean(axis=0))
    assert (np.ptp(theirs, axis=0) <= tolerance).all()
    assert (np.abs(theirs.mean(axis=0) - (found.low, found.high)) <= tolerance).all()
