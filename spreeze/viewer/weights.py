"""Which policy acts: the newest or the best of a run, from its files or from its shared memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from safetensors import SafetensorError
from safetensors.numpy import load_file

from spreeze import registry
from spreeze.bundles import FreshModules, load_arrays
from spreeze.checkpoint import Checkpoints, check_file
from spreeze.config import Settings
from spreeze.contract import Policy, Stage
from spreeze.errors import CheckpointError
from spreeze.saving import manifest_of
from spreeze.spaces import probe
from spreeze.stages import build_modules, build_policy, build_stages, environment_spec

Which = Literal["newest", "best"]


@dataclass(frozen=True)
class Acting:
    """A policy, and what is said of it."""

    policy: Policy
    mode: str
    label: str


class Weights(Protocol):
    """Where a session gets its policies from."""

    def fetch(self, which: Which) -> Acting | None:
        """The newest or best policy of this moment; None: there is none yet."""


class FileWeights:
    """The policies in a run folder, which is only read; the run may write to it meanwhile.

    The newest is the later of the newest checkpoint and the best policy. Only the bundles of a checkpoint are read and
    checked, never its stores.
    """

    def __init__(self, run: Path, settings: Settings, stages: list[Stage], seed: int) -> None:
        self.run, self._settings, self._stages, self._seed = run, settings, stages, seed
        self._known: dict[Which, tuple[list[Path], Acting | None]] = {}

    @classmethod
    def of(cls, run: Path, settings: Settings, seed: int) -> FileWeights:
        """The policies of a run with these settings."""
        spec = environment_spec(settings, *probe(registry.environment(settings.env), settings.environment))
        return cls(run, settings, list(build_stages(settings, spec)), seed)

    def fetch(self, which: Which) -> Acting | None:
        """The newest or best policy of this moment, read anew only if there is another."""
        kinds = ("best",) if which == "best" else ("checkpoint", "best")
        folders = [folder for kind in kinds for folder in Checkpoints(self.run / "checkpoints", kind).all()]
        known, acting = self._known.get(which, ([], None))
        if folders != known:
            acting = next(self._intact(folders), None) or acting
            self._known[which] = folders, acting
        return acting

    def require(self, which: Which) -> Acting:
        """The newest or best policy.

        Raises:
            CheckpointError: there is none; says what there is.
        """
        acting = self.fetch(which)
        if acting is not None:
            return acting
        folder, run = self.run / "checkpoints", self._settings.run
        there = sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []
        raise CheckpointError(
            f"{self.run} holds no {'policy' if which == 'newest' else 'best policy'} that can be read; in "
            f"checkpoints/: {', '.join(there) or 'nothing'}. A run writes its first after an evaluation (every "
            f"{run.evaluate_every:g} s) or with its first checkpoint (every {run.checkpoint_every:g} s)"
        )

    def _intact(self, folders: list[Path]) -> Iterator[Acting]:
        """Policies that can be read, the latest first."""
        found = [(folder, manifest_of(folder)) for folder in folders]
        for folder, manifest in sorted(found, key=lambda entry: (_when(entry[1]), entry[0].name), reverse=True):
            try:
                yield self._load(folder, manifest)
            except (OSError, ValueError, KeyError, IndexError, TypeError, SafetensorError):
                continue  # Damaged, or removed by the run meanwhile: the one before serves.

    def _load(self, folder: Path, manifest: Mapping[str, Any]) -> Acting:
        stage = self._stages[manifest["stage"]]
        if stage.make_policy is None:
            raise ValueError(f"stage '{stage.name}' has no policy")
        modules = build_modules(stage)
        for name, module in modules.items():
            file = f"bundle-{name}.safetensors"
            check_file(folder, file, manifest["files"][file])
            load_arrays(module, load_file(folder / file))
        policy, _ = build_policy(stage, modules, self._seed)
        return Acting(policy, stage.modes.evaluate, label_of(folder.name, manifest))


def _when(manifest: Mapping[str, Any]) -> tuple[int, int]:
    """Stage and update of a checkpoint or of a best policy; (-1, -1) of something else."""
    try:
        if "weight_version" in manifest:
            return int(manifest["stage"]), int(manifest["weight_version"][1])
        return int(manifest["stage"]), int(manifest["updates"]) - int(manifest["before"][1])
    except (KeyError, IndexError, TypeError, ValueError):
        return -1, -1


def label_of(name: str, manifest: Mapping[str, Any]) -> str:
    """What is said of a policy from a file."""
    kind, _, number = name.rpartition("-")
    update = f"{kind} {int(number)}, update {_when(manifest)[1]:,}"
    return f"{update}, evaluated {manifest['mean_return']:.1f}" if "mean_return" in manifest else update


class LiveWeights:
    """The policies of a run under way: the newest as its learner publishes them, the best from its folder."""

    def __init__(self, fresh: FreshModules, stage: Stage, files: FileWeights, seed: int) -> None:
        self.fresh, self._files = fresh, files
        self._policy, self._mode = build_policy(stage, fresh.modules, seed)[0], stage.modes.evaluate

    def fetch(self, which: Which) -> Acting | None:
        """The newest or best policy of this moment."""
        if which == "best":
            return self._files.fetch("best")
        self.fresh.refresh()
        version = self.fresh.version
        label = f"live, update {version.update:,}, step {version.env_steps:,}"
        return Acting(self._policy, self._mode, label) if self.fresh.ready else None
