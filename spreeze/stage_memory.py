"""All shared memory of one stage, and the description of it that roles are given."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from spreeze import spaces as space_codec
from spreeze.bundles import module_layout
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec, LearnerSetup, Stage
from spreeze.devices import part_devices, part_names
from spreeze.errors import UsageError
from spreeze.learning import Parts, check_split, exchange_layout
from spreeze.limits import memory_bytes
from spreeze.roles.context import RoleSpec, describe_channel
from spreeze.sizing import Sizes
from spreeze.stages import build_modules
from spreeze.transport.counters import Counters
from spreeze.transport.lane import fill
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.memory import SharedMemory
from spreeze.transport.store import StoreReader
from spreeze.transport.weights import WeightChannel

SPARE_BYTES = 512 << 20
"""Left to the rest of the machine."""


class StageMemory:
    """Counters, stores, weight channels and the exchange of a split learner."""

    def __init__(
        self,
        settings: Settings,
        spec: EnvironmentSpec,
        stage: Stage,
        index: int,
        sizes: Sizes,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        """Allocate it; `saved` are the stores of the checkpoint from which kept ones will be filled."""
        self._saved = saved or {}
        self.settings, self.environment, self.stage, self.index, self.sizes = settings, spec, stage, index, sizes
        episodes = {name: list(store.load()) for name, store in stage.stores.items() if store.load is not None}
        layouts = {name: self._layout(name, episodes.get(name)) for name in stage.stores}
        check_memory(layouts)
        self.stores = dict[str, StoreMemory]()
        self.weights, self.exchanges = dict[str, WeightChannel](), dict[str, WeightChannel]()
        with ExitStack() as failed:
            failed.callback(self.close)
            for name, layout in layouts.items():
                self.stores[name] = StoreMemory.create(name, layout)
            for name, loaded in episodes.items():
                fill(self.stores[name], [dict(episode) for episode in loaded])
            for name, module in build_modules(stage).items():
                self.weights[name] = WeightChannel.create(name, module_layout(module))
            self._make_exchanges()
            self.roles = self._roles()
            self.counters = Counters.create(self.roles)
            failed.pop_all()

    def _layout(self, name: str, episodes: Sequence[Mapping[str, Any]] | None) -> StoreLayout:
        store = self.stage.stores[name]
        if store.kind == "kept" and name in self._saved:
            extent = self._saved[name]["layout"]
            return replace(StoreLayout.of(store, extent["lanes"], extent["streams"]), **extent)
        if episodes is None:
            return StoreLayout.of(store, self.sizes.samplers, self.sizes.envs_per_sampler)
        return dataset_layout(StoreLayout.of(store, 1, 1), sum(len(e["observation"]) for e in episodes))

    def _make_exchanges(self) -> None:
        devices = part_devices(self.settings.run.devices)
        if len(part_names(devices)) < 2:
            return
        parts = split_parts(self.stage, devices, self.settings.run.seed)
        readers = {name: StoreReader(memory) for name, memory in self.stores.items()}
        layouts = {name: exchange_layout(part, readers) for name, part in parts.items()}
        for name, layout in layouts.items():
            self.exchanges[name] = WeightChannel.create(f"part-{name}", layout, self.stage.delay + 2)

    def _roles(self) -> list[str]:
        samplers = self.sizes.samplers if self.stage.make_source is not None else 0
        learners = [f"learner-{part}" for part in self.exchanges] or ["learner"]
        evaluators = ["evaluator"] if self.stage.evaluate is not None else []
        visualizers = ["visualizer"] if self.settings.run.visualize != "none" and self.stage.evaluate else []
        return [*(f"sampler-{i}" for i in range(samplers)), *learners, *evaluators, *visualizers]

    @property
    def fds(self) -> list[int]:
        """Every descriptor that a role inherits."""
        return [self.counters.memory.fd, *self._own_fds()]

    def _own_fds(self) -> list[int]:
        return [memory.fd for memory in self._memories()]

    def _memories(self) -> list[SharedMemory]:
        channels = [*self.weights.values(), *self.exchanges.values()]
        return [*(store.memory for store in self.stores.values()), *(channel.memory for channel in channels)]

    @property
    def shared_bytes(self) -> int:
        """Bytes of all stores and channels."""
        return sum(memory.size for memory in self._memories())

    def spec(
        self, role: str, incarnation: int, folder: Path, socket: Path, checkpoint: str, inherited: str
    ) -> RoleSpec:
        """What `role` is told when it starts."""
        learner = role.startswith("learner")
        counters = {"fd": self.counters.memory.fd, "size": self.counters.memory.size, "roles": list(self.roles)}
        stores = {name: {"fd": m.memory.fd, "size": m.memory.size} | m.layout.extent for name, m in self.stores.items()}
        return RoleSpec(
            role=role,
            incarnation=incarnation,
            parent=os.getpid(),
            folder=str(folder),
            socket=str(socket),
            settings=self.settings.to_data(),
            spaces={
                "observation": space_codec.encode(self.environment.observation),
                "action": space_codec.encode(self.environment.action),
            },
            sizes=vars(self.sizes) | {},
            stage=self.index,
            warmup=self.stage.warmup,
            counters=counters,
            stores=stores,
            weights={name: describe_channel(channel) for name, channel in self.weights.items()},
            exchanges={name: describe_channel(channel) for name, channel in self.exchanges.items()},
            checkpoint=checkpoint if learner else "",
            inherited=inherited,
            cores=self._cores(role),
            threads=len(self._cores(role)) if learner else 1,
            nice={"evaluator": 5, "visualizer": 15}.get(role, 0),
        )

    def _cores(self, role: str) -> list[int]:
        if not role.startswith("learner"):
            return list(self.sizes.sampler_cores)
        if self.exchanges:
            cores = list(dict.fromkeys((*self.sizes.learner_cores, *self.sizes.sampler_cores)))
            return [cores[list(self.exchanges).index(role.partition("-")[2]) % len(cores)]]
        return list(self.sizes.learner_cores)

    def bundles(self) -> dict[str, Any]:
        """The newest published arrays as {bundle/name: array}."""
        newest = {name: channel.fetch() for name, channel in self.weights.items()}
        return {f"{b}/{n}": array for b, found in newest.items() if found for n, array in found[0].items()}

    def reset_exchanges(self) -> None:
        """Begin the exchange anew, while no part of the learner lives."""
        for channel in self.exchanges.values():
            channel.reset()

    def close(self) -> None:
        """Give all memory back, or as much as there is of it."""
        for fd in self.fds if hasattr(self, "counters") else self._own_fds():
            os.close(fd)


def split_parts(stage: Stage, devices: Mapping[str, torch.device], seed: int) -> Parts:
    """The parts of a learner that is to be split; {} of one that has a single part.

    Raises:
        UsageError: it has no such parts, or cannot be split.
    """
    parts = stage.make_learner(LearnerSetup({"*": torch.device("cpu")}, seed, {}))
    if len(parts) == 1:
        return {}
    for name in part_names(devices):
        if name not in parts:
            raise UsageError(f"--devices: no part '{name}'; this learner has {', '.join(parts)}")
    check_split(parts, stage.stores)
    return parts


def dataset_layout(layout: StoreLayout, rows: int) -> StoreLayout:
    """`layout` with room for exactly `rows` rows and the open one."""
    return StoreLayout(layout.kind, layout.row, layout.head, 1, rows + 2, 1, 0)


def check_memory(layouts: Mapping[str, StoreLayout]) -> None:
    """Raise UsageError if the stores do not fit into what is free."""
    needed = sum(layout.nbytes for layout in layouts.values())
    free = min(int(psutil.virtual_memory().available), memory_bytes()) - SPARE_BYTES
    if needed > free:
        sizes = ", ".join(f"{name} {layout.nbytes / 1e9:.1f} GB" for name, layout in layouts.items())
        raise UsageError(
            f"stores need {needed / 1e9:.1f} GB ({sizes}), {free / 1e9:.1f} GB are free: lower the capacity"
        )
