"""A robot that sees terrain, tiny networks, and observations of random numbers."""

import dataclasses
from functools import cache
from typing import Any

import torch
from torch import Tensor

from spreeze import registry
from spreeze.algorithms.heightmap import ALGORITHM, HeightmapConfig
from spreeze.algorithms.heightmap.plugin import Plan
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.contract import EnvironmentSpec, LearnerSetup, Stage, Step
from spreeze.spaces import probe

ENV = "walker2d-terrain"
BATCH = 16
SMALL = HeightmapConfig(
    blind_steps=48,
    modulator_steps=48,
    dataset_steps=96,
    predictor_updates=3,
    closed_steps=48,
    environments=4,
    horizon=6,
    epochs=1,
    hidden=(8,),
    memory=5,
    features=6,
    predictor_units=8,
    window=4,
    segment=8,
    segments=4,
    burn_in=2,
)
NOBODY = LearnerSetup({"*": torch.device("cpu")}, 0, {})


@cache
def spec() -> EnvironmentSpec:
    environment = registry.environment(ENV)
    options = environment.options()
    assert environment.mirror is not None
    return EnvironmentSpec(*probe(environment, options), mirror=environment.mirror(options))


def config(**changes: Any) -> HeightmapConfig:
    return dataclasses.replace(SMALL, **changes)


def senses() -> Senses:
    return Senses.of(spec(), SMALL.motors)


def plan(**changes: Any) -> Plan:
    return Plan(senses(), config(**changes), BATCH)


def stages(**changes: Any) -> list[Stage]:
    return list(ALGORITHM.stages(spec(), config(**changes), BATCH))


def modules(*names: str, seed: int = 0, **changes: Any) -> Any:
    """Modules by name, in a row, with weights drawn from a seed, the last layers' not too small to be seen."""
    setup = NOBODY._replace(seed=seed)
    return list(plan(**changes).modules(setup, *names).values())


def observations(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, senses().observations, generator=torch.Generator().manual_seed(seed))


def first_step(observation: Tensor, first: bool = True) -> Step:
    count = len(observation)
    return Step(observation, torch.zeros(count, 9), torch.zeros(count), torch.full((count,), first))
