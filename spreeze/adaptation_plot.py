"""How a policy adapts to tasks: what it did episode by episode, and how what it believes became narrower."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spreeze.errors import RunFolderError
from spreeze.plot import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spreeze.environment import Sketch
    from spreeze.evaluation import Adaptation, Trail

ROWS = 4
"""Most tasks whose episodes are drawn; beliefs are those of all."""
PANEL_INCHES = 2.3
PATH, START, REWARDED, GOAL, PLACE = COLOURS[0], "#444444", COLOURS[1], COLOURS[2], COLOURS[3]


def write_png(adaptation: Adaptation, heading: str, path: Path) -> None:
    """Draw a row of episodes for some tasks, spread over all, and below them the beliefs, as a PNG.

    Raises:
        RunFolderError: `path` cannot be written.
    """
    from matplotlib.figure import Figure

    order = along(adaptation)
    colours, chosen = colours_of(order), spread(order)
    columns, rows = len(adaptation.trails), len(chosen)
    heights = [aspect(adaptation, chosen)] * rows + [1.0] * (adaptation.belief is not None)
    size = PANEL_INCHES * max(columns, 3), PANEL_INCHES * sum(heights) + 0.3 * len(heights) + 0.6
    figure, first = Figure(figsize=size, dpi=110, layout="constrained"), None
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    for (row, task), (column, trail) in product(enumerate(chosen.tolist()), enumerate(adaptation.trails)):
        axes = figure.add_subplot(grid[row, column], sharex=first, sharey=first)
        first = first or axes
        draw_episode(axes, adaptation, trail, task)
        if row == 0:
            axes.set_title(trail.title, fontsize=10)
        if column == 0:
            axes.set_ylabel(f"task {adaptation.task[task]}", fontsize=9, color=colours[task])
    if adaptation.belief is not None:
        draw_beliefs([figure.add_subplot(grid[rows, column]) for column in range(columns)], adaptation, colours)
    figure.suptitle(f"{heading}\n{key(adaptation.sketch)}", fontsize=9)
    try:
        path.touch(mode=0o600)
        figure.savefig(path, format="png")
    except OSError as error:
        raise RunFolderError(f"cannot write '{path}' ({error.strerror or error}); choose another --out") from error


def key(sketch: Sketch | None) -> str:
    """What is drawn of an episode."""
    if sketch is None:
        return "episodes: reward by step"
    drawn = ", ".join(sketch.labels) if len(sketch.labels) == 2 else f"{sketch.labels[0]} by step"
    places = f", purple: {', '.join(sketch.places)}" if sketch.places else ""
    return f"episodes: {drawn}; green: rewarded{places}, orange: steps with a reward"


def aspect(adaptation: Adaptation, chosen: np.ndarray) -> float:
    """Height of an episode's panel over its width: in a plane, that of everything in it."""
    sketch = adaptation.sketch
    if sketch is None or len(sketch.labels) == 1:
        return 0.75
    tracks = [sketch.track(trail.observation[:, chosen]).reshape(-1, 2) for trail in adaptation.trails]
    points = np.concatenate([sketch.goals, *tracks, *(np.array([where]) for where, _ in sketch.places.values())])
    width, height = np.ptp(points, axis=0) + 2 * sketch.reach
    return float(np.clip(height / width, 0.4, 1.5))


def along(adaptation: Adaptation) -> np.ndarray:
    """The tasks (N,), as indices, by where their goals are along the first axis; else as they are."""
    if adaptation.sketch is None:
        return np.arange(len(adaptation.task))
    return np.argsort(adaptation.sketch.goals[adaptation.task, 0], kind="stable")


def spread(order: np.ndarray) -> np.ndarray:
    """At most `ROWS` of the tasks, in the middles of as many stretches of equal length."""
    count = min(ROWS, len(order))
    chosen: np.ndarray = order[((np.arange(count) + 0.5) / count * len(order)).astype(int)]
    return chosen


def colours_of(order: np.ndarray) -> np.ndarray:
    """A colour (N, 4) for each task, neighbours alike."""
    from matplotlib import colormaps

    found = np.empty((len(order), 4))
    found[order] = colormaps["turbo"](np.linspace(0.05, 0.95, len(order)))
    return found


def draw_episode(axes: Axes, adaptation: Adaptation, trail: Trail, task: int) -> None:
    """One episode of the task at index `task`."""
    sketch, reward = adaptation.sketch, trail.reward[:, task]
    axes.tick_params(labelsize=6)
    if sketch is None:
        axes.plot(np.arange(1, len(reward) + 1), reward, color=PATH, linewidth=1)
    else:
        track = sketch.track(trail.observation[:, task])
        draw = draw_in_plane if len(sketch.labels) == 2 else draw_against_time
        draw(axes, sketch, sketch.goals[adaptation.task[task]], track)
        gained = np.flatnonzero(reward > 0) + 1
        gained = gained[gained < len(track)]
        points = track[gained].T if track.shape[1] == 2 else (gained, track[gained, 0])
        axes.plot(*points, ".", color=REWARDED, markersize=4, zorder=3)
    axes.set_xlabel(f"return {reward.sum():.1f}", fontsize=7)


