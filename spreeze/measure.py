"""`spreeze eval`: the policy of a run, measured without any process."""

from pathlib import Path
from typing import Literal

import numpy as np
from safetensors.numpy import load_file

from spreeze import registry
from spreeze.bundles import load_arrays
from spreeze.checkpoint import Checkpoints
from spreeze.contract import Evaluation, EvaluationSetup
from spreeze.errors import CheckpointError, UsageError
from spreeze.run_folder import load_settings
from spreeze.spaces import probe
from spreeze.stages import build_modules, build_policy, build_stages, environment_spec, make_envs


def measure(run: Path, which: Literal["best", "latest"], episodes: int, seed: int) -> tuple[Evaluation, str]:
    """Evaluate a run's best or newest policy; return the episodes and a line that sums them up.

    Raises:
        CheckpointError: the run has no intact checkpoint of that kind.
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
    policy, _ = build_policy(stage, modules, seed)
    setup = EvaluationSetup(
        policy, modules, lambda n, s: make_envs(settings, n, s), stage.modes.evaluate, episodes, seed
    )
    result = stage.evaluate(setup)
    mean, spread = np.mean(result.returns), np.std(result.returns)
    return (
        result,
        f"return {mean:.2f} +- {spread:.2f} over {episodes} episodes, {which} policy ({checkpoint.folder.name})",
    )
