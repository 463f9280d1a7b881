"""The command `spreeze plot`: curves of several runs and seeds, as a table in the terminal, as figure and as CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from spreeze.config import Unset
from spreeze.errors import RunFolderError, UnknownName, UsageError

if TYPE_CHECKING:
    from spreeze.curves import Axis, Curve

FORMATS = (".png", ".svg", ".csv")
WIDTH = 160
"""Columns of the table where there is no terminal."""


@dataclass(frozen=True)
class PlotOptions:
    """Draw the evaluations of runs, seeds put together by their interquartile mean, and show a table of them."""

    runs: Annotated[tuple[Path, ...], "positional"]
    """Run folders, patterns of such in quotes ('runs/*'), or `latest`; of one that goes on, what its last checkpoint
    knows."""
    x: str | Unset = None
    """seconds, steps, updates, or several parted by commas (default: seconds,steps; seconds,updates without steps)."""
    metric: str = "return"
    """The return of evaluations, or the name of anything in TensorBoard, as loss/critic or rate/env_steps."""
    group_by: str = "algorithm"
    """What tells groups of seeds apart, separated by commas: algorithm, run, and options of the runs."""
    label: tuple[str, ...] = ()
    """Names of groups instead, one for each RUN as it was given; runs with the same name are seeds of one group."""
    smooth: float = 0.0
    """Seconds over whose evaluations each value is averaged (0: not at all)."""
    out: Path = Path("curves.png")
    """The figure, .png or .svg, with its numbers beside it, or .csv for these alone."""
    title: str | Unset = None
    """A heading."""


@dataclass(frozen=True)
class Given:
    """A run folder, and the name that its group was given."""

    folder: Path
    label: str | None


def plot(options: PlotOptions) -> None:
    """Show the table, write the files, and say where they are.

    Raises:
        RunFolderError: there is no such run, it cannot be read, no run has an evaluation, or nothing can be written.
        UsageError: an option cannot be served.
    """
    from rich.console import Console

    from spreeze.curves import smooth
    from spreeze.plot import default_axes
    from spreeze.plot_table import table

    if not options.smooth >= 0:
        raise UsageError(f"--smooth {options.smooth:g}: give seconds, 0 for none")
    files, given = files_of(options.out), list(distinct(found_runs(options)))
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    curves = list(read(given, options, console))
    drawn = [smooth(curve, options.smooth) for curve in curves if curve.points]
    for note in notes(given, curves):
        console.print(note, markup=False)
    if not drawn:
        raise RunFolderError(f"nothing to draw: none of the {len(given)} runs holds an evaluation")
    axes = axes_of(options.x, drawn) if options.x else default_axes(drawn)
    for note in gaps(drawn, axes):
        console.print(note, markup=False)
    console.print(table(drawn, options.metric))
    write(drawn, axes, files, options)
    for file in files:
        console.print(str(file), markup=False, soft_wrap=True)


def files_of(out: Path) -> list[Path]:
    """What is written: the figure if one is asked for, the evaluations, and the groups' lines.

    Raises:
        UsageError: `out` ends in a suffix of no known format.
    """
    out = out / "curves.png" if out.is_dir() else out
    if out.suffix and out.suffix not in FORMATS:
        raise UsageError(f"--out {out}: give a name that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    figure = out if out.suffix else out.with_suffix(FORMATS[0])
    numbers = [figure.with_suffix(".csv"), figure.with_name(f"{figure.stem}-groups.csv")]
    return numbers if figure.suffix == ".csv" else [figure, *numbers]


def found_runs(options: PlotOptions) -> Iterator[Given]:
    """The folders that the command line names; raises `RunFolderError` for a name of none."""
    from spreeze.run_folder import find_run

    if not options.runs:
        raise UsageError("give the folder of a RUN, a pattern of several in quotes, or `latest`")
    if options.label and len(options.label) != len(options.runs):
        raise UsageError(f"--label: {len(options.label)} names for {len(options.runs)} RUNs; give one for each")
    for index, word in enumerate(options.runs):
        label = options.label[index] if options.label else None
        if str(word) == "latest":
            yield Given(find_run("latest"), label)
        elif set("*?[") & set(str(word)) and not word.exists():
            yield from (Given(folder, label) for folder in matching(word))
        else:
            yield Given(word, label)


def matching(pattern: Path) -> list[Path]:
    """The folders with a run that a pattern stands for."""
    anchor = Path(pattern.anchor)
    found = sorted(path.parent for path in anchor.glob(str(pattern.relative_to(anchor) / "summary.json")))
    if not found:
        raise RunFolderError(f"no folder with a summary.json matches '{pattern}'")
    return found


def distinct(given: Iterator[Given]) -> Iterator[Given]:
    """Every folder once, in the order in which they were named first."""
    seen = set()
    for one in given:
        if one.folder.resolve() not in seen:
            seen.add(one.folder.resolve())
            yield one


def read(given: Sequence[Given], options: PlotOptions, console: Any) -> Iterator[Curve]:
    """The curve of every run, named as the options want it, with a bar where there is a terminal."""
    from rich.progress import track

    from spreeze.curves import RETURN, read_curve

    keys = [key.strip().replace("-", "_") for key in options.group_by.split(",")]
    for one in track(given, "reading", console=console, transient=True, disable=not console.is_terminal):
        curve = read_curve(one.folder)
        if options.metric != RETURN:
            from spreeze.events import read_metric

            curve = replace(curve, points=read_metric(one.folder, options.metric))
        yield replace(curve, label=one.label or described(one.folder, curve, keys))


def described(folder: Path, curve: Curve, keys: Sequence[str]) -> str:
    """A label of these options: the algorithm as it is called, others with their names.

    Raises:
        UnknownName: the run has no such option.
    """
    if keys == ["algorithm"]:
        return curve.label
    words = {"algorithm": curve.label, "run": folder.resolve().name}
    options = {} if set(keys) <= words.keys() else options_of(folder)
    for key in keys:
        if key not in words and key not in options:
            raise UnknownName(f"option of {folder} to group by", key, {*words, *options})
    return ", ".join(words.get(key) or f"{key} {shown(options[key])}" for key in keys)


def options_of(folder: Path) -> dict[str, Any]:
    """Every option of a run; what was auto is taken from its summary, where it says it."""
    from spreeze.run_folder import read_options, read_summary

    groups = [group for group in read_options(folder / "config.yaml").values() if isinstance(group, dict)]
    summary = read_summary(folder)
    return {
        name: summary.get(name, value) if value == "auto" else value
        for group in groups
        for name, value in group.items()
    }


def shown(value: Any) -> str:
    """A value as a label shows it."""
    if isinstance(value, float):
        return f"{value:g}"
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def notes(given: Sequence[Given], curves: Sequence[Curve]) -> Iterator[str]:
    """What the user should know: runs that are left out, and seeds that count twice."""
    from spreeze.curves import groups_of, heading

    for one, curve in zip(given, curves, strict=True):
        if not curve.points:
            yield f"{one.folder}: no evaluations, left out"
    for group in groups_of(curve for curve in curves if curve.points):
        if len({curve.seed for curve in group}) < len(group):
            name, remedy = heading(group[0].label, len(group)), "tell different runs apart by --group-by or --label"
            yield f"{name} on {group[0].environment} holds a seed more than once; {remedy}"


def gaps(curves: Sequence[Curve], axes: Sequence[Axis]) -> Iterator[str]:
    """Groups of which no line can be drawn."""
    from spreeze.curves import groups_of, heading, line, on_common_grid

    for group in groups_of(curves):
        for axis in axes:
            if not on_common_grid([line(curve, axis) for curve in group])[0].size:
                name, place = heading(group[0].label, len(group)), f"{group[0].environment} along {axis.label}"
                yield f"{name} on {place}: no stretch that all of its seeds reach, so they have no common line"


def axes_of(words: str, curves: Sequence[Curve]) -> list[Axis]:
    """The axes that `--x` names.

    Raises:
        UnknownName: there is no such axis.
        UsageError: no run knows its place on it.
    """
    from spreeze.curves import AXES

    names = [word.strip() for word in words.split(",")]
    for name in names:
        if name not in AXES:
            raise UnknownName("axis", name, AXES)
        if not any(AXES[name].of(point) for curve in curves for point in curve.points):
            raise UsageError(f"--x {name}: these runs made no {AXES[name].label}; choose another of {', '.join(AXES)}")
    return [AXES[name] for name in names]


def write(curves: Sequence[Curve], axes: Sequence[Axis], files: Sequence[Path], options: PlotOptions) -> None:
    """Write the figure, if one is asked for, and both tables."""
    from spreeze.curve_files import write_groups, write_points
    from spreeze.plot import write_figure

    *figure, points, groups = files
    try:
        for path in figure:
            write_figure(curves, axes, path, options.title, options.metric)
        write_points(curves, options.metric, points)
        write_groups(curves, axes, options.metric, groups)
    except OSError as error:
        raise RunFolderError(f"cannot write '{files[0]}' ({error.strerror or error}); name another --out") from error
