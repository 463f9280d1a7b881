"""`spreeze eval`: the policy of a run, measured without any process."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load_file
from torch import nn

from spreeze import registry
from spreeze.bundles import load_arrays
from spreeze.checkpoint import Checkpoint, Checkpoints
from spreeze.config import Settings
from spreeze.contract import Adaptation, EnvironmentSpec, Evaluation, EvaluationSetup, Policy, Stage
from spreeze.environment import VectorEnv
from spreeze.errors import CheckpointError, UsageError
from spreeze.run_folder import load_settings
from spreeze.spaces import probe
from spreeze.stages import build_modules, build_policy, build_stages, environment_spec, make_envs

Which = Literal["best", "latest"]


@dataclass(frozen=True)
class Trained:
    """The policy of a run as one of its checkpoints holds it, with all that an evaluation needs."""

    run: Path
    settings: Settings
    spec: EnvironmentSpec
    stage: Stage
    modules: dict[str, nn.Module]
    checkpoint: Checkpoint

    def policy(self, seed: int) -> Policy:
        """The policy, drawing from a generator of that seed."""
        return build_policy(self.stage, self.modules, seed)[0]

    def evaluate(
        self, episodes: int, seed: int, wrap: Callable[[Policy], Policy] = lambda policy: policy, **options: Any
    ) -> Evaluation:
        """Evaluate on fresh environments; `wrap` changes the policy, `options` those of the environment.

        Raises:
            UsageError: the environment has no such option.
        """
        assert self.stage.evaluate is not None, "load_policy takes stages with an evaluation only"
        with self._setup(with_environment(self.settings, **options), episodes, seed) as setup:
            return self.stage.evaluate(setup._replace(policy=wrap(setup.policy)))

    def adapt(self, seed: int) -> Adaptation:
        """Adapt on fresh environments to tasks that are held out, and keep what happened.

        Raises:
            UsageError: the algorithm adapts to nothing.
        """
        if self.stage.adapt is None:
            raise UsageError(f"--plot draws how a policy adapts to tasks; {self.settings.algo} ({self.run}) does not")
        with self._setup(self.settings, 1, seed) as setup:
            return self.stage.adapt(setup)

    @contextmanager
    def _setup(self, settings: Settings, episodes: int, seed: int) -> Iterator[EvaluationSetup]:
        """What an evaluation is run with; environments are closed behind it."""
        with ExitStack() as opened:

            def make(count: int, seed: int) -> VectorEnv:
                return opened.enter_context(closing(make_envs(settings, count, seed)))

            yield EvaluationSetup(self.policy(seed), self.modules, make, self.stage.modes.evaluate, episodes, seed)


def with_environment(settings: Settings, **options: Any) -> Settings:
    """`settings` with other options of the environment; raises UsageError for one that it does not have."""
    known = {field.name for field in dataclasses.fields(settings.environment)}
    if options.keys() - known:
        raise UsageError(f"environment '{settings.env}' has no option {', '.join(sorted(options.keys() - known))}")
    return dataclasses.replace(settings, environment=dataclasses.replace(settings.environment, **options))


def load_policy(run: Path, which: Which) -> Trained:
    """Load a run's best or newest policy.

    Raises:
        CheckpointError: the run has no intact checkpoint of that kind.
        UsageError: its stage has no evaluation.
    """
    settings = load_settings(run / "config.yaml")
    checkpoint = Checkpoints(run / "checkpoints", "best" if which == "best" else "checkpoint").newest_intact()
    if checkpoint is None:
        raise CheckpointError(f"{run} holds no intact {which} checkpoint")
    spec = environment_spec(settings, *probe(registry.environment(settings.env), settings.environment))
    stage = build_stages(settings, spec)[checkpoint.manifest["stage"]]
    if stage.evaluate is None:
        raise UsageError(f"stage '{stage.name}' of {settings.algo} has no evaluation")
    modules = build_modules(stage)
    for name, module in modules.items():
        load_arrays(module, load_file(checkpoint.folder / f"bundle-{name}.safetensors"))
    return Trained(run, settings, spec, stage, modules, checkpoint)


def check_amounts(episodes: int, seed: int) -> None:
    """Raise UsageError if either cannot be served."""
    if episodes < 1:
        raise UsageError(f"--episodes {episodes}: give at least 1")
    if seed < 0:
        raise UsageError(f"--seed {seed}: give at least 0")


def measure(run: Path, which: Which, episodes: int, seed: int) -> tuple[Evaluation, str]:
    """Evaluate a run's best or newest policy; return the episodes and a line that sums them up.

    Raises as `load_policy` does.
    """
    check_amounts(episodes, seed)
    trained = load_policy(run, which)
    result = trained.evaluate(episodes, seed)
    mean, spread = np.mean(result.returns), np.std(result.returns)
    source = f"{which} policy ({trained.checkpoint.folder.name})"
    return result, f"return {mean:.2f} +- {spread:.2f} over {episodes} episodes, {source}"
