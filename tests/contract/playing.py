"""Runs made from Python, and what they leave behind."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from spreeze import run_folder
from spreeze.config import Settings
from spreeze.run import execute

LIMIT_S = 90.0
"""A run that takes longer hangs, and is interrupted."""


def play(
    folder: Path,
    algo: str,
    env: str,
    algorithm: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    **run: Any,
) -> dict[str, Any]:
    """Run `algo` on `env`, each with its options, in a fresh folder; return the summary."""
    fixed = {"visualize": "none", "samplers": 1, "evaluate_every": 1000.0}
    data = {
        "algo": algo,
        "env": env,
        "run": fixed | run,
        "algorithm": algorithm or {},
        "environment": environment or {},
    }
    return _execute(folder, Settings.from_data(data), resume=False)


def resume(folder: Path, **run: Any) -> dict[str, Any]:
    """Go on with a run; return the summary."""
    settings = run_folder.load_settings(folder / "config.yaml")
    return _execute(folder, settings.replace(**run), resume=True)


def _execute(folder: Path, settings: Settings, resume: bool) -> dict[str, Any]:
    mask, limit = os.umask(0o077), Timer(LIMIT_S, os.kill, (os.getpid(), signal.SIGTERM))
    limit.start()
    try:
        with run_folder.claim(folder, fresh=not resume) as claimed:
            execute(settings, claimed, resume)
    finally:
        limit.cancel()
        limit.join()
        os.umask(mask)
    return run_folder.read_summary(folder)


def checkpoint(folder: Path) -> Path:
    """The newest checkpoint of a run."""
    return max((folder / "checkpoints").glob("checkpoint-*"))


def tensors(folder: Path, pattern: str) -> dict[str, np.ndarray]:
    """All tensors of the newest checkpoint's files that match, as {file/name: array}."""
    files = sorted(checkpoint(folder).glob(f"{pattern}.safetensors"))
    return {f"{file.stem}/{name}": array for file in files for name, array in load_file(file).items()}
