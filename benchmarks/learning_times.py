"""Time to a target return: when runs reach it, what can be said of runs that do not, and how sure one can be."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, LEVEL = 10_000, 0.95
"""Of seeds with replacement, and the share of them between the ends of an interval."""


@dataclass(frozen=True)
class Run:
    """The evaluations of one seed, in order of time."""

    label: str
    environment: str
    seed: int
    seconds: Sequence[float]
    returns: Sequence[float]
    """The mean return of each evaluation."""


@dataclass(frozen=True)
class Reach:
    """When a run reached the target; None: not by `watched` seconds, its last evaluation."""

    seconds: float | None
    watched: float


@dataclass(frozen=True)
class Interval:
    """An estimate, and the ends of its bootstrap interval."""

    value: float
    low: float
    high: float


def smoothed(seconds: Sequence[float], returns: Sequence[float], window_s: float) -> list[float]:
    """Return at each evaluation the mean of those of the last `window_s` seconds, itself included.

    A window of time treats a side that evaluates often like one that does so rarely.
    """
    means = []
    for now in seconds:
        recent = [value for then, value in zip(seconds, returns, strict=True) if now - window_s < then <= now]
        means.append(statistics.fmean(recent))
    return means


def reach(run: Run, target: float, window_s: float) -> Reach:
    """Return the first evaluation at which the smoothed return is at least `target`."""
    values = smoothed(run.seconds, run.returns, window_s) if window_s > 0 else run.returns
    times = (now for now, value in zip(run.seconds, values, strict=True) if value >= target)
    return Reach(next(times, None), run.seconds[-1])


def horizon(reaches: Sequence[Reach]) -> float:
    """Return until when every run is known: the earliest end of one that did not reach, else the latest reach."""
    unknown = [one.watched for one in reaches if one.seconds is None]
    known = [one.seconds for one in reaches if one.seconds is not None]
    return min(unknown) if unknown else max(known)


def restricted(reaches: Sequence[Reach], limit_s: float) -> list[float]:
    """Return the seconds that each run spent below the target before `limit_s`: its time, or the limit."""
    return [limit_s if one.seconds is None else min(one.seconds, limit_s) for one in reaches]


def median_time(reaches: Sequence[Reach]) -> float:
    """Return the median time, where runs that did not reach took longer than all others; infinite if it is theirs."""
    return statistics.median([math.inf if one.seconds is None else one.seconds for one in reaches])


def bootstrap(
    groups: Sequence[Sequence[float]], statistic: Callable[..., np.ndarray], random: np.random.Generator
) -> Interval:
    """Return `statistic` of the groups, with the percentile interval over resampled members of each group.

    `statistic` takes an array (R, members) for each group and returns R values.
    """
    arrays = [np.asarray(group, np.float64) for group in groups]
    value = float(statistic(*(array[None] for array in arrays))[0])
    drawn = [array[random.integers(0, len(array), (RESAMPLES, len(array)))] for array in arrays]
    low, high = np.quantile(statistic(*drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def means(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row (R, members)."""
    mean: np.ndarray = values.mean(axis=1)
    return mean


def mean_ratios(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return mean over mean of each row (R, members)."""
    ratio: np.ndarray = ours.mean(axis=1) / theirs.mean(axis=1)
    return ratio


@dataclass(frozen=True)
class Summary:
    """What the seeds of one label reached in one environment."""

    label: str
    environment: str
    target: float
    seeds: int
    reached: int
    limit_s: float
    median_s: float
    restricted_s: Interval
    """Mean seconds below the target within the limit; too short for runs that did not reach it."""
    ratio: Interval | None = None
    """The same over that of the baseline; none for the baseline itself, or where neither has reached it."""


def summaries(runs: Sequence[Run], target: float, window_s: float, baseline: str, seed: int) -> list[Summary]:
    """Compare the labels of one environment with the one whose name holds `baseline`, all within one common limit."""
    labels = list(dict.fromkeys(run.label for run in runs))
    reaches = {label: [reach(run, target, window_s) for run in runs if run.label == label] for label in labels}
    limit_s = horizon([one for found in reaches.values() for one in found])
    times = {label: restricted(found, limit_s) for label, found in reaches.items()}
    base = next((label for label in labels if baseline and baseline in label), None)
    random = np.random.default_rng(seed)
    return [
        Summary(
            label=label,
            environment=runs[0].environment,
            target=target,
            seeds=len(found),
            reached=sum(one.seconds is not None for one in found),
            limit_s=limit_s,
            median_s=median_time(found),
            restricted_s=bootstrap([times[label]], means, random),
            ratio=over(label, base, reaches, times, random),
        )
        for label, found in reaches.items()
    ]


def over(
    label: str,
    base: str | None,
    reaches: Mapping[str, Sequence[Reach]],
    times: Mapping[str, Sequence[float]],
    random: np.random.Generator,
) -> Interval | None:
    """Return the times of a label over those of the baseline; None where no run of either has reached the target."""
    if base is None or base == label or not any(one.seconds is not None for one in [*reaches[label], *reaches[base]]):
        return None
    return bootstrap([times[label], times[base]], mean_ratios, random)
