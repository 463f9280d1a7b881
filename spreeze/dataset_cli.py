"""The command `spreeze dataset`: what logged data there are, how they look, and how to make more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from spreeze import registry
from spreeze.cli import parse
from spreeze.config import Unset
from spreeze.errors import UnknownName, UsageError

OVERVIEW = """usage: spreeze dataset COMMAND [options]

Logged data to learn from.

commands:
  list      what is shipped and what is here
  show      numbers and a picture of one: spreeze dataset show hopper/medium-replay-v0
  record    make one: spreeze dataset record --env hopper --kind medium-replay --from RUN
  download  fetch one of Minari's: spreeze dataset download mujoco/hopper/medium-v0

`spreeze dataset COMMAND --help` shows the options of a command.
"""

HERE = Path("datasets")
"""Where `record` puts what has no --out."""
HEADER = ("name", "environment", "kind", "episodes", "steps", "mean return", "score", "MB", "where")
NUMBERS = range(3, 8)
"""Columns of the table that hold numbers."""
SLOW_STEPS = 500_000
"""Steps that take more than two seconds to read."""


@dataclass(frozen=True)
class RecordOptions:
    """Record a dataset in Minari's format. Killed at any moment, every finished episode stays readable.

    random: uniform actions. medium, expert: the best policy of a run, exploring. medium-replay: what the replay of a
    run holds. medium-expert: half of each. A run that is needed and not given is trained first.
    """

    kind: Annotated[Literal["random", "medium", "medium-replay", "expert", "medium-expert"], tyro.conf.arg(name="kind")]
    """What acts; medium is a policy that reached a third of the reference maximum."""
    env: str | Unset = None
    """Environment: a short name or a Gymnasium id (default: that of the run)."""
    from_run: Annotated[str | Unset, tyro.conf.arg(name="from")] = None
    """Run folder, checkpoint, or `latest`: the run whose policy or replay is recorded (default: train one)."""
    expert_from: str | Unset = None
    """The run of the expert half; for other kinds, the run whose best evaluation counts as 100."""
    steps: int | Unset = None
    """Steps, reached by whole episodes (default: 100,000 where a policy plays, all of a replay)."""
    replay_until: int | Unset = None
    """Take a replay as it stood after so many environment steps (default: as the run left it)."""
    train_steps: int | Unset = None
    """Environment steps of a run that is trained for this (default: the algorithm's own)."""
    seed: int = 0
    """Seed of environments, actions, sampling and training."""
    out: Path | Unset = None
    """Folder (default: datasets/ENV/KIND-v0)."""
    reference_minimum: float | Unset = None
    """The return that counts as 0 (default: the mean of 100 random episodes)."""
    reference_maximum: float | Unset = None
    """The return that counts as 100 (default: the best evaluation of the expert's run, or of the run)."""


@dataclass(frozen=True)
class ShowOptions:
    """Numbers and a picture of one dataset: returns, lengths, covered states."""

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """A name of `spreeze dataset list`, a Minari id or folder, or a D4RL HDF5 file."""
    out: Path | Unset = None
    """The picture (default: NAME.png in this folder, with - for /)."""


@dataclass(frozen=True)
class DownloadOptions:
    """Fetch one of Minari's datasets into its local folder ($MINARI_DATASETS_PATH, or ~/.minari/datasets)."""

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """As mujoco/hopper/medium-v0. Its `medium` is another policy than D4RL's and than the one recorded here."""


def say(text: str) -> None:
    """Print a line."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False, soft_wrap=True).print(text, markup=False)


def record_command(argv: Sequence[str]) -> int:
    """Record a dataset."""
    given: RecordOptions = parse(RecordOptions, argv, "dataset record")
    from spreeze.recording import Recorder, Request

    request = Request(
        given.kind, given.env, given.from_run, given.expert_from, given.steps, given.replay_until,
        given.train_steps, given.seed, given.out, given.reference_minimum, given.reference_maximum,
    )  # fmt: skip
    folder = Recorder(request, say).record()
    say(f"finished: {folder}   (`spreeze dataset show {folder}` draws it)")
    return 0


def list_command(argv: Sequence[str]) -> int:
    """Show every dataset on this machine, the broken ones with their reason."""
    if argv and argv[0] in ("-h", "--help"):
        say(f"usage: spreeze dataset list\n\n{list_command.__doc__}")
        return 0
    if argv:
        raise UsageError(f"spreeze dataset list takes no options, given: {' '.join(argv)}")
    found = registry.listed_datasets(HERE)
    rows = [row_of(line) for line in found if not line.problem]
    for text in aligned([HEADER, *rows]) if rows else [f"no dataset is shipped, in Minari's folder, or in {HERE}/"]:
        say(text)
    for line in found:
        if line.problem:
            say(f"BROKEN {line.name}: {line.problem}")
    return 0


def row_of(line: Any) -> tuple[str, ...]:
    """The cells of one dataset."""
    mean = "-" if line.mean_return is None else f"{line.mean_return:.1f}"
    score = "-" if line.score is None else f"{line.score:.1f}"
    counts = (f"{line.episodes:,}", f"{line.steps:,}")
    return (line.name, line.environment, line.kind or "-", *counts, mean, score, f"{line.bytes / 1e6:.1f}", line.where)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with columns of one width, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) if k in NUMBERS else cell.ljust(width) for k, (cell, width) in enumerate(cells))
        .rstrip()
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]  # fmt: skip


def show_command(argv: Sequence[str]) -> int:
    """Show numbers and draw a picture."""
    options: ShowOptions = parse(ShowOptions, argv, "dataset show")
    from spreeze.dataset_plot import lines_of, statistics, write_png

    dataset = registry.find_dataset(options.dataset)
    out = options.out or Path(f"{dataset.name.strip('/').replace('/', '-')}.png")
    say(f"{dataset.name}: {dataset.environment}, {dataset.kind or 'unknown kind'}, SHA-256 {dataset.digest}")
    if dataset.steps > SLOW_STEPS:
        say(f"reading {dataset.steps:,} steps")
    found = statistics(dataset.episodes(), dataset.steps)
    for text in lines_of(found, dataset.reference):
        say(text)
    write_png(dataset, found, out)
    say(str(out))
    return 0


def download_command(argv: Sequence[str]) -> int:
    """Fetch a dataset."""
    options: DownloadOptions = parse(DownloadOptions, argv, "dataset download")
    say(f"asking Minari's server for {options.id}")
    say(f"finished: {registry.download_dataset(options.id)}")
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "list": list_command,
    "show": show_command,
    "record": record_command,
    "download": download_command,
}


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        say(OVERVIEW.rstrip())
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        raise UnknownName("command of `spreeze dataset`", argv[0], COMMANDS)
    return COMMANDS[argv[0]](argv[1:])
