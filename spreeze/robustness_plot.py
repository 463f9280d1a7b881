"""Return against radius, and return over friction and gravity, of one run or several beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spreeze.errors import RunFolderError
from spreeze.plot import COLOURS, LINE_STYLES
from spreeze.robustness_record import Robustness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
"""Most panels side by side."""


def write_png(results: Sequence[Robustness], path: Path) -> None:
    """Draw every result: of one run a panel with a curve for each attack, of several a panel for each attack.

    A panel more for each run's grid of friction and gravity.

    Raises:
        RunFolderError: `path` cannot be written.
    """
    from matplotlib.figure import Figure

    panels = [*curve_panels(results), *grid_panels(results)]
    rows = -(-len(panels) // COLUMNS)
    columns = -(-len(panels) // rows)
    figure = Figure(figsize=(max(5.2 * columns, 7.5), 0.8 + 4.0 * rows), dpi=130, layout="constrained")
    for index, panel in enumerate(panels):
        panel(figure.add_subplot(rows, columns, index + 1))
    caption(figure, results)
    try:
        path.touch(mode=0o600)
        figure.savefig(path, format="png")
    except OSError as error:
        raise RunFolderError(f"cannot write '{path}' ({error.strerror or error}); choose another --out") from error


def caption(figure: Figure, results: Sequence[Robustness]) -> None:
    """Say above the panels what was measured of each run."""
    several = len(results) > 1
    lines = [f"{Path(result.run).name}: {result.heading()}" if several else result.heading() for result in results]
    lines += sorted({f"radius in standard deviations of {result.spread}" for result in results if result.spread})
    figure.suptitle("\n".join(lines), fontsize=8)


def curve_panels(results: Sequence[Robustness]) -> list[Callable[[Axes], None]]:
    """A drawing for each panel of curves."""
    attacks = list(dict.fromkeys(attack for result in results for attack in result.attacks))
    if len(results) == 1:
        curves = [(results[0], attack, attack) for attack in attacks]
        return [lambda axes: draw_curves(axes, curves, results[0].environment)] if curves else []
    return [
        lambda axes, attack=attack: draw_curves(  # type: ignore[misc]
            axes, [(result, attack, label_of(result)) for result in results if attack in result.attacks], attack
        )
        for attack in attacks
    ]


def draw_curves(axes: Axes, curves: Sequence[tuple[Robustness, str, str]], title: str) -> None:
    """Draw (result, attack, label): the mean return of each radius, and one standard deviation about it."""
    for index, (result, attack, label) in enumerate(curves):
        cells = result.curve(attack)
        radius, mean, std = np.array([(cell.radius, cell.mean, cell.std) for cell in cells]).T
        colour, dashes = COLOURS[index % len(COLOURS)], LINE_STYLES[index // len(COLOURS) % len(LINE_STYLES)]
        axes.fill_between(radius, mean - std, mean + std, color=colour, alpha=0.15, linewidth=0)
        text = f"{label}, area {result.area(attack):.1f}"
        axes.plot(radius, mean, color=colour, linestyle=dashes, linewidth=2, marker="o", markersize=4, label=text)
    axes.set(xlabel="radius [standard deviations of an observation]", ylabel="return, mean +- std", title=title)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def grid_panels(results: Sequence[Robustness]) -> list[Callable[[Axes], None]]:
    """A drawing for each run's grid; all share the range of colours."""
    means = [cell.mean for result in results for cell in result.grid]
    several = len(results) > 1
    return [
        lambda axes, result=result: draw_grid(  # type: ignore[misc]
            axes, result, (min(means), max(means)), label_of(result) if several else result.environment
        )
        for result in results
        if result.grid
    ]


def draw_grid(axes: Axes, result: Robustness, limits: tuple[float, float], title: str) -> None:
    """Draw the mean return of every pair of friction and gravity as a heat map with its numbers."""
    friction = sorted({cell.friction for cell in result.grid if cell.friction is not None})
    gravity = sorted({cell.gravity for cell in result.grid if cell.gravity is not None})
    means = {(cell.friction, cell.gravity): cell.mean for cell in result.grid}
    values = np.array([[means[f, g] for f in friction] for g in gravity])
    image = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis", vmin=limits[0], vmax=limits[1])
    for (row, column), value in np.ndenumerate(values):
        dark = value < sum(limits) / 2
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(len(friction)), [f"{factor:g}" for factor in friction])
    axes.set_yticks(range(len(gravity)), [f"{factor:g}" for factor in gravity])
    axes.set(xlabel="friction [multiple of the model's]", ylabel="gravity [multiple of the model's]", title=title)
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, label="mean return")


def label_of(result: Robustness) -> str:
    """What a run is called beside others."""
    return f"{result.algorithm} ({Path(result.run).name})"
