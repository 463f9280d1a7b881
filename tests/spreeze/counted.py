"""A plug-in that makes a fixed number of updates on a small dataset, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from spreeze import contract
from spreeze.contract import Stage, Until
from tests.spreeze.regression import STORES, Regression


@dataclass(frozen=True)
class CountedConfig:
    """Options of the counted toy."""

    updates: int = 50
    """Updates of a run."""


def episodes() -> Iterator[Mapping[str, np.ndarray]]:
    """Two hundred rows, the sum of whose observation is the reward."""
    observation = np.random.default_rng(0).normal(size=(201, 3)).astype(np.float32)
    yield {"observation": observation, "reward": observation[:-1].sum(-1)}


def stages(spec: contract.EnvironmentSpec, config: CountedConfig, batch_size: int) -> Sequence[Stage]:
    """One stage, without samplers and evaluation."""
    return [
        Stage(
            name="counted",
            stores={"replay": replace(STORES["replay"], kind="dataset", load=episodes)},
            bundles={"net": lambda: nn.Linear(3, 1)},
            make_policy=None,
            make_learner=lambda setup: {"net": Regression(setup.device("net"), setup.seed)},
            make_source=None,
            evaluate=None,
            until=Until(updates=config.updates),
        )
    ]


ALGORITHM = contract.Algorithm("a fixed number of updates", "a toy", CountedConfig, stages)
