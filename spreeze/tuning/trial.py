"""One setting tried: a short run of a stage with real roles, and the rates that it reached."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spreeze import registry
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec, Stage
from spreeze.devices import part_devices
from spreeze.errors import ForkError, SpreezeError
from spreeze.forkserver import OF_LEARNERS, ForkServer
from spreeze.graphs import WARM_CALLS
from spreeze.runtime import RuntimeFolder
from spreeze.sizing import Sizes, sizes
from spreeze.stage_memory import StageMemory
from spreeze.stages import build_stages
from spreeze.transport.counters import STOP, WAITED, Counters
from spreeze.transport.messages import Hub

CALLS, CUDA_CALLS = 2, WARM_CALLS + 2
"""Of the learner, before its rate is measured: on a GPU the first ones are eager, and one captures a graph."""
STORE_ROWS, STORE_BLOCKS = 200_000, 8
"""Rows of a store that is drawn at random: enough for draws to miss the caches, and allocated in no time; and blocks of
every sampler that it has room for."""
FIRST_LIMIT_S, BEGIN_LIMIT_S, MEASURE_LIMIT_S = 90.0, 6.0, 4.0
"""Until the first updates, of the first trial, which may compile what later ones find, and of those; until another."""
SETTLE_S, MEASURE_S = 0.25, 0.8
LOOK_S, CLOSE_LOOK_S = 0.02, 0.001
"""Between two looks at the counters: while time passes, and while the end of an update is waited for."""


class TrialError(SpreezeError):
    """A setting cannot be run; the message says why in a line."""


@dataclass(frozen=True)
class Rates:
    """What a setting reached."""

    env_steps: float
    """Per second, over all samplers."""
    updates: float
    """Per second."""
    learner_waits: float
    """Share of the time."""
    sampler_waits: float
    """Share of the time, mean over samplers."""

    @property
    def limit(self) -> str:
        """Who keeps the other waiting."""
        return "learner" if self.learner_waits <= self.sampler_waits else "samplers"


@dataclass(frozen=True)
class Look:
    """The counters at one moment."""

    seconds: float
    env_steps: int
    updates: int
    learner_waited: float
    sampler_waited: float

    @classmethod
    def at(cls, counters: Counters) -> "Look":
        """Now."""
        waited = {"sampler": [0.0], "learner": [0.0]}
        for role in counters.roles:
            waited[role.partition("-")[0]].append(float(counters.row(role)[WAITED]) / 1e9)
        samplers, learners = waited["sampler"][1:], waited["learner"][1:]
        mean = sum(samplers) / len(samplers) if samplers else 0.0
        return cls(time.monotonic(), counters.env_steps, counters.updates, min(learners, default=0.0), mean)

    def rates_since(self, first: "Look") -> Rates:
        """Rates between two looks."""
        span = self.seconds - first.seconds
        return Rates(
            (self.env_steps - first.env_steps) / span,
            (self.updates - first.updates) / span,
            (self.learner_waited - first.learner_waited) / span,
            (self.sampler_waited - first.sampler_waited) / span,
        )


class Trials:
    """Tries settings of one stage, one after another; what the fork server checks is checked all the while."""

    def __init__(
        self,
        settings: Settings,
        spec: EnvironmentSpec,
        index: int,
        inherited: Path | None,
        forkserver: ForkServer,
        seconds: float = MEASURE_S,
        log: int | None = None,
    ) -> None:
        """`log` is a descriptor for what roles print, if anybody wants that."""
        self._settings = settings.replace(visualize="none", serial=False)
        self._spec, self._index, self._forkserver, self._seconds = spec, index, forkserver, seconds
        self._log = log
        forkserver.preload(OF_LEARNERS)
        self._inherited, self._limit_s = str(inherited) if inherited else "", FIRST_LIMIT_S

    def measure(self, changes: Mapping[str, Any]) -> Rates:
        """Run the stage with these options changed, and return its rates.

        Raises:
            TrialError: it cannot be run so.
        """
        with ExitStack() as opened:
            try:
                memory = self._memory(changes)
            except (SpreezeError, OSError, RuntimeError) as error:  # PyTorch's, when a device has no memory left
                raise TrialError(str(error).splitlines()[0]) from error
            opened.callback(memory.close)
            runtime = RuntimeFolder()
            opened.callback(runtime.close)
            folder = runtime.path
            hub = Hub(folder / "hub")
            opened.callback(hub.close)
            log = self._log if self._log is not None else opened.enter_context(Path(os.devnull).open("wb")).fileno()
            self._start_roles(memory, folder, log, opened)
            return self._watch(memory, hub)

    def _memory(self, changes: Mapping[str, Any]) -> StageMemory:
        settings = self._settings.replace(**changes)
        stage = build_stages(settings, self._spec)[self._index]
        chosen = sizes(settings, registry.algorithm(settings.algo), stage)
        return StageMemory(settings, self._spec, shortened(stage, chosen), self._index, chosen)

    def _start_roles(self, memory: StageMemory, folder: Path, log: int, opened: ExitStack) -> None:
        """Start every role, to be ended with `opened`."""
        for role in memory.roles:
            spec = memory.spec(role, 1, folder, folder / "hub", "", self._inherited)
            try:
                forked = self._forkserver.start(spec, memory.fds, log)
            except ForkError as error:
                raise TrialError(str(error)) from error
            opened.callback(forked.wait)
            opened.callback(forked.kill)

    def _watch(self, memory: StageMemory, hub: Hub) -> Rates:
        counters = memory.counters

        def check() -> None:
            self._forkserver.check()
            complaint(hub)

        def advance(ready: Callable[[], bool], limit_s: float, look_s: float = LOOK_S) -> bool:
            return wait(ready, limit_s, look_s, check)

        calls = memory.sizes.updates_per_call
        limit_s, self._limit_s = self._limit_s, BEGIN_LIMIT_S
        first_calls = CUDA_CALLS if on_cuda(memory.settings) else CALLS
        if not advance(lambda: counters.updates >= first_calls * calls, limit_s):
            raise TrialError(f"made {counters.updates} updates in {limit_s:g} s")
        advance(lambda: False, SETTLE_S)
        edge(counters, advance)
        first = Look.at(counters)
        advance(lambda: False, self._seconds)
        edge(counters, advance)
        last = Look.at(counters)
        counters.run[STOP] = 1
        if last.updates == first.updates:
            raise TrialError(f"made no update in {last.seconds - first.seconds:.0f} s")
        return last.rates_since(first)


def edge(counters: Counters, advance: Callable[[Callable[[], bool], float, float], bool]) -> None:
    """Wait for the end of an update."""
    begun = counters.updates
    advance(lambda: counters.updates > begun, MEASURE_LIMIT_S, CLOSE_LOOK_S)


def on_cuda(settings: Settings) -> bool:
    """Whether a part of the learner computes on a GPU."""
    return any(place.type == "cuda" for place in part_devices(settings.run.devices).values())


def shortened(stage: Stage, chosen: Sizes) -> Stage:
    """The stage with small stores, a warm-up of one block, without evaluations."""
    block = stage.block_rows or chosen.block_steps * chosen.envs_per_sampler
    rows = max(STORE_ROWS, STORE_BLOCKS * block * chosen.samplers)
    stores = {
        name: dataclasses.replace(store, capacity=min(store.capacity, rows)) if store.kind == "replay" else store
        for name, store in stage.stores.items()
    }
    warmup = min(stage.warmup, chosen.block_steps * chosen.envs_per_sampler)
    return dataclasses.replace(stage, stores=stores, evaluate=None, warmup=warmup)


def wait(ready: Callable[[], bool], limit_s: float, look_s: float, check: Callable[[], None]) -> bool:
    """Look until `ready`, for at most `limit_s`; return whether it was. `check` may raise."""
    deadline = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() >= deadline:
            return False
        check()
        time.sleep(look_s)
    return True


def complaint(hub: Hub) -> None:
    """Raise TrialError if a role has failed, or has nothing to do."""
    for message in hub.receive(0.0):
        if message.kind == "error":
            raise TrialError(f"{message.role}: {message.data['traceback'].rstrip().splitlines()[-1]}")
        if message.kind == "done":
            raise TrialError("the stage is over before it can be measured")