def draw_in_plane(axes: Axes, sketch: Sketch, goal: np.ndarray, track: np.ndarray) -> None:
    """Where a path (T, 2) led, beside the goal, what is rewarded about it, all other goals and places."""
    from matplotlib.patches import Circle, Patch, RegularPolygon

    def spot(where: np.ndarray, reach: float, colour: str, taxicab: bool = False) -> Patch:
        middle = float(where[0]), float(where[1])
        patch = RegularPolygon(middle, 4, radius=reach) if taxicab else Circle(middle, reach)
        patch.set(facecolor=colour, edgecolor="none", alpha=0.25)
        return patch

    axes.plot(*sketch.goals.T, ".", color="#cccccc", markersize=1.5)
    axes.add_patch(spot(goal, sketch.reach, GOAL, sketch.taxicab))
    axes.plot(*goal, "+", color=GOAL, markersize=7)
    for where, reach in sketch.places.values():
        axes.add_patch(spot(np.array(where), reach, PLACE))
    axes.plot(*track.T, color=PATH, linewidth=1.2)
    axes.plot(*track[0], "o", color=START, markersize=3)
    axes.set_aspect("equal")


def draw_against_time(axes: Axes, sketch: Sketch, goal: np.ndarray, track: np.ndarray) -> None:
    """One number (T, 1) by step, beside what is rewarded."""
    axes.axhspan(goal[0] - sketch.reach, goal[0] + sketch.reach, color=GOAL, alpha=0.25, linewidth=0)
    axes.axhline(goal[0], color=GOAL, linewidth=0.8)
    axes.plot(track[:, 0], color=PATH, linewidth=1.2)


def draw_beliefs(panels: list[Axes], adaptation: Adaptation, colours: np.ndarray) -> None:
    """Below each episode but the last, the beliefs of all tasks after it; below the last, their widths by step."""
    assert adaptation.belief is not None, "the caller has looked"
    mean, deviation = adaptation.belief
    plane, center = principal_plane(mean[-1])
    steps = np.cumsum([len(trail.reward) if trail.told else 0 for trail in adaptation.trails])
    shown = [ellipses(mean[step] - center, deviation[step], plane) for step in steps[:-1]]
    extent = 1.05 * max(float((abs(middle) + 2 * half.max(axis=1)[:, None]).max()) for middle, half, _ in shown)
    for axes, drawn in zip(panels, shown, strict=False):
        draw_ellipses(axes, drawn, colours)
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
        axes.tick_params(labelsize=6)
    panels[0].set_ylabel("belief after it", fontsize=9)
    draw_widths(panels[-1], deviation, sorted(set(steps.tolist())), colours)


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The plane (2, Z) in which points (N, Z) differ most, and their center (Z,); for Z = 1, an axis of zeros."""
    center = points.mean(axis=0)
    _, _, directions = np.linalg.svd(points - center)
    plane = directions[:2]
    return (plane if len(plane) == 2 else np.concatenate((plane, np.zeros_like(plane)))), center


def ellipses(offset: np.ndarray, deviation: np.ndarray, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaussians (N, Z) seen in a plane (2, Z): middles (N, 2), half axes (N, 2), angles (N,) of the first [degrees]."""
    covariance = np.einsum("iz,nz,jz->nij", plane, deviation**2, plane)
    values, vectors = np.linalg.eigh(covariance)
    angles = np.degrees(np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0]))
    return offset @ plane.T, np.sqrt(np.maximum(values, 0.0)), angles


def draw_ellipses(axes: Axes, drawn: tuple[np.ndarray, np.ndarray, np.ndarray], colours: np.ndarray) -> None:
    """One standard deviation of each belief, and its mean."""
    from matplotlib.patches import Ellipse

    for middle, half, angle, colour in zip(*drawn, colours, strict=True):
        axes.add_patch(Ellipse(middle, *(2 * half), angle=angle, facecolor="none", edgecolor=colour, linewidth=0.8))
        axes.plot(*middle, ".", color=colour, markersize=4)
    axes.set_xlabel("principal axes of z", fontsize=7)


def draw_widths(axes: Axes, deviation: np.ndarray, ends: list[int], colours: np.ndarray) -> None:
    """Geometric mean standard deviation (S + 1, N) of each belief by step; dotted where an episode ends."""
    widths = np.exp(np.log(deviation).mean(axis=-1))
    for task, colour in enumerate(colours):
        axes.plot(widths[:, task], color=colour, linewidth=0.6, alpha=0.7)
    axes.plot(np.median(widths, axis=1), color="black", linewidth=1.5)
    for end in (end for end in ends if 0 < end < len(widths) - 1):
        axes.axvline(end, color="#999999", linewidth=0.6, linestyle=":")
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=6)
    axes.set_title("width of the belief", fontsize=8)
    axes.set_xlabel("step of exploration", fontsize=7)
