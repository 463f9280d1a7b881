"""The command `spreeze watch`: a policy of a run in the browser, from the run's files alone."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from spreeze.config import Settings, Unset
from spreeze.errors import UsageError
from spreeze.signals import Signals

if TYPE_CHECKING:
    from spreeze.viewer.viewer import Viewer


@dataclass(frozen=True)
class WatchOptions:
    """Show the policy of a run in the browser, while the run goes on or afterwards. Ctrl-C ends it, not the run."""

    run: Annotated[str, "positional"]
    """Run folder, checkpoint, or `latest`."""
    port: int | Unset = None
    """Port on 127.0.0.1 (default: 8080, or the next that is free)."""
    weights: Literal["newest", "best"] = "newest"
    """The policy to begin with; the page offers both."""
    seed: int = 0
    """Seed of the first episode."""
    open: bool = False
    """Open the page in this machine's browser."""


def main(argv: Sequence[str]) -> int:
    """Run `spreeze watch` with its arguments; return its exit code."""
    from spreeze.cli import parse, positional

    options = parse(positional(WatchOptions), argv, "watch")
    check(options)
    with closing(Signals()) as signals:
        return watch(options, signals)


def watch(options: WatchOptions, signals: Signals) -> int:
    """Serve the page until a signal comes; return 0 after Ctrl-C, 128 + its number after another.

    Raises:
        SpreezeError: there is no such run, no policy in it, no port, or nothing to draw its environment with.
    """
    from rich.console import Console

    from spreeze.roles.main import give_way
    from spreeze.run_folder import find_run, load_settings

    run, console = find_run(options.run), Console(highlight=False, soft_wrap=True)
    settings = load_settings(run / "config.yaml")
    give_way(19)
    with console.status(f"loading {settings.algo} on {settings.env}"):
        viewer, shown = load(options, run, settings)
    with closing(viewer):
        console.print(f"{run}: {shown}\n{viewer.address}   (Ctrl-C ends the viewer, not the run)", markup=False)
        if options.open:
            import webbrowser

            webbrowser.open(viewer.address)
        while signals.number is None:
            viewer.tick()
    console.print("closed")
    return 0 if signals.number == signal.SIGINT else 128 + signals.number


def load(options: WatchOptions, run: Path, settings: Settings) -> tuple[Viewer, str]:
    """A viewer of a run's files, and what is said of the policy that it begins with; raises as `watch` does."""
    import torch

    try:
        from spreeze.viewer.numbers import RunNumbers
        from spreeze.viewer.viewer import open_viewer
        from spreeze.viewer.weights import FileWeights
    except ImportError as error:
        raise UsageError(f"the viewer needs viser and mjviser ({error}): `pip install viser mjviser`") from error
    torch.set_num_threads(1)
    files = FileWeights.of(run, settings, options.seed)
    acting = files.require(options.weights)
    return open_viewer(settings, files, RunNumbers(run), options.weights, options.seed, options.port), acting.label


def check(options: WatchOptions) -> None:
    """Raise UsageError for numbers that cannot be served."""
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"--port {options.port}: give 1 to 65535, or leave it out")
    if options.seed < 0:
        raise UsageError(f"--seed {options.seed}: give at least 0")
