"""The command `spreeze resume`: a run goes on from its newest intact checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from spreeze.config import Unset
from spreeze.errors import UsageError
from spreeze.forkserver import ForkServer
from spreeze.signals import Signals


@dataclass(frozen=True)
class ResumeOptions:
    """Go on with a run from its newest intact checkpoint."""

    run: Annotated[str, "positional"]
    """Run folder, checkpoint, or `latest`."""
    steps: int | Unset = None
    """Environment steps after which the run ends, those before included (default: as the run was started)."""
    seconds: float | Unset = None
    """Seconds to go on for (default: what is left of the run's own limit)."""


def resume(options: ResumeOptions, age_s: float, signals: Signals, forkserver: ForkServer | None) -> Path:
    """Go on with a run; `age_s` the process has been busy already. Return its folder.

    Raises:
        Interrupted, SpreezeError: there is no such run, or it ended early.
    """
    from spreeze import run_folder

    folder = run_folder.find_run(options.run)
    settings = run_folder.load_settings(folder / "config.yaml")
    changes: dict[str, Any] = {"out": folder}
    if options.steps is not None:
        changes["steps"] = options.steps
    done_s = float(run_folder.read_summary(folder).get("wall_seconds", 0.0))
    if options.seconds is not None:
        changes["seconds"] = done_s + options.seconds
    elif settings.run.seconds is not None and done_s >= settings.run.seconds:
        raise UsageError(f"{folder} has used its {settings.run.seconds:g} s; give --seconds to go on for")
    with run_folder.claim(folder, fresh=False) as claimed:
        from spreeze.run import execute

        execute(settings.replace(**changes), claimed, True, age_s, signals, forkserver)
    return folder
