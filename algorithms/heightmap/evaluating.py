"""Environments prepared for a stage, and what evaluations of its policy report."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from spreeze.algorithms.heightmap.policy import WalkingPolicy
from spreeze.algorithms.heightmap.predicting import CM, edges
from spreeze.contract import (
    Evaluation,
    EvaluationSetup,
    Recurrent,
    Source,
    SourceSetup,
    Step,
    environment_source,
    episode_evaluation,
)

MakeEnvs = Callable[[int, int], Any]


def prepared(make_envs: MakeEnvs, stage: str, measures: bool) -> MakeEnvs:
    """`make_envs` whose environments are told the stage that they are for, and whether to measure, if they listen."""

    def make(count: int, seed: int) -> Any:
        envs = make_envs(count, seed)
        prepare = getattr(envs, "prepare", None)
        if prepare is not None:
            prepare(stage, measures)
        return envs

    return make


def source(setup: SourceSetup, stage: str, environments: int) -> Source:
    """The default source, of so many environments that are told the stage."""
    return environment_source(setup._replace(make_envs=prepared(setup.make_envs, stage, False), streams=environments))


def walked(setup: EvaluationSetup, stage: str) -> Evaluation:
    """Whole episodes in environments that are told the stage."""
    return episode_evaluation(setup._replace(make_envs=prepared(setup.make_envs, stage, True)))


def walked_and_predicted(setup: EvaluationSetup, stage: str) -> Evaluation:
    """The same, and how wrong the maps were that the policy predicted on the way."""
    observed = Observed(setup.policy)
    found = walked(setup._replace(policy=observed), stage)
    return Evaluation(found.returns, found.lengths, {**found.metrics, **observed.errors()})


class Observed:
    """A policy that predicts maps, and beside it the errors of these [cm]."""

    def __init__(self, policy: Any) -> None:
        self.policy: WalkingPolicy = policy
        self.initial_state = policy.initial_state
        self._sums = torch.zeros(6, dtype=torch.float64)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """What the policy does; its maps are compared with the true ones."""
        action, after, extras = self.policy.act(step, state, mode)
        true = self.policy.senses.take(step.observation, "clean_map")
        at_edge = edges(true, self.policy.senses.table("clean_map"))
        self._count(true, at_edge.double(), extras["coarse"], extras["map"])
        return action, after, extras

    def _count(self, true: Tensor, at_edge: Tensor, coarse: Tensor, found: Tensor) -> None:
        error, first = (CM * (one.double() - true).abs() for one in (found, coarse))
        cells = torch.ones_like(at_edge)
        weighted = (cells, error, first, at_edge, error * at_edge, first * at_edge)
        self._sums += torch.stack([one.sum() for one in weighted])

    def errors(self) -> dict[str, float]:
        """Mean absolute errors of refined and coarse maps, of all cells and at edges."""
        cells, error, first, edge, edge_error, edge_first = self._sums.tolist()
        return {
            "map/error_cm": error / max(cells, 1),
            "map/coarse_error_cm": first / max(cells, 1),
            "map/edge_error_cm": edge_error / max(edge, 1),
            "map/coarse_edge_error_cm": edge_first / max(edge, 1),
            "map/edge_share": edge / max(cells, 1),
        }
