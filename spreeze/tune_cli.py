"""`spreeze tune`: the tuner without a run, explained."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from safetensors.torch import save_file
from torch import Tensor

from spreeze.config import Settings
from spreeze.contract import Stage
from spreeze.errors import UsageError
from spreeze.preflight import prepare
from spreeze.stages import build_modules
from spreeze.tuning.report import table
from spreeze.tuning.search import Choice
from spreeze.tuning.session import Tuner
from spreeze.tuning.space import obstacle

WIDTH = 160
"""Of the table where there is no terminal."""


def tune(settings: Settings) -> None:
    """Tune every stage anew, keep what comes of it, and show what was tried.

    Raises:
        UsageError: no stage can be tuned.
        TrialError: a stage cannot be run.
    """
    asked = settings.replace(tune="again")
    spec, stages = prepare(asked)
    console, tunable = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False), 0
    with tempfile.TemporaryDirectory(prefix="spreeze-tune-") as folder:
        for index, stage in enumerate(stages):
            reason = obstacle(asked, stage)
            if reason:
                console.print(f"stage '{stage.name}' is not tuned: {reason}")
                continue
            tunable += 1
            tune_stage(Tuner(asked, spec, index, console.print, untrained(stages[:index], Path(folder))), console)
    if not tunable:
        raise UsageError(f"spreeze tune: there is nothing to choose for {settings.algo}")


def tune_stage(tuner: Tuner, console: Console) -> None:
    """Search, show what was tried, and say what was chosen."""
    begun = time.monotonic()
    console.print(f"stage '{tuner.stage.name}', about {tuner.settings.run.tune_seconds:g} s")
    found, climb = tuner.search()
    console.print(table(climb.trials, Choice(**(vars(climb.trials[0].choice) | found.options))))
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in found.options.items())
    console.print(f"chosen in {time.monotonic() - begun:.0f} s, kept for the next run: {options}")


def untrained(stages: Sequence[Stage], folder: Path) -> Path | None:
    """A file of the bundles that these stages would leave, as they are before training: sizes are all that matters."""
    tensors: dict[str, Tensor] = {}
    for stage in stages:
        for name, module in build_modules(stage).items():
            tensors |= {f"{name}/{key}": tensor.contiguous() for key, tensor in module.state_dict().items()}
    if not tensors:
        return None
    file = folder / "inherited.safetensors"
    save_file(tensors, file)
    return file
