"""Sizes that follow from options, plug-in and machine before anything is measured."""

import os
from dataclasses import dataclass

from spreeze import limits
from spreeze.config import Settings
from spreeze.contract import Algorithm, Range, Stage
from spreeze.devices import part_devices, part_names
from spreeze.errors import UsageError

AUTO_ENVS = 16
"""Environments per sampler: enough to make the policy's cost per step small beside the physics."""
MAX_AUTO_SAMPLERS = 16
AUTO_ROWS_PER_CALL, MAX_AUTO_UPDATES, MAX_UPDATES = 1 << 16, 32, 1024
"""Of the updates in one call on a GPU: some milliseconds of work, beside which the host's part is little."""


@dataclass(frozen=True)
class Sizes:
    """Everything of a stage that is chosen for the machine rather than by the algorithm."""

    samplers: int
    envs_per_sampler: int
    block_steps: int
    """T, vector steps of one block of the default source."""
    batch_size: int
    replay_ratio: float | None
    learner_cores: tuple[int, ...]
    sampler_cores: tuple[int, ...]
    """Those without the learner if there is one for each sampler; else all but the first, or with a queue all."""
    updates_per_call: int = 1
    """K, updates that the learner makes in a row."""


def usable_cores() -> tuple[int, ...]:
    """The cores this process may run on, as many as its control group lets it keep busy."""
    count = max(int(limits.usable_cores()), 1)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(count)
    return tuple(sorted(allowed))[:count]


def batch_size(settings: Settings, algorithm: Algorithm) -> int:
    """The batch size asked for, or the algorithm's default."""
    asked = settings.run.batch_size
    return int(_within("--batch-size", algorithm.batch_size, None if asked == "auto" else asked))


def sizes(settings: Settings, algorithm: Algorithm, stage: Stage) -> Sizes:
    """Choose what is `auto`: a core for the learner, a sampler on each of the others.

    Raises:
        UsageError: an explicit value lies outside the range that the plug-in declares.
    """
    run, cores = settings.run, usable_cores()
    ratio = None
    if stage.pace.ratio is not None:
        ratio = _within("--replay-ratio", stage.pace.ratio, None if run.replay_ratio == "auto" else run.replay_ratio)
    samplers = min(max(len(cores) - 1, 1), MAX_AUTO_SAMPLERS) if run.samplers == "auto" else run.samplers
    envs = AUTO_ENVS if run.envs_per_sampler == "auto" else run.envs_per_sampler
    if samplers < 1 or envs < 1:
        raise UsageError("--samplers and --envs-per-sampler must be at least 1")
    batch = batch_size(settings, algorithm)
    learner = learner_cores(run.learner_cores, stage, cores)
    return Sizes(
        samplers=1 if run.serial else samplers,
        envs_per_sampler=envs,
        block_steps=max(1, 32 // envs),
        batch_size=batch,
        replay_ratio=ratio,
        learner_cores=learner,
        sampler_cores=sampler_cores(stage, cores, learner, samplers),
        updates_per_call=updates_per_call(run.updates_per_call, stage, batch, run.devices),
    )


def updates_per_call(asked: int | str, stage: Stage, batch: int, devices: str) -> int:
    """What was asked for; else as many as make some milliseconds on a GPU, and one on a CPU.

    Parts in processes of their own exchange weights after every update, and so do learner and samplers of a queue.
    """
    if not isinstance(asked, str) and not 1 <= asked <= MAX_UPDATES:
        raise UsageError(f"--updates-per-call {asked} is outside [1, {MAX_UPDATES}]")
    places = part_devices(devices)
    if len(part_names(places)) > 1 or takes_turns(stage):
        return 1
    if not isinstance(asked, str):
        return asked
    on_gpu = all(place.type == "cuda" for place in places.values())
    return min(max(AUTO_ROWS_PER_CALL // batch, 1), MAX_AUTO_UPDATES) if on_gpu else 1


def takes_turns(stage: Stage) -> bool:
    """Whether learner and samplers wait for each other: they share a queue."""
    return any(store.kind == "queue" for store in stage.stores.values())


def sampler_cores(stage: Stage, cores: tuple[int, ...], learner: tuple[int, ...], samplers: int) -> tuple[int, ...]:
    """Cores without the learner, if they suffice; a learner that waits for a queue leaves its own to samplers too."""
    free = cores[len(learner) :]
    if len(free) >= samplers:
        return free
    return cores if takes_turns(stage) else cores[1:] or cores


def learner_cores(asked: int | str, stage: Stage, cores: tuple[int, ...]) -> tuple[int, ...]:
    """What was asked for; else all cores where the learner is alone, otherwise one, or two of many."""
    if not isinstance(asked, str):
        if not 1 <= asked <= len(cores):
            raise UsageError(f"--learner-cores {asked}: this machine has {len(cores)}")
        return cores[:asked]
    if stage.make_source is None and stage.evaluate is None:
        return cores
    return cores[:1] if len(cores) < 4 else cores[:2]


def _within(option: str, allowed: Range, asked: float | None) -> float:
    if asked is None:
        return allowed.default
    if not allowed.minimum <= asked <= allowed.maximum:
        raise UsageError(f"{option} {asked:g} is outside [{allowed.minimum:g}, {allowed.maximum:g}] of this algorithm")
    return asked
