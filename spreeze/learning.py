"""Updates in order: batches drawn for the parts of a learner, which live together or exchange weights with a delay."""

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from spreeze.bundles import load_arrays, publish
from spreeze.contract import Draw, Metrics, Part, Store
from spreeze.errors import LearnerFault, UsageError
from spreeze.means import MetricMeans as MetricMeans
from spreeze.transport.store import Arrays, Readers, Window, generator
from spreeze.transport.weights import Version, WeightChannel, WeightLayout

Parts = Mapping[str, Part]


def rows_of(draws: Mapping[str, Draw], stores: Mapping[str, Store], lanes: int, streams: int) -> int:
    """Rows that one update consumes of what samplers produce; datasets do not count."""
    rows = 0
    for draw in draws.values():
        store = stores[draw.store]
        if store.kind == "queue":
            rows += store.segment * lanes * (store.streams or streams)
        elif store.kind == "replay":
            rows += draw.rows or draw.segments * store.segment
    return rows


class Batches:
    """Draws what an update needs; a draw that several parts name alike is made once per update."""

    def __init__(self, readers: Readers, stores: Mapping[str, Store], seed: int) -> None:
        self._readers, self._stores, self._seed = readers, stores, seed

    def ready(self, draws: Mapping[str, Draw]) -> bool:
        """Whether every queue has a segment of every lane and every other store holds something."""
        return all(
            self._readers[d.store].waiting().min() > 0 if self._is_queue(d) else self._readers[d.store].size() > 0
            for d in draws.values()
        )

    def windows(self) -> dict[str, Window]:
        """What may be drawn now, of every store that is drawn at random."""
        return {name: reader.window() for name, reader in self._readers.items() if self._stores[name].kind != "queue"}

    def draw(self, draws: Mapping[str, Draw], update: int, windows: Mapping[str, Window]) -> dict[str, Arrays]:
        """Arrays by draw name, a pure function of seed, update, windows and what the stores hold there."""
        return {name: self._draw(name, draw, update, windows) for name, draw in draws.items()}

    def _draw(self, name: str, draw: Draw, update: int, windows: Mapping[str, Window]) -> Arrays:
        reader = self._readers[draw.store]
        if self._is_queue(draw):
            taken = reader.take()
            assert taken is not None, "`ready` was asked before"
            return taken
        random = generator(self._seed, update, zlib.crc32(name.encode()))
        return reader.draw(draw, random, windows[draw.store])

    def _is_queue(self, draw: Draw) -> bool:
        return self._stores[draw.store].kind == "queue"


def to_tensors(arrays: Arrays, device: torch.device) -> dict[str, Tensor]:
    """Arrays as tensors on `device`."""
    return {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in arrays.items()}


def draws_of(parts: Parts) -> dict[str, Draw]:
    """What one update of all parts takes; a draw that several parts name alike counts once."""
    return {name: draw for part in parts.values() for name, draw in part.draws.items()}


def add_means(means: MetricMeans, metrics: Metrics, update: int) -> None:
    """Account the metrics of an update; raises LearnerFault, which names it, if one is not finite."""
    try:
        means.add(metrics)
    except LearnerFault as fault:
        raise LearnerFault(f"{fault}, of update {update}") from None


class JointUpdates:
    """All parts in one place: each sees the others' newest weights."""

    def __init__(self, parts: Parts, batches: Batches, devices: Mapping[str, torch.device], update: int = 0) -> None:
        self.parts, self.update = parts, update
        self._batches, self._devices = batches, devices
        self.draws = draws_of(parts)

    def ready(self) -> bool:
        """Whether the next update has what it needs."""
        return self._batches.ready(self.draws)

    @property
    def finished(self) -> bool:
        """Whether a part has nothing more to learn."""
        return any(part.finished for part in self.parts.values())

    def advance(self, count: int, means: MetricMeans) -> None:
        """Make `count` updates, fewer if a part is finished before; only the first needs to be `ready`."""
        for _ in range(count):
            add_means(means, self.step(), self.update)
            if self.finished:
                return

    def draw_state(self) -> Mapping[str, Tensor]:
        """What `load_draw_state` needs to go on with the next draws: nothing, they follow from seed and update."""
        return {}

    def load_draw_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the draws where `state` was taken."""

    def step(self) -> Metrics:
        """Update every part once, in order."""
        self.update += 1
        arrays = self._batches.draw(self.draws, self.update, self._batches.windows())
        metrics: dict[str, Tensor | float] = {}
        on: dict[torch.device, dict[str, dict[str, Tensor]]] = {}
        for name, part in self.parts.items():
            device = self._devices[name]
            if device not in on:
                on[device] = {key: to_tensors(value, device) for key, value in arrays.items()}
            metrics |= part.update({key: on[device][key] for key in part.draws})
        return metrics


class Exchange:
    """Weights between the two parts of a split learner, by version, with a declared delay d.

    Update u of the leading part sees the follower's weights after update u - 1 - d, update u of the follower sees
    the leader's after update u - d; weights before update 1 count as version 0. The leader's version v carries the
    windows for update v + d, so that both draw the same rows without a word.
    """

    def __init__(self, parts: Parts, name: str, channels: Mapping[str, WeightChannel], delay: int, base: int) -> None:
        leader = next(iter(parts))
        [partner] = [other for other in parts if other != name]
        self.leads, self._delay, self._base = name == leader, delay, base
        self._mine, self._theirs = channels[name], channels[partner]
        self._part = parts[name]
        self._theirs.need_from(self._sequence(self.version_seen(base + 1)))

    def version_seen(self, update: int) -> int:
        """The partner's version that `update` uses."""
        return max(update - self._delay - self.leads, self._base)

    def ready(self, update: int) -> bool:
        """Whether that version is there, and ours may be published afterwards."""
        return self._theirs.sequence >= self._sequence(self.version_seen(update)) and self._mine.has_room()

    def receive(self, update: int) -> dict[str, np.ndarray]:
        """Load the partner's weights for `update` into the modules read here; return all that came."""
        sequence = self._sequence(self.version_seen(update))
        fetched = self._theirs.fetch(sequence)
        if fetched is None:
            raise LearnerFault(f"the partner's version for update {update} is gone: the parts have lost step")
        for name, module in self._part.reads.items():
            load_arrays(module, {key: fetched[0][f"{name}.{key}"] for key in module.state_dict()})
        self._theirs.need_from(self._sequence(self.version_seen(update + 1)))
        return fetched[0]

    def send(self, update: int, incarnation: int, windows: Mapping[str, Window]) -> None:
        """Publish this part's weights after `update`."""
        tensors = exchanged(self._part) | window_tensors(windows)
        publish(self._mine, tensors, Version(incarnation, update, 0), "exchange")

    def _sequence(self, version: int) -> int:
        return version - self._base + 1


