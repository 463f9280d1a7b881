"""What may be chosen for a stage, and when it is worth the time."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from spreeze import registry
from spreeze.config import Settings
from spreeze.contract import LearnerSetup, Stage, Until
from spreeze.devices import part_devices, part_names
from spreeze.sizing import Sizes, takes_turns, usable_cores
from spreeze.tuning.search import Choice, Space
from spreeze.tuning.trial import Rates

Inherited = Mapping[str, Mapping[str, Tensor]]
"""Bundles that earlier stages published last."""
SAMPLING = ("samplers", "envs_per_sampler")
OPTIONS = (*SAMPLING, "learner_cores", "batch_size", "updates_per_call", "devices")
WORTH = 10
"""A run must be so many times as long as its tuning may take."""
SHORT_STEPS, SHORT_UPDATES = 20_000, 2_000
"""Below these a stage is not even worth a trial."""
MAX_CALLS = 64


def free_options(settings: Settings, stage: Stage) -> frozenset[str]:
    """The options that nobody has given and that matter to this stage."""
    algorithm, run = registry.algorithm(settings.algo), settings.run
    free = {name for name in OPTIONS if getattr(run, name) == "auto"}
    if stage.make_source is None:
        free -= set(SAMPLING)
    if algorithm.critical_batch is None or algorithm.batch_size.minimum == algorithm.batch_size.maximum:
        free.discard("batch_size")
    if len(part_names(part_devices(run.devices))) > 1 or part_devices(run.devices)["*"].type != "cuda":
        free.discard("updates_per_call")
    return frozenset(free)


def obstacle(settings: Settings, stage: Stage) -> str:
    """Why this stage is not tuned, or nothing."""
    if settings.run.serial:
        return "a serial run has one size"
    if takes_turns(stage):
        return "the sizes of a stage that takes from a queue are part of its algorithm"
    if any(store.kind == "kept" for store in stage.stores.values()):
        return "a trial has nothing of what the stage before keeps"
    if stage.make_source is None and stage.until == Until():
        return "nobody knows how long it takes"
    if not free_options(settings, stage):
        return "all sizes are given"
    return ""


def too_short(settings: Settings, stage: Stage, left_s: float, rates: Rates | None = None) -> bool:
    """Whether tuning would take a good part of the stage, by what is left of the run and, if known, its rates."""
    until, enough_s = stage.until, WORTH * settings.run.tune_seconds
    if rates is None:
        few = (until.env_steps or SHORT_STEPS) < SHORT_STEPS or (until.updates or SHORT_UPDATES) < SHORT_UPDATES
        return few or left_s < enough_s
    steps_s = until.env_steps / rates.env_steps if until.env_steps and rates.env_steps else math.inf
    updates_s = until.updates / rates.updates if until.updates and rates.updates else math.inf
    return min(left_s, steps_s, updates_s) < enough_s


def space_of(settings: Settings, stage: Stage, inherited: Inherited) -> Space:
    """Within which limits the stage may be tuned."""
    cores, device = len(usable_cores()), part_devices(settings.run.devices)["*"]
    free = free_options(settings, stage)
    split = split_devices(stage, device, inherited) if "devices" in free else ""
    return Space(
        free=free if split else free - {"devices"},
        cores=cores,
        batch=registry.algorithm(settings.algo).batch_size,
        split=split,
        max_samplers=4 * cores,
        max_calls=MAX_CALLS if device.type == "cuda" else 1,
    )


def split_devices(stage: Stage, device: torch.device, inherited: Inherited) -> str:
    """The `--devices` that gives each of two parts a place of its own; empty where there is none."""
    parts = list(stage.make_learner(LearnerSetup({"*": torch.device("cpu")}, 0, inherited)))
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
