"""A look at curves in the terminal: the last and the best of every group, how sure they are, and the way there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from spreeze.curves import AXES, RETURN, Curve, groups_of, heading, line, together
from spreeze.plot import unit_of
from spreeze.statistics import LEAST_SEEDS, Statistic, bootstrap, improvement, iqm

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 24
"""Characters of a drawn curve."""


def table(curves: Sequence[Curve], metric: str = RETURN) -> Table:
    """One line for each group; intervals only where there are seeds enough.

    Returns of groups are compared with those of the first group of the same environment.
    """
    groups = groups_of(curves)
    firsts = {group[0].environment: group for group in reversed(groups)}
    compared = metric == RETURN and len(groups) > len(firsts)
    heads = ("last", "best" if metric == RETURN else "highest", *(["P(better than first)"] * compared), "ends after")
    shown = Table("environment", "group", *heads, "over time", title=title(metric, groups))
    for group in groups:
        first, last = firsts[group[0].environment], lasts(group)
        best = [max(finite(curve), default=math.nan) for curve in group]
        cells = [heading(group[0].label, len(group)), estimate([last], iqm), estimate([best], iqm)]
        if compared:
            cells.append("" if first is group else estimate([last, lasts(first)], improvement, decimals=2))
        shown.add_row(group[0].environment, *cells, ending(group), sparkline(group))
    return shown


def title(metric: str, groups: Sequence[Sequence[Curve]]) -> str:
    """What the numbers are."""
    sure = ", 95 % bootstrap interval" if any(len(group) >= LEAST_SEEDS for group in groups) else ""
    return f"{metric}: interquartile mean of seeds{sure}"


def lasts(group: Sequence[Curve]) -> list[float]:
    """The last value of every seed."""
    return [curve.points[-1].value for curve in group]


def finite(curve: Curve) -> list[float]:
    """The values that are numbers."""
    return [point.value for point in curve.points if math.isfinite(point.value)]


def estimate(strata: Sequence[Sequence[float]], statistic: Statistic, decimals: int | None = None) -> str:
    """`value (low to high)`; without an interval where a side has too few seeds."""
    found = bootstrap(strata, statistic, np.random.default_rng(0))
    value, low, high = (number(one, decimals) for one in (found.value, found.low, found.high))
    return value if min(map(len, strata)) < LEAST_SEEDS else f"{value} ({low} to {high})"


def number(value: float, decimals: int | None) -> str:
    """About four digits, or as many decimals as asked for."""
    if decimals is None and 0 < abs(value) < 0.1:
        return f"{value:.4g}"
    if decimals is None:
        decimals = 0 if abs(value) >= 1000 or not math.isfinite(value) else 1 if abs(value) >= 10 else 3
    return f"{value:,.{decimals}f}"


def ending(group: Sequence[Curve]) -> str:
    """When the seeds end, the first and the last of them."""
    seconds, unit = unit_of(group)
    ends = sorted({f"{curve.points[-1].seconds / seconds:.3g}" for curve in group}, key=float)
    return f"{' to '.join(dict.fromkeys((ends[0], ends[-1])))} {unit}"


def sparkline(group: Sequence[Curve]) -> str:
    """The interquartile mean against wall clock, from its lowest to its highest value."""
    band = together([line(curve, AXES["seconds"]) for curve in group])
    known = np.isfinite(band.value)
    if not known.any():
        return ""
    x, y = band.x[known], band.value[known]
    values = np.interp(np.linspace(x[0], x[-1], WIDTH), x, y)
    spread = max(float(np.ptp(values)), 1e-12)
    return "".join(BLOCKS[int(level)] for level in (values - values.min()) / spread * (len(BLOCKS) - 1) + 0.5)
