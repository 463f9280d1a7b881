"""Estimates from few seeds: interquartile mean, stratified bootstrap intervals, probability of improvement.

Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021, arXiv 2108.13264.
Legend: R resamples, S seeds of one stratum (a task, or a side of a comparison); `...` stands for what is computed side
by side, as the moments of a curve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, LEVEL = 10_000, 0.95
"""Of seeds with replacement, and the share of them between the ends of an interval."""
LEAST_SEEDS = 3
"""Seeds without which no interval is stated: the ends of a bootstrap interval are the lowest and the highest of two."""

Statistic = Callable[..., np.ndarray]
"""An array (R, S, ...) for each stratum -> (R, ...)."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and the ends of its bootstrap interval."""

    value: float
    low: float
    high: float


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the seeds."""
    found: np.ndarray = values.mean(axis=1)
    return found


def iqm(*strata: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the pooled seeds: a quarter, rounded down, is left out at either end.

    Of one to three seeds this is the mean. Where one of them is no number, neither is the result.
    """
    pooled = np.sort(np.concatenate(strata, axis=1), axis=1)
    count = pooled.shape[1]
    middle: np.ndarray = pooled[:, count // 4 : count - count // 4].mean(axis=1)
    return np.where(np.isnan(pooled[:, -1]), np.nan, middle)


def mean_ratio(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Mean over mean."""
    ratio: np.ndarray = mean(ours) / mean(theirs)
    return ratio


def improvement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Probability that a seed of ours is above one of theirs; of equal ones, a half."""
    one, other = ours[:, :, None], theirs[:, None, :]
    found: np.ndarray = ((one > other) + 0.5 * (one == other)).mean(axis=(1, 2))
    return found


def resampled(
    strata: Sequence[np.ndarray], statistic: Statistic, random: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate, low and high end (...): percentiles over seeds drawn with replacement within each stratum (S, ...)."""
    drawn = [values[random.integers(0, len(values), (resamples, len(values)))] for values in strata]
    ends = np.quantile(statistic(*drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return statistic(*(values[None] for values in strata))[0], ends[0], ends[1]


def bootstrap(
    strata: Sequence[Sequence[float]],
    statistic: Statistic,
    random: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """`statistic` of the strata, each a number for every seed, with its percentile interval."""
    arrays = [np.asarray(stratum, np.float64) for stratum in strata]
    return Interval(*(float(found) for found in resampled(arrays, statistic, random, resamples)))
