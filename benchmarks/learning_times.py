"""Time to a target return: when runs reach it, what can be said of runs that do not, and how sure one can be."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spreeze.curves import Curve, smooth
from spreeze.statistics import Interval, bootstrap, mean, mean_ratio


@dataclass(frozen=True)
class Reach:
    """When a run reached the target; None: not by `watched` seconds, its last evaluation."""

    seconds: float | None
    watched: float


def reach(run: Curve, target: float, window_s: float) -> Reach:
    """Return the first evaluation at which the smoothed return is at least `target`."""
    points = smooth(run, window_s).points
    return Reach(next((point.seconds for point in points if point.value >= target), None), points[-1].seconds)


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


def summaries(runs: Sequence[Curve], target: float, window_s: float, baseline: str, seed: int) -> list[Summary]:
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
            restricted_s=bootstrap([times[label]], mean, random),
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
    return bootstrap([times[label], times[base]], mean_ratio, random)