def exchanged(part: Part) -> dict[str, Tensor]:
    """The tensors that a part's partner may read."""
    return {f"{name}.{key}": t for name, module in part.owns.items() for key, t in module.state_dict().items()}


def window_tensors(windows: Mapping[str, Window]) -> dict[str, Tensor]:
    """Windows as tensors, to travel with weights."""
    low = {f"window/{name}/low": torch.from_numpy(w.low) for name, w in windows.items()}
    return low | {f"window/{name}/high": torch.from_numpy(w.high) for name, w in windows.items()}


def windows_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Window]:
    """The windows that travelled in `arrays`."""
    names = {name.split("/")[1] for name in arrays if name.startswith("window/")}
    return {name: Window(arrays[f"window/{name}/low"], arrays[f"window/{name}/high"]) for name in names}


def exchange_layout(part: Part, readers: Readers) -> WeightLayout:
    """The layout of a part's exchange channel."""
    return WeightLayout.of(exchanged(part) | window_tensors({name: r.window() for name, r in readers.items()}))


class SplitUpdates:
    """One part of a learner; its partner is updated elsewhere, or in turn in a serial run."""

    def __init__(
        self,
        parts: Parts,
        name: str,
        batches: Batches,
        device: torch.device,
        exchange: Exchange,
        delay: int,
        incarnation: int,
        update: int,
    ) -> None:
        self.parts, self.draws, self.update = {name: parts[name]}, draws_of(parts), update
        self._part, self._batches, self._device = parts[name], batches, device
        self._exchange, self._delay, self._incarnation = exchange, delay, incarnation
        self._windows: dict[int, dict[str, Window]] = {}
        self._begun = False

    def ready(self) -> bool:
        """Whether the partner's version for the next update is there; publishes version 0 when data are."""
        if not self._begun and self._batches.ready(self._part.draws):
            self._send()
            self._begun = True
        return self._begun and self._exchange.ready(self.update + 1)

    @property
    def finished(self) -> bool:
        """Whether this part has nothing more to learn."""
        return self._part.finished

    def advance(self, count: int, means: MetricMeans) -> None:
        """Make one update, whatever `count`: the next needs the partner's weights."""
        add_means(means, self.step(), self.update)

    def draw_state(self) -> Mapping[str, Tensor]:
        """Nothing: draws follow from seed, update and windows."""
        return {}

    def step(self) -> Metrics:
        """Update this part once."""
        received = self._exchange.receive(self.update + 1)
        self.update += 1
        windows = self._windows_for(self.update, received)
        arrays = self._batches.draw(self._part.draws, self.update, windows)
        metrics = self._part.update({name: to_tensors(value, self._device) for name, value in arrays.items()})
        self._send()
        return metrics

    def _windows_for(self, update: int, received: Mapping[str, np.ndarray]) -> dict[str, Window]:
        if not self._exchange.leads:
            return windows_of(received)
        if self._delay == 0:
            self._windows = {update: self._batches.windows()}
            return self._windows[update]
        return self._windows.pop(update, None) or self._first_windows

    def _send(self) -> None:
        windows = self._windows.get(self.update) if self._delay == 0 else None
        windows = windows or self._batches.windows()
        if not self._begun:
            self._first_windows = windows
        if self._delay:
            self._windows[self.update + self._delay] = windows
        self._exchange.send(self.update, self._incarnation, windows)


def check_split(parts: Parts, stores: Mapping[str, Store]) -> None:
    """Raise UsageError unless this learner can be split: two parts, no queue."""
    if len(parts) != 2:
        raise UsageError(f"--devices: this learner has {len(parts)} parts ({', '.join(parts)}); two can be split")
    queues = [d.store for p in parts.values() for d in p.draws.values() if stores[d.store].kind == "queue"]
    if queues:
        raise UsageError(f"--devices: parts that consume the queue '{queues[0]}' cannot be split")
