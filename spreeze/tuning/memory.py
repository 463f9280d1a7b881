"""What the tuner has found, kept in the cache for a machine and a request."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch

from spreeze import registry
from spreeze.cache import cache_key, keep_data, kept_data
from spreeze.config import RunOptions, Settings, from_plain
from spreeze.contract import Stage
from spreeze.devices import part_devices
from spreeze.errors import SpreezeError
from spreeze.folders import cache_folder
from spreeze.journal import machine, versions
from spreeze.sizing import sizes
from spreeze.tuning.space import OPTIONS
from spreeze.tuning.trial import Rates

KIND, FORMAT = "tuning", 2
LOOK_S = 0.2


@dataclass(frozen=True)
class Found:
    """What the tuner has found for a stage."""

    options: dict[str, Any]
    """Chosen; {} where one trial showed that the stage is too short."""
    gain: float
    """Progress of what was chosen over that of the rules of thumb."""
    env_steps: float
    """Per second, by the rules of thumb."""
    updates: float
    """Per second, by the rules of thumb."""
    best_env_steps: float = 0.0
    """Per second, by what was chosen; 0: not measured."""
    best_updates: float = 0.0
    """Per second, by what was chosen; 0: not measured."""

    @property
    def rates(self) -> Rates:
        """Those of the rules of thumb."""
        return Rates(self.env_steps, self.updates, 0.0, 0.0)

    @property
    def reached(self) -> Rates | None:
        """Those of what was chosen."""
        return Rates(self.best_env_steps, self.best_updates, 0.0, 0.0) if self.options and self.best_updates else None


def key_of(settings: Settings, index: int) -> str:
    """The name under which the result is kept: whatever changes rates, but no seed and no limit of a run."""
    algorithm, data = registry.algorithm(settings.algo), settings.to_data()
    run = {name: data["run"][name] for name in (*OPTIONS, "replay_ratio", "stores", "dataset", "delay", "tune_seconds")}
    about = {"range": asdict(algorithm.batch_size), "critical": algorithm.critical_batch}
    switches = {name: value for name, value in os.environ.items() if name.startswith("SPREEZE_NO_")}
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    where = {"machine": machine(), "gpus": gpus, "versions": versions(), "switches": switches}
    return cache_key(format=FORMAT, **where, **about, **(data | {"run": run}), stage=index)


def remember(settings: Settings, index: int, found: Found) -> None:
    """Keep what was found for the next run."""
    keep_data(KIND, key_of(settings, index), vars(found))


def known(settings: Settings, stage: Stage, index: int) -> Found | None:
    """What was found before on this machine for these settings, if it can be obeyed still."""
    try:
        found = Found(**(kept_data(KIND, key_of(settings, index)) or {}))
        fits = found.options.keys() <= set(OPTIONS) and obeyable(settings, stage, found.options)
        return found if fits and min(found.gain, found.updates) > 0 else None
    except (TypeError, AttributeError):
        return None


def obeyable(settings: Settings, stage: Stage, options: dict[str, Any]) -> bool:
    """Whether a run of this stage could be given these options here."""
    try:
        changed = settings.replace(**options)
        from_plain(RunOptions, changed.to_data()["run"])
        part_devices(changed.run.devices)
        sizes(changed, registry.algorithm(settings.algo), stage)
    except SpreezeError:
        return False
    return True


@contextmanager
def alone(settings: Settings, index: int, check: Callable[[], None]) -> Iterator[None]:
    """Wait until no other process looks for the same: runs that start together would measure each other."""
    file = cache_folder() / KIND / f"{key_of(settings, index)}.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            check()
            time.sleep(LOOK_S)
        yield
    finally:
        os.close(lock)
