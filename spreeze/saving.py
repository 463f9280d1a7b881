"""Checkpoints of a running stage: the learner writes its parts, a thread of the orchestrator writes the rest."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from spreeze.checkpoint import Checkpoints, read_manifest
from spreeze.stage_memory import StageMemory
from spreeze.store_files import StoreFiles
from spreeze.transport.counters import ENV_STEPS, ROWS, STOP, UPDATES


class Saver:
    """Saves a stage while it runs: asks every learner process for its parts, then commits in the background."""

    def __init__(self, folder: Path, memory: StageMemory, send: Callable[..., None], known: Mapping[str, Any]) -> None:
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self._memory, self._send = memory, send
        self._files = StoreFiles(folder / "checkpoints" / "stores", memory.stores, known)
        self._thread = ThreadPoolExecutor(1, "saver")
        self._staging: Path | None = None
        self._missing: set[str] = set()
        self._describe: Callable[[], Mapping[str, Any]] = dict
        self._failed: str | None = None
        self._commit: Future[Path] | None = None
        self._flush: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is under way."""
        return bool(self._missing) or (self._commit is not None and not self._commit.done())

    def request(
        self,
        describe: Callable[[], Mapping[str, Any]],
        add: Callable[[Path], None] | None = None,
        last: bool = False,
    ) -> None:
        """Begin a checkpoint; `describe` gives what its manifest says of the run, `add` writes further files.

        After the `last` one the learner makes no update.
        """
        try:
            self._describe, self._staging = describe, self.checkpoints.begin()
            if add is not None:
                add(self._staging)
        except OSError as error:
            self._staging, self._failed = None, str(error)
            return
        self._missing = {role for role in self._memory.roles if role.startswith("learner")}
        for role in self._missing:
            self._send(role, "save", folder=str(self._staging), last=last)

    def heard_saved(self, role: str, folder: str, problem: str) -> None:
        """A learner process has written its parts, or could not."""
        if self._staging is None or folder != str(self._staging):
            return
        if problem:
            self.abandon()
            self._failed = problem
            return
        self._missing.discard(role)
        if not self._missing:
            self._commit = self._thread.submit(self._finish, self._staging, self._describe())
            self._staging = None

    def abandon(self) -> None:
        """The learner died: what it had not written will not come."""
        self._missing, self._staging = set(), None

    def flush(self) -> None:
        """Write complete chunks of the stores in the background."""
        if not self.busy and (self._flush is None or self._flush.done()):
            self._flush = self._thread.submit(self._files.flush)

    def problem(self) -> str | None:
        """Why the last write failed; told once."""
        if self._failed is not None:
            failed, self._failed = self._failed, None
            return failed
        for attribute in ("_commit", "_flush"):
            future = getattr(self, attribute)
            if future is not None and future.done() and future.exception() is not None:
                setattr(self, attribute, None)
                return str(future.exception())
        return None

    def _finish(self, staging: Path, contents: Mapping[str, Any]) -> Path:
        memory = self._memory
        save_bundles(memory, staging)
        rows = {role: memory.counters.row(role) for role in memory.roles} | {"run": memory.counters.run}
        counters = {role: row.tolist() for role, row in rows.items()}
        sizes = vars(memory.sizes) | dict.fromkeys(("learner_cores", "sampler_cores", "updates_per_call"))
        own = {"stage": memory.index, "counters": counters, "sizes": sizes, "stores": self._files.snapshot()}
        own |= {"devices": memory.settings.run.devices}
        final = self.checkpoints.commit(staging, {**own, **contents})
        kept = [manifest_of(folder) for folder in self.checkpoints.all()]
        self._files.prune(kept)
        return final

    def close(self) -> None:
        """Wait for what is under way."""
        self._thread.shutdown(wait=True)


def save_bundles(memory: StageMemory, folder: Path) -> None:
    """Write the newest published bundles, one file each."""
    for name, channel in memory.weights.items():
        fetched = channel.fetch()
        if fetched is not None:
            save_file(dict(fetched[0]), folder / f"bundle-{name}.safetensors")


def manifest_of(folder: Path) -> Mapping[str, Any]:
    """The manifest of a checkpoint, its files unverified, or {} if it cannot be believed."""
    try:
        return read_manifest(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def restore_counters(memory: StageMemory, saved: Mapping[str, Any]) -> None:
    """Totals go on from the checkpoint; the pace's account begins anew, but for a serial run, which goes on exactly."""
    counters = memory.counters
    for role, words in saved.items():
        if role in memory.roles:
            row = counters.row(role)
            for word in (ENV_STEPS, UPDATES, ROWS):
                row[word] = words[word]
    counters.forgive()
    if memory.settings.run.serial:
        counters.run[:] = saved["run"]
        counters.run[STOP] = 0
