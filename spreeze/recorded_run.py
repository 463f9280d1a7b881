"""The runs that a dataset is recorded from: given, or trained for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spreeze import registry, run_folder
from spreeze.config import RunOptions, Settings
from spreeze.errors import UsageError
from spreeze.measure import Trained, load_policy

MACHINE_OPTIONS = ("out", "config", "dataset", "devices", "visualize", "viewer_port")
"""Options of a run that tell of the machine rather than of the data."""


@dataclass(frozen=True)
class RecordedRun:
    """A run with its best policy."""

    trained: Trained

    @classmethod
    def find(cls, given: str) -> "RecordedRun":
        """The run that `given` names; raises as `find_run` and `load_policy` do."""
        return cls(load_policy(run_folder.find_run(given), "best"))

    @property
    def settings(self) -> Settings:
        """What the run was asked to do."""
        return self.trained.settings

    @property
    def best(self) -> float:
        """Mean return of its best evaluation, which its best policy had."""
        return float(self.trained.checkpoint.manifest["mean_return"])

    def newest(self) -> Trained:
        """The run with its newest checkpoint, which holds the replay."""
        return load_policy(self.trained.run, "latest")

    def provenance(self) -> Mapping[str, Any]:
        """What a card tells of the run: no path, no name of a machine."""
        data, summary = self.settings.to_data(), run_folder.read_summary(self.trained.run)
        _, updates, env_steps = self.trained.checkpoint.manifest["weight_version"]
        best = {"mean_return": self.best, "episodes": self.settings.run.evaluation_episodes}
        return {
            "algorithm": self.settings.algo,
            "seed": self.settings.run.seed,
            "algorithm_options": data["algorithm"],
            "run_options": {name: value for name, value in data["run"].items() if name not in MACHINE_OPTIONS},
            "sizes": {stage["name"]: sizes_of(stage["sizes"]) for stage in summary.get("stages", [])},
            "env_steps": summary.get("env_steps"),
            "updates": summary.get("updates"),
            "best_evaluation": best | {"env_steps": env_steps, "updates": updates},
            "versions": summary.get("versions"),
        }


def sizes_of(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Those sizes of a stage that are no cores of a machine."""
    return {name: value for name, value in sizes.items() if not name.endswith("_cores")}


def one_environment(env: str | None, runs: Sequence[RecordedRun]) -> Settings:
    """The settings with the environment and its options that all of them share; `--env` or the default without runs.

    Raises:
        UsageError: they differ.
    """
    if not runs:
        name = env or registry.DEFAULT_ENVIRONMENT
        algorithm, options = registry.algorithm(registry.DEFAULT_ALGORITHM).config, registry.environment(name).options
        return Settings(registry.DEFAULT_ALGORITHM, name, RunOptions(), algorithm(), options())
    first = runs[0]
    for run in runs[1:]:
        if identity(run.settings) != identity(first.settings):
            raise UsageError(
                f"{first.trained.run} ran {first.settings.env} with {first.settings.environment}, {run.trained.run} "
                f"{run.settings.env} with {run.settings.environment}; give runs of one environment"
            )
    if env is not None and registry.environment_id(env) != registry.environment_id(first.settings.env):
        raise UsageError(f"--env {env}, but {first.trained.run} ran {first.settings.env}; leave one of them out")
    return first.settings


def identity(settings: Settings) -> tuple[str, Any]:
    """What two runs must share to be recorded into one dataset."""
    return registry.environment_id(settings.env), settings.environment


def recorded_id(env: str) -> str:
    """The id that a dataset of this environment is known by: Gymnasium's, without the module that registers it."""
    found = registry.environment_id(env)
    own = found.rpartition(":")[2]
    return own if own.rpartition("-v")[2].isdigit() else found


def train(settings: Settings, folder: Path, steps: int | None, until_return: float | None) -> RecordedRun:
    """Train in `folder`, with progress as `spreeze run` shows it, to the end or to an evaluation of `until_return`."""
    from spreeze.run import execute

    options = settings.replace(out=folder, steps=steps, until_return=until_return, visualize="none", tune="off")
    with run_folder.claim(folder, fresh=True) as claimed:
        execute(options, claimed)
    return RecordedRun.find(str(folder))
