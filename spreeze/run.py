"""A run: memory, roles and channels wired together, and watched until the end.

sampler x N --experience: shared memory--> stores --batches--> learner
     ^                                                            |
     +------------- weights: shared memory, versioned <-----------+--> evaluator, visualizer
every role --metrics, errors: ZMQ--> orchestrator --stop, save: ZMQ--> every role
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spreeze import registry, run_folder
from spreeze.checkpoint import Checkpoint, Checkpoints
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec, Stage
from spreeze.errors import CheckpointError, UsageError
from spreeze.forkserver import ForkServer
from spreeze.inherited import check_inherited, inherited_file, keep_inherited
from spreeze.journal import Journal
from spreeze.preflight import prepare
from spreeze.processes import ProcessStage
from spreeze.saving import restore_counters
from spreeze.serial import SerialStage
from spreeze.signals import Interrupted, Signals
from spreeze.sizing import Sizes, sizes
from spreeze.stage_hub import StageHub
from spreeze.stage_memory import StageMemory
from spreeze.stages import build_stages, reads_dataset
from spreeze.status import Status
from spreeze.store_files import restore
from spreeze.tuning.session import Tuner


def execute(
    settings: Settings,
    folder: Path,
    resume: bool = False,
    age_s: float = 0.0,
    signals: Signals | None = None,
    forkserver: ForkServer | None = None,
) -> None:
    """Run all stages in a claimed folder, from its newest checkpoint if `resume`; `age_s` the process was busy before.

    Who hears signals already, or has started a fork server, gives them, and closes the latter.

    Raises:
        Interrupted, SpreezeError: the run ended early; summary.json tells why.
    """
    if forkserver is None and not settings.run.serial:
        with ForkServer() as started:
            return execute(settings, folder, resume, age_s, signals, started)
    spec, stages = prepare(settings)
    signals = signals or Signals()
    signals.at_once = False
    if resume:
        check_same_data(folder, spec)
    status = Status()
    journal = Journal(folder, settings, run_folder.read_summary(folder) if resume else {}, status.say, age_s)
    if not resume:
        run_folder.save_settings(folder, settings)
    ready(forkserver, settings, signals)
    status.journal, reason = journal, "finished"
    status.lookout.stage_names = [stage.name for stage in stages]
    try:
        signals.check()
        checkpoint = newest_checkpoint(folder, journal.say) if resume else None
        if spec.dataset is not None and reads_dataset(stages):
            journal.learns_from(spec.dataset)
        journal.restore(checkpoint)
        first = checkpoint.manifest["stage"] if checkpoint else 0
        if any(stage.bundles for stage in stages[:first]):
            check_inherited(inherited_file(folder))
        for index in range(first, len(stages)):
            own = settings_of(index, settings, spec, checkpoint, journal, forkserver)
            holder = checkpoint or left_by(folder, index, stages, journal.say)
            memory = allocate(own, spec, index, checkpoint, holder)
            run_stage(StageHub(folder, memory, journal, checkpoint), checkpoint, status, signals, forkserver)
            checkpoint = None
            if ended_early(journal, settings, [stage.name for stage in stages[index + 1 :]]):
                break
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        status.close()
        journal.write_summary(reason)
        journal.close()
        signals.close()


def ready(forkserver: ForkServer | None, settings: Settings, signals: Signals) -> None:
    """Have the fork server, if there is one, import what this run needs, and who waits for it hear signals."""
    if forkserver is not None:
        forkserver.check = signals.check
        forkserver.preload(registry.own_modules(settings.algo, settings.env))


def ended_early(journal: Journal, settings: Settings, left: Sequence[str]) -> bool:
    """Whether the run is over after a stage, its time or its return reached; says what is left out."""
    if journal.reached_return:
        journal.say(f"an evaluation reached --until-return {settings.run.until_return:g}")
        return True
    over = journal.seconds >= (settings.run.seconds or float("inf"))
    if over and left:
        journal.say(f"the time was over before stage '{left[0]}'; `spreeze resume --seconds` goes on")
    return over


def check_same_data(folder: Path, spec: EnvironmentSpec) -> None:
    """Raise UsageError if the dataset is another than the one that the run has learned from."""
    known = run_folder.read_summary(folder).get("dataset")
    now = spec.dataset
    if known and (now is None or now.digest != known["digest"]):
        found = f"now there is {now.name} with {now.digest[:12]}" if now else "now there is none"
        began = f"{folder} learned from dataset {known['name']} with SHA-256 {known['digest'][:12]}"
        anew = f"start anew with `spreeze run --config {folder}/config.yaml --out OTHER`"
        raise UsageError(f"{began}, {found}; put that back, or {anew}")


def settings_of(
    index: int,
    settings: Settings,
    spec: EnvironmentSpec,
    checkpoint: Checkpoint | None,
    journal: Journal,
    forkserver: ForkServer | None,
) -> Settings:
    """The settings of one stage: what is auto as the tuner chooses it, or as the stage has gone on so far."""
    file, left_s = inherited_file(journal.folder), (settings.run.seconds or math.inf) - journal.seconds
    inherited, log = file if file.exists() else None, journal.log.fileno()
    tuner = Tuner(settings, spec, index, journal.say, inherited, log, forkserver, left_s)
    if checkpoint is None:
        options = tuner.options()
    else:
        manifest = checkpoint.manifest
        options = tuner.options_of_resumed(manifest["sizes"], manifest.get("devices", settings.run.devices))
    journal.tuned = tuner.reached
    return settings.replace(**options)


def left_by(folder: Path, index: int, stages: Sequence[Stage], say: Callable[[str], None]) -> Checkpoint | None:
    """The last checkpoint of the stage before `index`, if that stage keeps one of its stores.

    Raises:
        CheckpointError: it is not there, or does not hold such a store.
    """
    kept = kept_stores(stages[index])
    if not kept:
        return None
    found = newest_checkpoint(folder, say)
    if found is None or found.manifest["stage"] != index - 1 or kept - found.manifest["stores"].keys():
        raise CheckpointError(
            f"stage '{stages[index].name}' begins with the stores {', '.join(sorted(kept))} of the stage before it, "
            f"and {folder} holds no checkpoint of theirs"
        )
    return found


def kept_stores(stage: Stage) -> set[str]:
    """The stores that a stage takes over."""
    return {name for name, store in stage.stores.items() if store.kind == "kept"}


def allocate(
    settings: Settings,
    spec: EnvironmentSpec,
    index: int,
    checkpoint: Checkpoint | None,
    holder: Checkpoint | None = None,
) -> StageMemory:
    """The memory of one stage, filled from its checkpoint if there is one; `holder` is that which has kept stores."""
    stage = build_stages(settings, spec)[index]
    stores: Mapping[str, Any] = holder.manifest["stores"] if holder else {}
    memory = StageMemory(settings, spec, stage, index, stage_sizes(settings, stage, checkpoint), stores)
    if checkpoint is None and holder is not None:
        kept = {name: stores[name] for name in kept_stores(stage)}
        restore(holder.folder.parent / "stores", memory.stores, kept)
    if checkpoint is not None:
        restore(checkpoint.folder.parent / "stores", memory.stores, checkpoint.manifest["stores"])
        restore_counters(memory, checkpoint.manifest["counters"])
    return memory


def run_stage(
    hub: StageHub,
    checkpoint: Checkpoint | None,
    status: Status,
    signals: Signals,
    forkserver: ForkServer | None,
) -> None:
    """Connect, start, watch and stop one stage, in processes or in turns; keep what the next stage inherits."""
    journal, settings = hub.journal, hub.settings
    journal.begin_stage(hub.stage.name, hub.memory.counters, hub.memory.sizes)
    try:
        play = stage_of(hub, checkpoint, forkserver)
    except BaseException:
        hub.close()
        raise
    try:
        play.watch(status, signals, settings.run.seconds or float("inf"))
        play.finish()
        keep_inherited(inherited_file(hub.folder), hub.memory.bundles())
    except Interrupted:
        play.interrupt()
        raise
    finally:
        journal.end_stage()
        play.close()


def stage_of(hub: StageHub, checkpoint: Checkpoint | None, forkserver: ForkServer | None) -> ProcessStage | SerialStage:
    """The stage, to be played in processes or in turns."""
    if hub.settings.run.serial or forkserver is None:
        return SerialStage(hub, checkpoint)
    return ProcessStage(hub, checkpoint, forkserver)


def stage_sizes(settings: Settings, stage: Stage, checkpoint: Checkpoint | None) -> Sizes:
    """Sizes of the stage; of a resumed one, those that its stores were laid out with."""
    own = sizes(settings, registry.algorithm(settings.algo), stage)
    kept = checkpoint.manifest["sizes"] if checkpoint else {}
    return Sizes(**(vars(own) | {name: value for name, value in kept.items() if value is not None}))


def newest_checkpoint(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest intact checkpoint of a run; what is damaged is said. None: it ended before it saved anything.

    Raises:
        CheckpointError: there is none that is intact.
    """
    saved = folder / "checkpoints"
    if not saved.exists() or not any(saved.iterdir()):
        say("nothing was saved: the run begins anew")
        return None
    damaged: list[str] = []
    found = Checkpoints(saved).newest_intact(damaged)
    for line in damaged:
        say(f"{line}; using the one before")
    if found is None:
        anew = f"start anew with `spreeze run --config {folder}/config.yaml --out OTHER`"
        raise CheckpointError(f"{folder} holds no intact checkpoint; {anew}")
    return found
