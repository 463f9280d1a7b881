"""The tuner: what may be chosen for a stage, what is known already, and the search where nothing is."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spreeze import registry
from spreeze.cache import cache_key, keep_data, kept_data
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec, LearnerSetup, Stage
from spreeze.devices import part_devices
from spreeze.journal import machine, versions
from spreeze.sizing import Sizes, sizes, usable_cores
from spreeze.stages import build_stages
from spreeze.tuning.nursery import Nursery
from spreeze.tuning.report import in_words
from spreeze.tuning.search import Choice, Search, Space, Trial
from spreeze.tuning.trial import Rates, TrialError, Trials

KIND, FORMAT = "tuning", 1
SAMPLING = ("samplers", "envs_per_sampler")
OPTIONS = (*SAMPLING, "learner_cores", "batch_size", "updates_per_call", "devices")
WORTH = 10
"""A run must be so many times as long as its tuning may take."""
SHORT_STEPS, SHORT_UPDATES = 20_000, 2_000
"""Below these a stage is not even worth a trial."""
MAX_CALLS = 64


@dataclass(frozen=True)
class Found:
    """What the tuner has chosen for a stage."""

    options: dict[str, Any]
    first: float
    """Progress of the rules of thumb."""
    best: float
    """Progress of what was chosen."""
    trials: int


def free_options(settings: Settings, stage: Stage) -> frozenset[str]:
    """The options that nobody has given and that matter to this stage."""
    algorithm, run = registry.algorithm(settings.algo), settings.run
    free = {name for name in OPTIONS if getattr(run, name) == "auto"}
    if stage.make_source is None:
        free -= set(SAMPLING)
    if algorithm.critical_batch is None or algorithm.batch_size.minimum == algorithm.batch_size.maximum:
        free.discard("batch_size")
    return frozenset(free)


def obstacle(settings: Settings, stage: Stage) -> str:
    """Why this stage is not tuned, or nothing."""
    if settings.run.serial:
        return "a serial run has one size"
    if any(store.kind == "queue" for store in stage.stores.values()):
        return "the sizes of a stage that takes from a queue are part of its algorithm"
    if not free_options(settings, stage):
        return "all sizes are given"
    return ""


def too_short(settings: Settings, stage: Stage, rates: Rates | None = None) -> bool:
    """Whether tuning would take a good part of the stage, by its limits and, if they are known, its rates."""
    run, until = settings.run, stage.until
    if rates is None:
        few = (until.env_steps or SHORT_STEPS) < SHORT_STEPS or (until.updates or SHORT_UPDATES) < SHORT_UPDATES
        return few or (run.seconds or math.inf) < WORTH * run.tune_seconds
    steps_s = until.env_steps / rates.env_steps if until.env_steps and rates.env_steps else math.inf
    updates_s = until.updates / rates.updates if until.updates and rates.updates else math.inf
    return min(steps_s, updates_s) < WORTH * run.tune_seconds


def space_of(settings: Settings, stage: Stage) -> Space:
    """Within which limits the stage may be tuned."""
    cores, device = len(usable_cores()), part_devices("auto")["*"]
    free = free_options(settings, stage)
    split = split_devices(stage, device) if "devices" in free else ""
    return Space(
        free=free if split else free - {"devices"},
        cores=cores,
        batch=registry.algorithm(settings.algo).batch_size,
        split=split,
        max_samplers=4 * cores,
        max_calls=MAX_CALLS if device.type == "cuda" else 1,
    )


def split_devices(stage: Stage, device: torch.device) -> str:
    """The `--devices` that gives each of two parts a place of its own; empty where there is none."""
    parts = list(stage.make_learner(LearnerSetup({"*": torch.device("cpu")}, 0, {})))
    places = torch.cuda.device_count() if device.type == "cuda" else len(usable_cores())
    if len(parts) != 2 or places < 2:
        return ""
    on_gpu = device.type == "cuda"
    return ",".join(f"{part}=cuda:{index}" if on_gpu else f"{part}=cpu" for index, part in enumerate(parts))


def first_choice(settings: Settings, chosen: Sizes) -> Choice:
    """The rules of thumb as a choice."""
    return Choice(
        samplers=chosen.samplers,
        envs_per_sampler=chosen.envs_per_sampler,
        learner_cores=len(chosen.learner_cores),
        batch_size=chosen.batch_size,
        updates_per_call=chosen.updates_per_call,
        devices=settings.run.devices,
    )


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


def search(
    settings: Settings,
    spec: EnvironmentSpec,
    index: int,
    heard: Callable[[Trial], None],
    inherited: Path | None = None,
    log: int | None = None,
    enough: Callable[[Rates], bool] = lambda rates: False,
) -> tuple[Found, Search]:
    """Try settings of a stage for at most `--tune-seconds`, and keep the best one; only the first if that is `enough`.

    Raises:
        TrialError: not even the rules of thumb can be run.
    """
    algorithm = registry.algorithm(settings.algo)
    stage = build_stages(settings, spec)[index]
    space, chosen = space_of(settings, stage), sizes(settings, algorithm, stage)
    critical = algorithm.critical_batch
    with open(os.devnull, "wb") as nothing:
        nursery = Nursery(preloaded(settings), nothing.fileno() if log is None else log)
    with nursery:
        trials = Trials(settings, spec, index, inherited, nursery)
        climb = Search(
            space, lambda c: trials.measure(c.options(space.free)), critical, heard, settings.run.tune_seconds
        )
        best = climb.run(first_choice(settings, chosen), enough)
    found = Found(best.choice.options(space.free), climb.trials[0].progress, best.progress, len(climb.trials))
    if best.rates is None or not enough(best.rates):
        keep_data(KIND, key_of(settings, index), vars(found))
    return found, climb


def preloaded(settings: Settings) -> Sequence[str]:
    """The modules of the plug-ins, imported before roles are forked."""
    plug_ins = registry.algorithm(settings.algo).stages, registry.environment(settings.env).make_vector
    return [str(function.__module__) for function in plug_ins]


def tuned(
    settings: Settings,
    spec: EnvironmentSpec,
    stages: Sequence[Stage],
    index: int,
    say: Callable[[str], None],
    inherited: Path | None,
    log: int,
) -> Mapping[str, Any]:
    """The options that the tuner chooses for a stage: kept ones, or measured now; {} where it has nothing to say."""
    stage, mode = stages[index], settings.run.tune
    if mode == "off" or obstacle(settings, stage) or (mode == "auto" and too_short(settings, stage)):
        return {}
    found = known(settings, index) if mode == "auto" else None
    if found is None:
        say(f"tuning stage '{stage.name}', at most {settings.run.tune_seconds:g} s, once (--tune off leaves it out)")
        try:
            found, _ = search(
                settings,
                spec,
                index,
                lambda trial: say(f"  {in_words(trial)}"),
                inherited,
                log,
                lambda rates: mode == "auto" and too_short(settings, stage, rates),
            )
        except (TrialError, ChildProcessError) as error:
            say(f"not tuned: {error}")
            return {}
    chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.options.items())
    say(f"tuned: {chosen} ({found.best / found.first - 1:+.0%} progress over the rules of thumb)")
    return found.options


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
