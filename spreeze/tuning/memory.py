"""What the tuner has found: kept for a machine and a request in the cache, and for a run in its folder."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spreeze.cache import cache_key, keep_data, kept_data
from spreeze.config import Settings
from spreeze.journal import machine, versions
from spreeze.sizing import usable_cores
from spreeze.tuning.space import OPTIONS

KIND, FORMAT = "tuning", 1


@dataclass(frozen=True)
class Found:
    """What the tuner has chosen for a stage."""

    options: dict[str, Any]
    first: float
    """Progress of the rules of thumb."""
    best: float
    """Progress of what was chosen."""
    trials: int


def key_of(settings: Settings, index: int) -> str:
    """The name under which the result is kept."""
    data = settings.to_data()
    run = {name: data["run"][name] for name in (*OPTIONS, "replay_ratio", "stores", "dataset")}
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    where = {"machine": machine(), "cores": list(usable_cores()), "gpus": gpus, "versions": versions()}
    return cache_key(format=FORMAT, **where, **(data | {"run": run}), stage=index)


def known(settings: Settings, index: int) -> Found | None:
    """What was found before on this machine for these settings."""
    data = kept_data(KIND, key_of(settings, index))
    with suppress(TypeError, ValueError, AttributeError):
        found = Found(**(data or {}))
        if found.options.keys() <= set(OPTIONS):
            return found
    return None


def remember(settings: Settings, index: int, found: Found) -> None:
    """Keep what was found for the next run."""
    keep_data(KIND, key_of(settings, index), vars(found))


class Record:
    """What was chosen for the stages of a run, in its folder: a resumed run goes on with the same."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "tuned.json"

    def read(self) -> dict[int, dict[str, Any]]:
        """Options by number of the stage."""
        try:
            data = json.loads(self._file.read_text())
            return {int(stage): dict(options) for stage, options in data.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def add(self, index: int, options: Mapping[str, Any]) -> None:
        """Keep the options of a stage."""
        data = {str(stage): options for stage, options in (self.read() | {index: dict(options)}).items()}
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(data))
        part.replace(self._file)
