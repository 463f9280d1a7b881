"""The learner: updates what it is given as fast as the pace allows, publishes weights, saves on demand."""

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from spreeze.bundles import publish
from spreeze.contract import LearnerSetup, Part
from spreeze.device_updates import DeviceBatches, DeviceUpdates, recorder_for, store_device
from spreeze.devices import part_devices
from spreeze.errors import LearnerFault
from spreeze.learning import Batches, Exchange, JointUpdates, Parts, SplitUpdates, draws_of, rows_of
from spreeze.means import MetricMeans
from spreeze.pacing import Every, FreePace, wait_until
from spreeze.roles.context import RoleContext, open_channel
from spreeze.roles.sampler import ratio_pace
from spreeze.transport.counters import ROWS, TAKEN, UPDATES, VERSION, VERSION_INCARNATION
from spreeze.transport.weights import Version

PUBLISH_EVERY_S = 0.05
REPORT_EVERY_S = 1.0
LOOK_EVERY_S = 0.02
UPDATE = "spreeze.update"
"""The name under which a part's file keeps its number of updates."""
DRAWS = "draws.safetensors"
"""The generators of draws that are made on a device."""


def save_part(folder: Path, name: str, part: Part, update: int) -> None:
    """Write one part's state to `folder`, on the disk when this returns.

    Raises:
        LearnerFault: a parameter is NaN or infinite, or anything else NaN; a learner restarted from it would never
            recover.
    """
    for owned, module in part.owns.items():
        if not all(torch.isfinite(parameter).all() for parameter in module.parameters()):
            raise LearnerFault(f"NaN or infinity in {owned} after update {update}; not saved")
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in part.state().items()}
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.isnan().any():
            raise LearnerFault(f"NaN in {key} of part {name} after update {update}; not saved")
    save_tensors(tensors | {UPDATE: torch.tensor(update)}, folder / f"part-{name}.safetensors")


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors to `path`, on the disk when this returns."""
    save_file(dict(tensors), path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def load_part(folder: Path, name: str, part: Part) -> int:
    """Restore one part from `folder`; return its number of updates."""
    tensors = load_file(folder / f"part-{name}.safetensors")
    update = int(tensors.pop(UPDATE))
    part.load_state(tensors)
    return update


def build_updates(context: RoleContext) -> JointUpdates | SplitUpdates:
    """The learner of this process, restored from the checkpoint if there is one."""
    spec, stage = context.spec, context.stage
    devices = part_devices(context.settings.run.devices)
    setup = LearnerSetup(devices, context.settings.run.seed, context.inherited(), stage.until.env_steps)
    parts = stage.make_learner(setup)
    updates = [load_part(Path(spec.checkpoint), n, p) for n, p in parts.items()] if spec.checkpoint else [0]
    placed = {name: setup.device(name) for name in parts}
    batches = Batches(context.readers(), stage.stores, context.settings.run.seed)
    if spec.role == "learner":
        return joint_updates(context, parts, batches, placed, updates[0])
    name = spec.role.partition("-")[2]
    channels = {part: open_channel(data) for part, data in spec.exchanges.items()}
    exchange = Exchange(parts, name, channels, stage.delay, updates[0])
    return SplitUpdates(parts, name, batches, placed[name], exchange, stage.delay, spec.incarnation, updates[0])


def joint_updates(
    context: RoleContext, parts: Parts, batches: Batches, placed: Mapping[str, torch.device], update: int
) -> JointUpdates:
    """Updates of all parts, with stores on their device if that is wanted and possible."""
    stage, run = context.stage, context.settings.run

    def say(text: str) -> None:
        context.line.send("log", text=text)

    device = store_device(run.stores, parts, placed, stage.stores, context.stores, say)
    if device is None:
        return JointUpdates(parts, batches, placed, update)
    if device.index is not None:
        torch.cuda.set_device(device)
    drawn = DeviceBatches(draws_of(parts), context.stores, device, run.seed, update)
    updates = DeviceUpdates(parts, batches, drawn, context.sizes.updates_per_call, update, recorder_for(device), say)
    saved = Path(context.spec.checkpoint) / DRAWS
    if context.spec.checkpoint and saved.exists():
        updates.load_draw_state(load_file(saved))
    return updates


class Learner:
    """The loop of one learner process."""

    def __init__(self, context: RoleContext) -> None:
        self.context, self.row = context, context.row
        self.updates = build_updates(context)
        self.parts = self.updates.parts
        self.leads = context.spec.role in ("learner", self._leader())
        sizes, draws = context.sizes, self.updates.draws
        self.batch_rows = rows_of(draws, context.stage.stores, sizes.samplers, sizes.envs_per_sampler)
        free = FreePace(context.counters, context.stage.warmup if context.stage.make_source else 0)
        self.pace = (ratio_pace(context, context.sizes) or free) if self.leads else FreePace(context.counters, 0)
        context.handlers |= {"save": self.save, "cores": take_cores}
        whole = context.spec.role == "learner"  # Other parts may draw something.
        self.halted, self.idle = False, whole and not draws and context.stage.make_source is not None
        self.means, self.report = MetricMeans(), Every(REPORT_EVERY_S)
        self.publish_due: Callable[[], bool] = Every(PUBLISH_EVERY_S)

    def _leader(self) -> str:
        return next(role for role in self.context.counters.roles if role.startswith("learner"))

    def begin(self) -> None:
        """Publish the first weights; forget what was collected for a learner that died."""
        if self.context.spec.incarnation > 1:
            for name, reader in self.context.readers().items():
                if self.context.stage.stores[name].kind == "queue":
                    reader.drop_queued()
        self.row[TAKEN] = self.updates.update
        self.publish()

    def run(self) -> None:
        """Update until told to stop, or until a part is finished."""
        self.begin()
        self.context.ready()
        while not self.finished() and wait_until(self.may_update, self.row, self.context.alive):
            self.update()
        self.publish()
        self.tell()
        if self.finished():
            self.context.line.send("done")
        while self.context.alive():
            time.sleep(LOOK_EVERY_S)

    def finished(self) -> bool:
        """Whether a part has nothing more to learn, or the stage's updates are done."""
        return self.left() <= 0 or self.updates.finished

    def left(self) -> float:
        """Updates up to the end of the stage."""
        limit = self.context.stage.until.updates
        return math.inf if limit is None else limit - self.updates.update

    def may_update(self) -> bool:
        """Whether the pace allows an update and its data are there; none is made of nothing, or after the last save."""
        return not (self.halted or self.idle) and self.pace.learner_may_update() and self.updates.ready()

    def update(self) -> None:
        """Perform the updates of one call and what is due after them."""
        begun = self.updates.update
        count = int(min(self.context.sizes.updates_per_call, self.left()))
        self.row[TAKEN] += count
        self.updates.advance(count, self.means)
        made = self.updates.update - begun
        self.row[TAKEN] += made - count
        self.row[UPDATES] += made
        self.row[ROWS] += made * self.batch_rows
        if self.context.stage.pace.max_lag is not None or self.publish_due():
            self.publish()
        if self.report():
            self.tell()
        self.context.alive()

    def publish(self) -> None:
        """Publish every bundle that these parts own."""
        version = Version(self.context.spec.incarnation, self.updates.update, self.context.counters.env_steps)
        for part in self.parts.values():
            for bundle, tensors in part.publish().items():
                publish(self.context.weights[bundle], tensors, version, bundle)
        self.row[VERSION_INCARNATION], self.row[VERSION] = version.incarnation, version.update

    def tell(self) -> None:
        """Send the means of the metrics since the last report."""
        self.context.line.send("metrics", values=self.means.report(), update=self.updates.update)

    def save(self, data: Mapping[str, Any]) -> None:
        """Write the parts' states into the folder named, an unfinished checkpoint; the `last` one ends learning."""
        if data.get("last"):
            self.halted = True
            self.publish()
        folder = Path(data["folder"])
        problem = ""
        try:
            for name, part in self.parts.items():
                save_part(folder, name, part, self.updates.update)
            if self.updates.draw_state():
                save_tensors(self.updates.draw_state(), folder / DRAWS)
        except (OSError, SafetensorError) as error:  # a full disk must not end the learner
            problem = str(error)
        self.context.line.send("saved", folder=str(folder), problem=problem)


def take_cores(data: Mapping[str, Any]) -> None:
    """Compute on other cores from now on, with a thread on each; the threads there are move as well."""
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), data["cores"])
    torch.set_num_threads(len(data["cores"]))


def run(context: RoleContext) -> None:
    """Learn until told to stop."""
    Learner(context).run()
