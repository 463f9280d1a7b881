"""What a dataset holds: its numbers, and a picture of returns, lengths and covered states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spreeze.dataset import Dataset, Episode, Reference
from spreeze.errors import DatasetError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart.
BLUE, ORANGE = "#0072B2", "#D55E00"
BINS = 40
QUANTILES = (0, 10, 50, 90, 100)
STATES = 200_000
"""States that the coverage is drawn from; more are thinned evenly."""

COMPONENTS = 1000
"""Numbers of a state that the coverage is drawn from; of images, every k-th."""


@dataclass(frozen=True)
class Statistics:
    """The numbers of a dataset of K episodes."""

    returns: np.ndarray
    """(K,) undiscounted."""
    lengths: np.ndarray
    """(K,)."""
    terminated: np.ndarray
    """(K,) bool: ended in a state without a future; the others were cut."""
    states: np.ndarray
    """(M, D) observations, flat; every k-th where there are too many."""
    actions: tuple[float, float]
    """Mean absolute action, and the share within 1 % of a bound; of discrete actions nothing, (nan, nan)."""

    @property
    def steps(self) -> int:
        """Transitions of all episodes."""
        return int(self.lengths.sum())


def statistics(episodes: Iterable[Episode], steps: int) -> Statistics:
    """Gather the numbers of a dataset of about `steps` steps in one pass.

    Raises:
        DatasetError: there is no episode, or the data are damaged.
    """
    stride = -(-steps // STATES)
    rows, states, size, count = [], [], np.zeros(2), 0
    for episode in episodes:
        rows.append((float(episode.reward.sum(dtype=np.float64)), len(episode.reward), bool(episode.terminated[-1])))
        flat = episode.observation.reshape(len(episode.observation), -1)
        states.append(flat[::stride])
        if episode.action.dtype.kind == "f":
            absolute = np.abs(episode.action)
            size += absolute.sum(dtype=np.float64), (absolute > 0.99).sum()
            count += absolute.size
    if not rows:
        raise DatasetError("this dataset holds no episode")
    returns, lengths, terminated = zip(*rows, strict=True)
    mean, bound = (size / count).tolist() if count else (float("nan"), float("nan"))
    return Statistics(
        np.array(returns), np.array(lengths), np.array(terminated), np.concatenate(states), (mean, bound)
    )  # fmt: skip


def principal(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two principal components of states (M, D) in units of standard deviations.

    Returns:
        The coordinates (M, 2), and the share of the variance that each of both explains.
    """
    values = states[:, :: -(-states.shape[1] // COMPONENTS)].astype(np.float64)
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(spread > 1e-12, spread, 1)
    variances, axes = np.linalg.eigh(values.T @ values / len(values))
    order = np.argsort(variances)[::-1][:2]
    coordinates = np.zeros((len(values), 2))
    coordinates[:, : len(order)] = values @ axes[:, order]
    shares = np.zeros(2)
    shares[: len(order)] = variances[order] / max(variances.sum(), 1e-300)
    return coordinates, shares


def lines_of(found: Statistics, reference: Reference | None) -> list[str]:
    """What `spreeze dataset show` says of the rows."""
    count, ends = len(found.returns), int(found.terminated.sum())
    size, bound = found.actions
    lines = [
        f"{count:,} episodes, {found.steps:,} steps: {ends:,} terminated, {count - ends:,} cut",
        f"return {quantiles(found.returns, '.1f')}",
        f"length {quantiles(found.lengths, '.0f')}",
        f"reward {found.returns.sum() / found.steps:.3f} a step",
    ]
    if np.isfinite(size):
        lines.append(f"action {size:.2f} in the mean of absolute values, {bound:.0%} at a bound")
    if reference is not None:
        mean, best = (reference.score(float(value)) for value in (found.returns.mean(), found.returns.max()))
        scale = f"0 is {reference.minimum:.1f}, 100 is {reference.maximum:.1f} ({reference.source})"
        lines.append(f"score  {mean:.1f} in the mean, {best:.1f} the best episode; {scale}")
    return lines


def quantiles(values: np.ndarray, form: str) -> str:
    """Mean and quantiles as words."""
    found = np.percentile(values, QUANTILES)
    words = ", ".join(f"{q} % {value:,{form}}" for q, value in zip(QUANTILES, found, strict=True))
    return f"mean {values.mean():,{form}}; quantiles {words}"


def write_png(dataset: Dataset, found: Statistics, path: Path) -> None:
    """Draw returns, lengths and coverage side by side.

    Raises:
        DatasetError: `path` cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15.0, 4.6), dpi=130, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_returns(left, found, dataset.reference)
    draw_lengths(middle, found)
    draw_coverage(figure, right, found)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{dataset.name}   ({dataset.environment}, {len(found.returns):,} episodes, {found.steps:,} steps)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    except OSError as error:
        raise DatasetError(f"cannot write '{path}' ({error.strerror or error}); name another file by --out") from error


def draw_returns(axes: Axes, found: Statistics, reference: Reference | None) -> None:
    """Histogram of the returns, with their mean and the references that lie in reach."""
    axes.hist(found.returns, BINS, color=BLUE, alpha=0.8)
    axes.axvline(found.returns.mean(), color=ORANGE, linewidth=2, label=f"mean {found.returns.mean():,.0f}")
    if reference is not None:
        axes.axvline(reference.minimum, color="0.35", linestyle=":", label=f"score 0: {reference.minimum:,.0f}")
        axes.axvline(reference.maximum, color="0.35", linestyle="--", label=f"score 100: {reference.maximum:,.0f}")
    axes.set(xlabel="return of an episode", ylabel="episodes", title="returns")
    axes.legend(edgecolor="none", framealpha=0.8)
    axes.grid(alpha=0.25)


def draw_lengths(axes: Axes, found: Statistics) -> None:
    """Histogram of the lengths, by the way episodes ended."""
    parts = {"terminated": (found.terminated, BLUE), "cut": (~found.terminated, ORANGE)}
    shown = {name: part for name, part in parts.items() if part[0].any()}
    axes.hist(
        [found.lengths[mask] for mask, _ in shown.values()],
        BINS, stacked=True, alpha=0.8, color=[colour for _, colour in shown.values()],
        label=[f"{name} ({int(mask.sum()):,})" for name, (mask, _) in shown.items()],
    )  # fmt: skip
    axes.set(xlabel="steps of an episode", ylabel="episodes", title="lengths")
    axes.set_xlim(left=0)
    axes.legend(edgecolor="none", framealpha=0.8)
    axes.grid(alpha=0.25)


def draw_coverage(figure: Figure, axes: Axes, found: Statistics) -> None:
    """Density of the states along their first two principal components."""
    points, shares = principal(found.states)
    cells = axes.hexbin(points[:, 0], points[:, 1], gridsize=60, bins="log", mincnt=1, cmap="viridis", linewidths=0)
    figure.colorbar(cells, ax=axes, label="states")
    axes.set(
        xlabel=f"first principal component ({shares[0]:.0%} of variance)",
        ylabel=f"second ({shares[1]:.0%})",
        title="covered states, standardised",
    )
