"""The command `spreeze watch`: a policy of a run in the browser, from the run's files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from spreeze.config import Unset
from spreeze.errors import UsageError


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
    """Run `spreeze watch` with its arguments; return 0."""
    from spreeze.cli import parse, positional

    watch(parse(positional(WatchOptions), argv, "watch"))
    return 0


def watch(options: WatchOptions) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        SpreezeError: there is no such run, no policy in it, no port, or nothing to draw its environment with.
    """
    from rich.console import Console

    from spreeze.roles.main import give_way
    from spreeze.run_folder import find_run, load_settings

    check(options)
    run, console = find_run(options.run), Console(highlight=False, soft_wrap=True)
    settings = load_settings(run / "config.yaml")
    give_way(19)
    with console.status(f"loading {settings.algo} on {settings.env}"):
        import torch

        from spreeze.viewer.numbers import RunNumbers
        from spreeze.viewer.viewer import open_viewer
        from spreeze.viewer.weights import FileWeights

        torch.set_num_threads(1)
        files = FileWeights.of(run, settings, options.seed)
        acting = files.require(options.weights)
        viewer = open_viewer(settings, files, RunNumbers(run), options.weights, options.seed, options.port)
    try:
        console.print(f"{run}: {acting.label}\n{viewer.address}   (Ctrl-C ends the viewer, not the run)", markup=False)
        if options.open:
            import webbrowser

            webbrowser.open(viewer.address)
        while True:
            viewer.tick()
    except KeyboardInterrupt:
        console.print("closed")
    finally:
        viewer.close()


def check(options: WatchOptions) -> None:
    """Raise UsageError for numbers that cannot be served."""
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"--port {options.port}: give 1 to 65535, or leave it out")
    if options.seed < 0:
        raise UsageError(f"--seed {options.seed}: give at least 0")
