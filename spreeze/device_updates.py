"""Updates whose batches are drawn on the learner's device, several in one call."""

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import psutil
import torch
from torch import Tensor

from spreeze.contract import Capturable, Draw, Metrics, Store
from spreeze.errors import UsageError
from spreeze.graphs import Ahead, CudaRecorder, Graphed, Recorder, addresses_of
from spreeze.learning import Batches, JointUpdates, Parts, draws_of
from spreeze.means import MetricMeans, Totals, totals_of
from spreeze.transport.layout import StoreMemory
from spreeze.transport.mirror import Mirror, device_bytes

SHARE = 0.8
"""Of the device's free memory, what rings may take; batches, activations and graphs need the rest."""

Drawn = Mapping[str, Mapping[str, Tensor]]
"""The batches of one update, by draw name."""


class DeviceBatches:
    """Draws batches on the device, from rings that follow the host's stores.

    The indices of a draw come from a generator of its own, whose state is saved with checkpoints.
    """

    def __init__(
        self, draws: Mapping[str, Draw], stores: Mapping[str, StoreMemory], device: torch.device, seed: int, update: int
    ) -> None:
        self.device, self._draws = device, draws
        self._mirrors = {name: Mirror(stores[name], device) for name in {draw.store for draw in draws.values()}}
        seeds = {name: draw_seed(seed, name, update) for name in draws}
        self.generators = {name: torch.Generator(device).manual_seed(own) for name, own in seeds.items()}

    def sync(self) -> None:
        """Move what samplers have committed to the device."""
        for mirror in self._mirrors.values():
            mirror.sync()

    def ready(self) -> bool:
        """Whether every store has a transition to draw."""
        return all(mirror.size > 0 or mirror.sync() > 0 for mirror in self._mirrors.values())

    def draw(self, updates: int) -> list[Drawn]:
        """The batches of so many updates, drawn at once."""
        found = {name: self._draw(name, draw, updates) for name, draw in self._draws.items()}
        return [{name: batches[index] for name, batches in found.items()} for index in range(updates)]

    def _draw(self, name: str, draw: Draw, updates: int) -> list[dict[str, Tensor]]:
        columns = self._mirrors[draw.store].store.draw(updates * draw.rows, self.generators[name])
        parted = {field: column.split(draw.rows) for field, column in columns.items()}
        return [{field: pieces[index] for field, pieces in parted.items()} for index in range(updates)]

    def state(self) -> dict[str, Tensor]:
        """The states of the generators."""
        return {name: generator.get_state() for name, generator in self.generators.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken; draws that it does not know begin anew."""
        for name in self.generators.keys() & state.keys():
            self.generators[name].set_state(state[name])


def draw_seed(seed: int, name: str, update: int) -> int:
    """The seed of a draw's generator in a learner that begins at `update`."""
    words = np.random.SeedSequence([seed, zlib.crc32(name.encode()), update]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


class DeviceUpdates(JointUpdates):
    """All parts on one device, with batches drawn there; calls of `per_call` updates are CUDA graphs if possible."""

    def __init__(
        self,
        parts: Parts,
        batches: Batches,
        drawn: DeviceBatches,
        per_call: int,
        update: int = 0,
        recorder: Recorder | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__(parts, batches, dict.fromkeys(parts, drawn.device), update)
        self._drawn, self._per_call, self._ahead = drawn, per_call, Ahead(drawn.device)
        self._graphed: Graphed[Totals] | None = None
        if recorder is not None and all(isinstance(part, Capturable) for part in parts.values()):
            self._graphed = Graphed(lambda: self._compute(per_call), self._generators, recorder, say)

    def ready(self) -> bool:
        """Whether the next update has what it needs."""
        return super().ready() and self._drawn.ready()

    def step(self) -> Metrics:
        """Update every part once, in order."""
        means = MetricMeans()
        self.advance(1, means)
        return means.report()

    def advance(self, count: int, means: MetricMeans) -> None:
        """Make `count` updates, fewer if a part is finished before."""
        self._drawn.sync()
        if self._graphed is not None and count == self._per_call:
            totals = self._graphed(addresses_of(self.parts))
        else:
            totals = self._compute(count)
        self.update += totals.updates
        means.add_totals(totals)
        self._ahead.queued()

    def _compute(self, count: int) -> Totals:
        found: list[Metrics] = []
        for batches in self._drawn.draw(count):
            metrics: dict[str, Tensor | float] = {}
            for part in self.parts.values():
                metrics |= part.update({name: batches[name] for name in part.draws})
            found.append(metrics)
            if self.finished:
                break
        return totals_of(found, self._drawn.device)

    def _generators(self) -> Sequence[torch.Generator]:
        own = [g for part in self.parts.values() if isinstance(part, Capturable) for g in part.graph_generators]
        return [*self._drawn.generators.values(), *own]

    def draw_state(self) -> Mapping[str, Tensor]:
        """What `load_draw_state` needs to go on with the next draws."""
        return self._drawn.state()

    def load_draw_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the draws where `state` was taken."""
        self._drawn.load_state(state)


def recorder_for(device: torch.device) -> Recorder | None:
    """How calls are captured on `device`; None: not at all."""
    return CudaRecorder(device) if device.type == "cuda" else None


def store_device(
    asked: str,
    parts: Parts,
    devices: Mapping[str, torch.device],
    stores: Mapping[str, Store],
    memories: Mapping[str, StoreMemory],
    say: Callable[[str], None],
) -> torch.device | None:
    """Where batches of the joint learner `parts` are drawn, for `--stores` as `asked`; None: on the host.

    Raises:
        UsageError: the device is asked for by name, and has no room.
    """
    draws, places = draws_of(parts), {devices[name] for name in parts}
    device = next(iter(places))
    if asked == "host" or (asked == "auto" and device.type != "cuda"):
        return None
    reason = obstacle(draws, stores, places)
    if reason is None and draws:
        needed = sum(device_bytes(memories[name].layout) for name in {draw.store for draw in draws.values()})
        if needed <= SHARE * free_bytes(device):
            return device
        reason = f"they need {needed / 1e9:.1f} GB on {device}, {free_bytes(device) / 1e9:.1f} GB are free"
        if asked == "device":
            raise UsageError(f"--stores device: {reason}; lower the capacity")
    if reason is not None:
        say(f"stores stay on the host: {reason}")
    return None


def obstacle(draws: Mapping[str, Draw], stores: Mapping[str, Store], places: set[torch.device]) -> str | None:
    """Why these draws cannot be made on a device, or None."""
    if len(places) > 1:
        return "parts are on several devices"
    for name, draw in draws.items():
        if stores[draw.store].kind == "queue" or not draw.rows:
            return f"draw '{name}' takes segments"
    return None


def free_bytes(device: torch.device) -> int:
    """What can be allocated on `device` now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
