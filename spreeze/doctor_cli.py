"""`spreeze doctor`: what this machine offers and lacks, and what crashed runs left on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class DoctorOptions:
    """Show what this machine offers, what it lacks, and what crashed runs left on it."""

    clear: bool = False
    """Remove what crashed runs left: their folders of sockets, and what stands unfinished in runs/ and in the cache.
    Runs under way and finished files are left alone."""


def main(argv: Sequence[str]) -> int:
    """Run `spreeze doctor` with its arguments; return 1 if something is missing that a run needs."""
    from rich.console import Console

    from spreeze.cli import parse

    options: DoctorOptions = parse(DoctorOptions, argv, "doctor")
    console = Console()
    if options.clear:
        return clear(console)
    from spreeze.doctor import findings, render

    found = findings()
    console.print(render(found))
    return 1 if any(finding.status == "bad" for finding in found) else 0


def clear(console: Console) -> int:
    """Remove what crashed runs left, and say what that was."""
    from spreeze.leftovers import leftovers, remove

    found = leftovers()
    kept = remove(found)
    for path in found:
        console.print(f"{'could not remove' if path in kept else 'removed'} {path}", markup=False, soft_wrap=True)
    console.print(f"{len(found) - len(kept)} removed" if found else "nothing was left behind")
    return 1 if kept else 0
