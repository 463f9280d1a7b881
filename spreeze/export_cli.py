"""The command `spreeze export`: the policy of a run as an ONNX file, compared with torch before it is kept."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from spreeze.config import Unset
from spreeze.errors import RunFolderError, UsageError

if TYPE_CHECKING:
    from spreeze.export import Exported
    from spreeze.measure import Trained

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class ExportOptions:
    """Write the policy of a run as ONNX: deterministic, for raw observations, actions in the environment's units."""

    run: Annotated[str, "positional"]
    """Run folder, checkpoint, or `latest`."""
    checkpoint: Literal["best", "latest"] = "best"
    """The policy with the best evaluation, or the newest."""
    out: Path | Unset = None
    """The file (default: policy.onnx in the run folder)."""
    seed: int = 0
    """Of the observations on which the file is compared with torch."""


def export(options: ExportOptions) -> None:
    """Write the file, compare it with torch, and say what it takes and gives.

    Raises:
        UsageError: a package is missing, the policy cannot be exported, or the file differs from it.
        RunFolderError: there is no such run, or the file cannot be written.
        CheckpointError: the run has no intact checkpoint of that kind.
    """
    check_packages()
    from rich.console import Console

    from spreeze.export import differences
    from spreeze.export import export as written
    from spreeze.measure import load_policy
    from spreeze.run_folder import find_run

    say = Console(highlight=False, soft_wrap=True, markup=False).print
    run = find_run(options.run)
    out = options.out or run / "policy.onnx"
    say(f"exporting the {options.checkpoint} policy of {run}")
    trained = load_policy(run, options.checkpoint)
    exported = written(trained.policy, trained.modules, trained.spec, trained.stage.modes.evaluate, about(trained))
    found = differences(exported, trained.policy(0), trained.spec, options.seed)
    check(found)
    keep(exported.model, out)
    for line in description(exported, found):
        say(line)
    say(f"{out}")


def check_packages() -> None:
    """Raise UsageError if a package that exporting needs is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        words = " and ".join(missing)
        raise UsageError(
            f"spreeze export needs {words}: pip install 'spreeze[export]', or pip install {' '.join(PACKAGES)}"
        )


def about(trained: Trained) -> dict[str, str]:
    """What the file says of the run."""
    from spreeze.journal import versions

    known = versions()
    return {
        "run": trained.run.resolve().name,
        "algorithm": trained.settings.algo,
        "environment": trained.settings.env,
        "checkpoint": trained.checkpoint.folder.name,
        "mean_return": str(trained.checkpoint.manifest.get("mean_return", "")),
        "spreeze": known["spreeze"],
        "torch": known["torch"],
    }


def check(found: dict[str, float]) -> None:
    """Raise UsageError if an output of onnxruntime differs from that of torch."""
    from spreeze.export import TOLERANCE

    wrong = {name: difference for name, difference in found.items() if not difference <= TOLERANCE}
    if wrong:
        words = ", ".join(f"{name} by {difference:.2g}" for name, difference in wrong.items())
        raise UsageError(f"onnxruntime differs from torch by more than {TOLERANCE:g}: {words}; nothing was written")


def keep(model: bytes, out: Path) -> None:
    """Write the file at once, readable by its owner only; raises `RunFolderError`."""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(model)
        part.replace(out)
    except OSError as error:
        raise RunFolderError(f"cannot write '{out}' ({error.strerror or error}); name another file by --out") from error


def description(exported: Exported, found: dict[str, float]) -> list[str]:
    """Inputs, outputs, and how well the file fits."""
    from spreeze.export import STEPS, STREAMS

    worst = max(found, key=lambda name: found[name])
    others = f", {found[worst]:.2g} in {worst}" if found[worst] > found["action"] else ""
    said = f"{found['action']:.2g} of the range of an action{others}"
    return [
        f"inputs: {', '.join(exported.inputs)}; outputs: {', '.join(exported.outputs)}; {len(exported.model):,} bytes",
        f"largest difference from torch over {STREAMS * STEPS:,} observations: {said}",
    ]
