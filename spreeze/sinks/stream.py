"""One stream of metrics into every sink that is asked for.

Nothing leaves the machine unless a sink that sends is named. A sink that fails ends alone: the run says so and goes on.
"""

import importlib
import importlib.util
import json
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spreeze.config import Settings
from spreeze.errors import UnknownName, UsageError

WAITING = 1000
"""Reports that may wait for a sink; what comes on top is dropped."""
CLOSE_LIMIT_S = 20.0
"""For a sink to hand over what waits when the run ends."""
IDENTITIES = "sinks.json"
"""File of the run folder that holds under which id a sink keeps this run."""


class Sink(Protocol):
    """Takes metrics. An exception ends the sink, not the run."""

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        """Take these values of the moment `at`: environment steps, or updates in a stage that takes none."""

    def close(self) -> None:
        """Hand over what is left."""


@dataclass(frozen=True)
class Kind:
    """How a sink is made, and what it needs."""

    path: str
    """module:attribute of the class, which is given the run folder and the settings."""
    package: str
    """Which it imports."""
    queued: bool = True
    """Whether it may make its caller wait, as for a network."""


KINDS = {
    "tensorboard": Kind("spreeze.sinks.tensorboard:TensorBoard", "tensorboard", queued=False),
    "wandb": Kind("spreeze.sinks.wandb:WeightsAndBiases", "wandb"),
    "mlflow": Kind("spreeze.sinks.mlflow:MLflow", "mlflow"),
}


def names(asked: str) -> list[str]:
    """The sinks of `--log`, checked.

    Raises:
        UnknownName: there is no such sink.
        UsageError: its package is not installed.
    """
    found = [name.strip() for name in asked.split(",") if name.strip() not in ("", "none")]
    for name in found:
        if name not in KINDS:
            raise UnknownName("sink for --log", name, [*KINDS, "none"])
        if importlib.util.find_spec(KINDS[name].package) is None:
            raise UsageError(f"--log {name} needs a package that is not installed: pip install 'spreeze[{name}]'")
    return list(dict.fromkeys(found))


class Queued:
    """A sink in a thread of its own, so that a slow network delays nobody."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._problem: Exception | None = None
        self._waiting: queue.Queue[tuple[int, Mapping[str, float]] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._hand_over, name="spreeze-sink", daemon=True)
        self._thread.start()

    def _hand_over(self) -> None:
        try:
            while (report := self._waiting.get()) is not None:
                self._sink.scalars(*report)
            self._sink.close()
        except Exception as error:
            self._problem = error

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        """Have these values taken soon; raises what the sink raised before."""
        if self._problem is not None:
            raise self._problem
        with suppress(queue.Full):
            self._waiting.put_nowait((at, dict(values)))

    def close(self) -> None:
        """Wait for what is left, but not for long."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_LIMIT_S)
        self._thread.join(CLOSE_LIMIT_S)
        if self._problem is not None:
            raise self._problem
        if self._thread.is_alive():
            raise TimeoutError(f"it took more than {CLOSE_LIMIT_S:g} s to hand over the last metrics")


class Stream:
    """Every sink of a run at once."""

    def __init__(self, sinks: Mapping[str, Sink], say: Callable[[str], None]) -> None:
        self._sinks, self._say = dict(sinks), say

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        """Give these values of the moment `at` to every sink."""
        self._each(lambda sink: sink.scalars(at, values))

    def close(self) -> None:
        """Close every sink."""
        self._each(lambda sink: sink.close())
        self._sinks = {}

    def _each(self, act: Callable[[Sink], None]) -> None:
        for name, sink in list(self._sinks.items()):
            try:
                act(sink)
            except Exception as error:  # whatever it is, it must not hurt the run
                del self._sinks[name]
                self._say(f"--log {name}: {type(error).__name__}: {error}; the run goes on without it")


def open_stream(folder: Path, settings: Settings, say: Callable[[str], None]) -> Stream:
    """The sinks that `--log` names.

    Raises:
        UsageError: there is no such sink, or it cannot be used.
    """
    return Stream({name: open_sink(KINDS[name], folder, settings) for name in names(settings.run.log)}, say)


def open_sink(kind: Kind, folder: Path, settings: Settings) -> Sink:
    """One sink, in a thread if it may make its caller wait."""
    module, _, attribute = kind.path.partition(":")
    sink: Sink = getattr(importlib.import_module(module), attribute)(folder, settings)
    return Queued(sink) if kind.queued else sink


def kept_id(folder: Path, name: str) -> str | None:
    """Under which id a sink has kept this run before it was resumed."""
    with suppress(OSError, ValueError):
        known = json.loads((folder / IDENTITIES).read_text())
        return known.get(name) if isinstance(known, dict) else None
    return None


def keep_id(folder: Path, name: str, identity: str) -> None:
    """Remember under which id a sink keeps this run."""
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        known = json.loads((folder / IDENTITIES).read_text())
    (folder / IDENTITIES).write_text(json.dumps(known | {name: identity}, indent=1))


def flat(settings: Settings) -> dict[str, Any]:
    """Every option under one name, as `run.seed`."""
    options: dict[str, Any] = {}
    for group, value in settings.to_data().items():
        options |= {f"{group}.{name}": v for name, v in value.items()} if isinstance(value, dict) else {group: value}
    return options
