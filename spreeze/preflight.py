"""What is checked before anything is started: the environment works, and the algorithm can serve it."""

import traceback
from collections.abc import Mapping, Sequence

import torch

from spreeze import registry
from spreeze.config import RunOptions, Settings
from spreeze.contract import EnvironmentSpec, LearnerSetup, Stage
from spreeze.devices import part_devices, part_names
from spreeze.errors import EnvironmentFault, SpreezeError, UsageError
from spreeze.folders import keep_compiled
from spreeze.forkserver import check_machine
from spreeze.sinks.stream import names
from spreeze.sizing import sizes
from spreeze.spaces import probe
from spreeze.stage_memory import split_parts
from spreeze.stages import build_stages, environment_spec

LIMITS = {
    "seed": (0, 2**62),
    "steps": (1, 2**62),
    "seconds": (1, 1e9),
    "until_return": (-1e12, 1e12),
    "delay": (0, 1024),
    "tune_seconds": (1, 3600),
    "evaluate_every": (0, 1e9),
    "evaluate_every_steps": (1, 2**62),
    "evaluation_episodes": (1, 10_000),
    "checkpoint_every": (0, 1e9),
    "checkpoint_every_steps": (1, 2**62),
}
"""Least and greatest value of the common options that are numbers."""


def check_options(run: RunOptions) -> None:
    """Raise UsageError if a number makes no sense."""
    for name, (least, greatest) in LIMITS.items():
        value = getattr(run, name)
        if value not in (None, "auto") and not least <= value <= greatest:
            raise UsageError(f"--{name.replace('_', '-')} {value:g} is outside [{least:g}, {greatest:g}]")


def prepare(settings: Settings) -> tuple[EnvironmentSpec, Sequence[Stage]]:
    """Everything that can go wrong before a process is started goes wrong here."""
    if settings.run.serial:
        keep_compiled()
    else:
        check_machine()
    check_options(settings.run)
    names(settings.run.log)
    algorithm, devices = registry.algorithm(settings.algo), part_devices(settings.run.devices)
    environment = registry.environment(settings.env)
    try:
        spec = environment_spec(settings, *probe(environment, settings.environment))
    except SpreezeError:
        raise
    except Exception as error:
        own = "".join(traceback.format_exception(error))
        raise EnvironmentFault(f"environment '{settings.env}' failed when it was tried:\n{own}") from error
    stages = build_stages(settings, spec)
    for stage in stages:
        sizes(settings, algorithm, stage)
    if settings.run.replay_ratio != "auto" and not any(stage.pace.ratio for stage in stages):
        raise UsageError(f"--replay-ratio: no stage of {settings.algo} holds a replay ratio")
    if len(part_names(devices)) > 1:
        check_parts(settings, devices, stages)
    return spec, stages


def check_parts(settings: Settings, devices: Mapping[str, torch.device], stages: Sequence[Stage]) -> None:
    """Raise UsageError if the parts of a learner cannot go apart as `--devices` wants it."""
    if not any([split_parts(stage, devices, settings.run.seed) for stage in stages]):
        raise UsageError(no_split(stages, devices, settings.run.seed))
    if settings.run.stores == "device":
        raise UsageError("--stores device: parts on devices of their own draw from the host; leave out one of the two")


def no_split(stages: Sequence[Stage], devices: Mapping[str, torch.device], seed: int) -> str:
    """Why `--devices` cannot be obeyed where every stage has a single part."""
    has = {name for stage in stages for name in stage.make_learner(LearnerSetup({"*": devices["*"]}, seed, {}))}
    missing = next((name for name in part_names(devices) if name not in has), None)
    parts = ", ".join(sorted(has))
    return (
        f"--devices: no part '{missing}'; this learner has {parts}"
        if missing
        else f"--devices: {parts} are stages apart"
    )
