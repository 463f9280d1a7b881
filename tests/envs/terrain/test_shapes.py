"""Terrains: pure functions of a seed, within the ranges that are stated for them."""

from collections.abc import Callable

import numpy as np
import pytest

from spreeze.envs.terrain import ranges
from spreeze.envs.terrain.ranges import HALF_WIDTH, KINDS, LEVEL, Kind, Range, Stage
from spreeze.envs.terrain.shapes import make_terrain, perlin

SEEDS = range(40)
both_dimensions = pytest.mark.parametrize("spatial", [False, True])


def made(kind: Kind, stage: Stage, difficulty: float, spatial: bool = False, scale: float = 1.0) -> list[np.ndarray]:
    return [make_terrain(kind, stage, difficulty, np.random.default_rng(seed), scale, spatial) for seed in SEEDS]


def heights(terrains: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([boxes[:, 5] for boxes in terrains])


def rises(terrains: list[np.ndarray]) -> np.ndarray:
    """Of the first step of every cluster of stairs."""
    return np.concatenate([boxes[np.insert(np.diff(boxes[:, 1]) < 0, 0, True), 5][:1] for boxes in terrains])


@both_dimensions
@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_terrains_and_others_do_not(kind: Kind, spatial: bool) -> None:
    one, again, other = (make_terrain(kind, "train", 0.5, np.random.default_rng(s), 1.0, spatial) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert kind == "flat" or one.shape != other.shape or (one != other).any()


@both_dimensions
@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_apart_sorted_and_leave_the_start_level(kind: Kind, spatial: bool) -> None:
    for boxes in made(kind, "train", 1.0, spatial)[:8]:
        assert (np.diff(boxes[:, 0]) >= 0).all()
        assert (boxes[:, 1] > boxes[:, 0]).all() and (boxes[:, 3] > boxes[:, 2]).all()
        middle, half = (boxes[:, [0, 2]] + boxes[:, [1, 3]]) / 2, (boxes[:, [1, 3]] - boxes[:, [0, 2]]) / 2
        assert (np.abs(middle) - half >= LEVEL - 1e-9).any(axis=1).all()
        apart = (np.abs(middle[:, None] - middle) - half[:, None] - half).max(axis=2)
        assert (apart[~np.eye(len(boxes), dtype=bool)] > -1e-9).all()
        assert spatial or kind != "blocks" or (np.abs(boxes[:, 2:4]) == HALF_WIDTH).all()


HEIGHTS: dict[Kind, tuple[Callable[[list[np.ndarray]], np.ndarray], dict[Stage, Range]]] = {
    "ridges": (heights, ranges.RIDGE_HEIGHT),
    "stairs": (rises, ranges.STAIR_RISE),
    "blocks": (heights, ranges.BLOCK_HEIGHT),
}


@pytest.mark.parametrize("kind", list(HEIGHTS))
@pytest.mark.parametrize("stage", ["train", "easy", "hard"])
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_heights_fill_their_range(kind: Kind, stage: Stage, difficulty: float) -> None:
    measure, table = HEIGHTS[kind]
    found = measure(made(kind, stage, difficulty))
    low, high = table[stage].at(difficulty)
    assert low <= found.min() and found.max() <= high
    assert np.ptp(found) > 0.8 * (high - low)
    np.testing.assert_allclose(found.mean(), (low + high) / 2, atol=0.12 * (high - low))


def test_the_papers_heights_are_those_of_the_table() -> None:
    assert ranges.RIDGE_HEIGHT["easy"].at(0) == (0.05, 0.5) and ranges.RIDGE_HEIGHT["hard"].at(1) == (0.5, 0.6)
    assert ranges.STAIR_RISE["easy"].at(0) == (0.05, 0.1) and ranges.STAIR_RISE["hard"].at(1) == (0.1, 0.2)
    trained = [ranges.RIDGE_HEIGHT["train"].at(d) for d in (0, 1)]
    assert (trained[0][0], trained[1][1]) == (0.05, 0.6)


def test_ridges_are_as_wide_and_as_far_apart_as_stated() -> None:
    for boxes in made("ridges", "train", 1.0):
        widths, gaps = boxes[:, 1] - boxes[:, 0], boxes[1:, 0] - boxes[:-1, 1]
        assert (widths >= 0.5).all() and (widths <= 1).all()
        assert (gaps >= 1.5).all() and (gaps <= 2.5).all()


def test_stairs_go_up_and_down_by_one_rise() -> None:
    for boxes in made("stairs", "train", 1.0):
        tops = np.concatenate([[0.0], boxes[:, 5]])
        climb, rise = np.diff(tops), boxes[0, 5]
        cluster = int(np.argmax(climb < 0)) if (climb < 0).any() else len(climb)
        np.testing.assert_allclose(climb[:cluster], rise)
        assert 2 <= cluster <= 14
        runs = boxes[: cluster - 1, 1] - boxes[: cluster - 1, 0]
        np.testing.assert_allclose(runs, runs[0])
        assert 0.25 <= runs[0] <= 0.4


def test_hills_have_no_steps_and_their_height() -> None:
    for boxes in made("hills", "hard", 0.0):
        np.testing.assert_allclose(boxes[1:, 4], boxes[:-1, 5])
        np.testing.assert_allclose(boxes[0, 4], 0)
        assert boxes[:, 4:].min() >= 0 and boxes[:, 4:].max() <= 1.0 + 1e-9


def test_perlin_noise_is_zero_at_whole_numbers_and_continuous() -> None:
    x = np.linspace(0, 10, 4001)
    noise = perlin(x, np.random.default_rng(0))
    np.testing.assert_allclose(noise[::400], 0, atol=1e-12)
    assert np.abs(np.diff(noise)).max() < 2 * 10 / 4000


@both_dimensions
@pytest.mark.parametrize("kind", KINDS)
def test_scale_multiplies_every_length(kind: Kind, spatial: bool) -> None:
    one, other = (make_terrain(kind, "train", 0.7, np.random.default_rng(3), scale, spatial) for scale in (1.0, 0.5))
    np.testing.assert_allclose(other, 0.5 * one)
