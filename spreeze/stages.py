"""From settings to the stage that a role plays in, the same in every process."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from gymnasium.spaces import Space
from torch import nn

from spreeze import registry
from spreeze.config import Settings
from spreeze.contract import EnvironmentSpec, Policy, Stage
from spreeze.environment import VectorEnv
from spreeze.errors import DatasetError, UsageError
from spreeze.sizing import batch_size


def build_stages(settings: Settings, spec: EnvironmentSpec) -> Sequence[Stage]:
    """The stages of the algorithm for this environment.

    `--steps` ends the last one that has a source; `--seconds` alone lifts the last one's own limit of steps.

    Raises:
        UnsupportedSpace: the algorithm cannot serve them.
        UsageError: `--steps` is given, and no stage has a source; or `--dataset`, and none reads one.
    """
    algorithm = registry.algorithm(settings.algo)
    stages = list(algorithm.stages(spec, settings.algorithm, batch_size(settings, algorithm)))
    if not isinstance(settings.run.delay, str):
        stages = [dataclasses.replace(stage, delay=settings.run.delay) for stage in stages]
    if settings.run.dataset is not None and not reads_dataset(stages):
        raise UsageError(f"--dataset: {settings.algo} learns from no dataset")
    if settings.run.steps is not None:
        sampling = [index for index, stage in enumerate(stages) if stage.make_source is not None]
        if not sampling:
            raise UsageError(f"--steps: no stage of {settings.algo} takes environment steps; give --seconds")
        stages[sampling[-1]] = ending_at(stages[sampling[-1]], settings.run.steps)
    elif settings.run.seconds is not None:
        stages[-1] = ending_at(stages[-1], None)
    return stages


def environment_spec(settings: Settings, observation: Space[Any], action: Space[Any]) -> EnvironmentSpec:
    """What the algorithm is told of the environment of `settings`, whose spaces were probed.

    Raises:
        UsageError: there is no such dataset, it holds nothing, or it was recorded in another environment.
    """
    environment = registry.environment(settings.env)
    if environment.dataset is None and settings.run.dataset is not None:
        raise UsageError(f"--dataset: environment '{settings.env}' cannot read datasets")
    dataset = None if environment.dataset is None else environment.dataset(settings.run.dataset)
    if dataset is not None and dataset.steps < 1:
        raise DatasetError(f"dataset '{dataset.name}' holds no step to learn from")
    tasks = None if environment.tasks is None else environment.tasks(settings.environment)
    mirror = None if environment.mirror is None else environment.mirror(settings.environment)
    return EnvironmentSpec(observation, action, environment.termination, dataset, tasks, mirror)


def reads_dataset(stages: Sequence[Stage]) -> bool:
    """Whether any of these stages learns from logged data."""
    return any(store.kind == "dataset" for stage in stages for store in stage.stores.values())


def ending_at(stage: Stage, env_steps: int | None) -> Stage:
    """`stage` with another limit of environment steps."""
    return dataclasses.replace(stage, until=dataclasses.replace(stage.until, env_steps=env_steps))


def build_modules(stage: Stage) -> dict[str, nn.Module]:
    """The stage's bundles on the CPU, in evaluation mode and without gradients."""
    return {name: make().requires_grad_(False).eval() for name, make in stage.bundles.items()}


def build_policy(stage: Stage, modules: Mapping[str, nn.Module], seed: int) -> tuple[Policy, torch.Generator]:
    """The stage's policy over `modules`, and the generator that it draws from."""
    assert stage.make_policy is not None, "asked for by stages that act only"
    generator = torch.Generator().manual_seed(seed)
    return stage.make_policy(modules, generator), generator


def make_envs(settings: Settings, count: int, seed: int) -> VectorEnv:
    """`count` environments of the run, stepped together."""
    return registry.environment(settings.env).make_vector(settings.environment, count, seed)
