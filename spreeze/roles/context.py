"""What a role is given: plain data from the orchestrator, and the shared memory that it describes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from spreeze import spaces as space_codec
from spreeze.bundles import FreshModules
from spreeze.config import Settings, from_plain
from spreeze.contract import Stage
from spreeze.environment import Transition, VectorEnv
from spreeze.inherited import inherited_bundles
from spreeze.sizing import Sizes
from spreeze.stages import build_modules, build_stages, environment_spec, make_envs
from spreeze.transport.counters import BEAT, INCARNATION, PID, Counters
from spreeze.transport.layout import StoreLayout, StoreMemory
from spreeze.transport.memory import SharedMemory
from spreeze.transport.messages import Line
from spreeze.transport.store import StoreReader
from spreeze.transport.weights import WeightChannel, WeightLayout


@dataclass(frozen=True)
class RoleSpec:
    """Everything that the orchestrator tells a role when it starts, as plain data."""

    role: str
    """sampler-0, learner, learner-critic, evaluator, visualizer."""
    incarnation: int
    parent: int
    folder: str
    socket: str
    settings: dict[str, Any]
    spaces: dict[str, Any]
    sizes: dict[str, Any]
    stage: int
    warmup: int
    """Rows that must be stored before the first update, which a trial of the tuner shortens."""
    counters: dict[str, Any]
    stores: dict[str, dict[str, int]]
    weights: dict[str, dict[str, Any]]
    exchanges: dict[str, dict[str, Any]]
    checkpoint: str
    """Folder to restore from, or empty."""
    inherited: str
    """File of the bundles that earlier stages published last, or empty."""
    cores: list[int]
    threads: int
    nice: int

    @property
    def kind(self) -> str:
        """The role without its number or part."""
        return self.role.partition("-")[0]

    @property
    def index(self) -> int:
        """The number of a sampler."""
        return int(self.role.rpartition("-")[2])

    def to_data(self) -> dict[str, Any]:
        """Plain data for the pipe."""
        return asdict(self)


def describe_channel(channel: WeightChannel) -> dict[str, Any]:
    """What `open_channel` needs in another process."""
    entries = [list(entry) for entry in channel.layout.entries]
    return {"fd": channel.memory.fd, "size": channel.memory.size, "slots": channel.slots, "entries": entries}


def open_channel(data: Mapping[str, Any]) -> WeightChannel:
    """Attach to the channel that `describe_channel` described."""
    layout = WeightLayout(tuple((name, dtype, tuple(shape)) for name, dtype, shape in data["entries"]))
    return WeightChannel(SharedMemory(data["fd"], data["size"]), layout, data["slots"])


class LivelyEnvs:
    """Environments stepped together that call `beat` before every step; what else they offer passes through."""

    def __init__(self, envs: VectorEnv, beat: Callable[[], None]) -> None:
        self._envs, self._beat = envs, beat
        self.observation_space, self.action_space, self.count = envs.observation_space, envs.action_space, envs.count
        self.reset, self.state, self.load_state, self.close = envs.reset, envs.state, envs.load_state, envs.close

    def step(self, actions: np.ndarray) -> Transition:
        """Step all environments with `actions` (N, ...)."""
        self._beat()
        return self._envs.step(actions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._envs, name)


class RoleContext:
    """The opened form of a `RoleSpec`: counters, stores, weights and the line to the orchestrator."""

    def __init__(self, spec: RoleSpec, line: Line) -> None:
        self.spec, self.line = spec, line
        self.settings = Settings.from_data(spec.settings)
        self.sizes = from_plain(Sizes, spec.sizes)
        decoded = {name: space_codec.decode(data) for name, data in spec.spaces.items()}
        environment = environment_spec(self.settings, **decoded)
        self.stage: Stage = replace(build_stages(self.settings, environment)[spec.stage], warmup=spec.warmup)
        memory = SharedMemory(spec.counters["fd"], spec.counters["size"])
        self.counters = Counters(memory, spec.counters["roles"])
        self.row = self.counters.row(spec.role)
        self.stores = {name: self._store(name, data) for name, data in spec.stores.items()}
        self.weights = {name: open_channel(data) for name, data in spec.weights.items()}
        self.folder = Path(spec.folder)
        self.handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {"stop": self._hear_stop}
        self._stop = False
        self.final = False
        self.row[INCARNATION], self.row[PID] = spec.incarnation, os.getpid()

    def _store(self, name: str, data: Mapping[str, int]) -> StoreMemory:
        layout = StoreLayout.of(self.stage.stores[name], data["lanes"], self.sizes.envs_per_sampler)
        layout = replace(layout, steps=data["steps"], streams=data["streams"])
        return StoreMemory(layout, SharedMemory(data["fd"], data["size"]))

    def readers(self) -> dict[str, StoreReader]:
        """A reader for every store."""
        return {name: StoreReader(memory) for name, memory in self.stores.items()}

    def inherited(self) -> dict[str, dict[str, Tensor]]:
        """Bundles that earlier stages published last."""
        return inherited_bundles(self.spec.inherited)

    def fresh_modules(self) -> FreshModules:
        """The stage's bundles, following what the learner publishes."""
        return FreshModules(build_modules(self.stage), self.weights)

    def make_envs(self, count: int, seed: int) -> VectorEnv:
        """Environments whose every step is a sign of life: an evaluation of slow ones takes minutes."""
        return LivelyEnvs(make_envs(self.settings, count, seed), self.beat)

    def seed(self, *words: int) -> int:
        """A seed for this role: a pure function of the run's seed, the role, its incarnation and `words`."""
        role = sum(ord(letter) << (8 * (i % 4)) for i, letter in enumerate(self.spec.role))
        key = [self.settings.run.seed, role, self.spec.incarnation, self.spec.stage, *words]
        return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def ready(self) -> None:
        """Tell the orchestrator that this role works."""
        self.beat()
        self.line.send("hello", incarnation=self.spec.incarnation)

    def beat(self) -> None:
        """Give a sign of life."""
        self.row[BEAT] = time.monotonic_ns()

    def close(self) -> None:
        """Hear nothing more, and hold on to nobody who did: roles and their memory are given back at once."""
        self.line.close()
        self.handlers.clear()

    def _hear_stop(self, data: Mapping[str, Any]) -> None:
        self._stop, self.final = True, bool(data.get("final"))

    def alive(self) -> bool:
        """Beat, hear the orchestrator, and return whether this role should go on."""
        self.beat()
        for message in self.line.receive():
            handle = self.handlers.get(message.kind)
            if handle is not None:
                handle(message.data)
        return not self._stop and not self.counters.stopping
