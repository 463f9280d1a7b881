"""Curves: read from summaries, smoothed, and brought to a grid on which nothing is invented."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spreeze.curves import AXES, GRID, PIECE, Curve, Point, grouped, line, on_common_grid, read_curve, smooth, together
from spreeze.errors import RunFolderError
from spreeze.statistics import iqm, resampled
from tests.spreeze.curve_folders import evaluation, run_folder


def straight(first: float, last: float, count: int, value: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """y = x + value."""
    x = np.linspace(first, last, count)
    return x, x + value


def curve(seconds: Sequence[float], values: Sequence[float]) -> Curve:
    points = (Point(s, None, v) for s, v in zip(seconds, values, strict=True))
    return Curve("a", "Toy-v0", 0, tuple(points))


def test_seeds_are_interpolated_where_all_of_them_were_measured() -> None:
    one, two = straight(0, 20, 3), straight(5, 25, 3, 100)
    grid, values = on_common_grid([one, two])
    np.testing.assert_array_equal(grid, [5.0, 10.0, 15.0, 20.0])
    np.testing.assert_allclose(values, [grid, grid + 100])


def test_nothing_is_drawn_beyond_the_end_of_the_shortest_seed() -> None:
    band = together([straight(0, 100, 11), straight(0, 40, 5), straight(10, 90, 9), straight(0, 100, 3)])
    assert (band.x[0], band.x[-1]) == (10, 40)
    assert band.low is not None and band.high is not None
    np.testing.assert_allclose([band.value, band.low, band.high], [band.x] * 3)


def test_seeds_that_never_overlap_have_no_line() -> None:
    assert together([straight(0, 1, 2), straight(2, 3, 2), straight(0, 3, 2)]).x.size == 0
    assert together([straight(0, 1, 2), (np.empty(0), np.empty(0))]).x.size == 0


def test_two_seeds_have_a_line_and_no_interval() -> None:
    band = together([straight(0, 10, 2), straight(0, 10, 2, 2)])
    assert band.low is None and band.high is None
    np.testing.assert_allclose(band.value, band.x + 1)


def test_a_long_curve_is_put_together_as_a_short_one() -> None:
    """In pieces, with the same resamples of seeds in each."""
    lines = [straight(0, 10, PIECE * 2 + 7, value) for value in (0.0, 1.0, 5.0, 6.0)]
    band, (_, values) = together(lines), on_common_grid(lines)
    whole = resampled([values], iqm, np.random.default_rng(0), 2000)
    np.testing.assert_array_equal([band.value, band.low, band.high], whole)


def test_a_grid_has_an_upper_limit() -> None:
    grid, values = on_common_grid([straight(0, 1, 2 * GRID), straight(0.1, 2, 3 * GRID)])
    assert grid.size == GRID and (grid[0], grid[-1]) == (0.1, 1.0)
    np.testing.assert_allclose(values, [grid, grid])


def test_a_value_that_is_no_number_leaves_a_gap() -> None:
    x = np.array([0.0, 1.0, 2.0])
    band = together([(x, np.array([0.0, np.nan, 2.0])), (x, x), (x, x)])
    assert np.isnan(band.value[1]) and not np.isnan(band.value[[0, 2]]).any()


def test_a_smoothed_value_is_the_mean_of_the_window_of_time() -> None:
    found = smooth(curve([10.0, 20.0, 30.0, 60.0], [1.0, 3.0, 5.0, 9.0]), 20.0)
    assert [p.value for p in found.points] == [1.0, 2.0, 4.0, 9.0]
    assert smooth(found, 0.0) is found


def test_points_that_do_not_know_their_place_on_an_axis_are_left_out() -> None:
    points = (Point(1.0, None, 5.0, 7), Point(2.0, 10, 6.0))
    both = Curve("a", "Toy-v0", 0, points)
    assert [line(both, AXES[name])[0].tolist() for name in AXES] == [[1.0, 2.0], [10.0], [7.0]]


def test_a_label_takes_the_place_of_the_algorithm(tmp_path: Path) -> None:
    evaluations = [evaluation(1.0, 10, [0.0])]
    named = read_curve(run_folder(tmp_path / "named", evaluations, label="peer, defaults"))
    plain = read_curve(run_folder(tmp_path / "plain", evaluations))
    logged = read_curve(run_folder(tmp_path / "logged", evaluations, dataset={"name": "toy/medium-v0"}))
    labels = list(grouped([named, plain, logged], lambda curve: curve.label))
    assert labels == ["peer, defaults", "sac", "sac from toy/medium-v0"]


def test_a_short_environment_name_is_the_versioned_one(tmp_path: Path) -> None:
    names = ["hopper", "Hopper-v5", "ant", "Hopper-v4", "elsewhere:LINE"]
    found = [read_curve(run_folder(tmp_path / str(k), [], environment=name)) for k, name in enumerate(names)]
    assert [c.environment for c in found] == ["Hopper-v5", "Hopper-v5", "Ant-v5", "Hopper-v4", "elsewhere:LINE"]


def test_evaluations_are_ordered_and_empty_ones_are_none(tmp_path: Path) -> None:
    late, early, none = (
        evaluation(60.0, 2000, [10.0, 20.0]),
        evaluation(30.0, 1000, [1.0], updates=4),
        evaluation(9, 9, []),
    )
    found = read_curve(run_folder(tmp_path / "run", [late, none, early], seed=3))
    assert found.seed == 3
    assert found.points == (Point(30.0, 1000, 1.0, 4, 1.0, 1.0, 1), Point(60.0, 2000, 15.0, None, 10.0, 20.0, 2))


def test_a_folder_without_summary_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"elsewhere' holds no summary\.json"):
        read_curve(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"algorithm": "sac"}', '{"algorithm":"a","evaluations":[{"returns":[1]}]}', "\xff"]
)
def test_a_damaged_summary_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunFolderError, match=r"summary\.json' is damaged or no summary"):
        read_curve(tmp_path)


def test_what_a_summary_holds_more_does_no_harm(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", [evaluation(1.0, 1, [2.0], metrics={"speed": 3.0}, weight_version=[1, 2])])
    assert json.loads((run / "summary.json").read_text())["evaluations"][0]["metrics"]
    assert read_curve(run).points[0].value == 2.0
