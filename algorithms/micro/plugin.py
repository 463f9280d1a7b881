"""The stages of MICRO and of the methods that differ from it by an operator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic
from spreeze.algorithms._training import episode_fields, logged_data
from spreeze.algorithms.micro.config import ModelBasedConfig
from spreeze.algorithms.micro.ensemble import DynamicsEnsemble, EliteModel
from spreeze.algorithms.micro.fitting import DynamicsPart, FitOptions, Transitions
from spreeze.algorithms.micro.imagination import ImaginationSource, spread_penalty
from spreeze.algorithms.micro.learner import PLAIN, OfflinePolicy, Operator, make_parts
from spreeze.algorithms.sac import Shape
from spreeze.cache import cache_key
from spreeze.contract import (
    Algorithm,
    Dataset,
    Draw,
    EnvironmentSpec,
    Evaluation,
    EvaluationSetup,
    Field,
    LearnerSetup,
    Modes,
    Pace,
    Part,
    Range,
    SourceSetup,
    Stage,
    Store,
    Until,
    episode_evaluation,
)
from spreeze.errors import UsageError

WARMUP_BLOCKS = 2
"""Blocks of one sampler that are imagined before the first update."""


MIN_BLOCKS = 128
"""Blocks that the lanes of all samplers hold together at least."""


@dataclass(frozen=True)
class Method:
    """What one algorithm does differently from the others."""

    operator: Operator = PLAIN
    penalises_reward: bool = False
    """Take MOPO's penalty off the imagined rewards."""
    imagines: bool = True
    """Learn a model and imagine rows; otherwise the dataset is all there is."""


@dataclass(frozen=True)
class Plan:
    """Everything that the factories of both stages need, for one dataset."""

    shape: Shape
    config: ModelBasedConfig
    method: Method
    dataset: Dataset
    termination: Callable[[Any], Any] | None
    batch_size: int

    @property
    def logged(self) -> int:
        """Logged rows of a batch."""
        return int(self.batch_size * float(self.config.logged_share)) if self.method.imagines else self.batch_size

    @property
    def rollouts(self) -> int:
        """Rollouts side by side, the same number for each elite."""
        return self.config.elites * max(self.config.rollout_batch // self.config.elites, 1)

    @property
    def fields(self) -> Mapping[str, Field]:
        """What a row holds."""
        flat = {"observation": Field((self.shape.observations,)), "action": Field((self.shape.actions,))}
        return flat | {"reward": Field(), "terminated": Field()}

    def ensemble(self, seed: int = 0) -> DynamicsEnsemble:
        """An ensemble that nobody has fitted."""
        config = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return DynamicsEnsemble(
                self.shape.observations, self.shape.actions, config.dynamics_hidden, config.members, config.elites
            )

    def model(self, inherited: Mapping[str, Mapping[str, Tensor]]) -> EliteModel:
        """The elites of the ensemble that stage 1 published."""
        ensemble = self.ensemble()
        if "dynamics" in inherited:
            ensemble.load_state_dict(dict(inherited["dynamics"]))
        return EliteModel(ensemble)


def dynamics_stage(plan: Plan) -> Stage:
    """Stage 1: fit the ensemble."""
    return Stage(
        name="dynamics",
        stores={},
        bundles={"dynamics": plan.ensemble},
        make_policy=None,
        make_learner=lambda setup: {"dynamics": dynamics_part(plan, setup)},
        make_source=None,
        evaluate=None,
    )


def dynamics_part(plan: Plan, setup: LearnerSetup) -> DynamicsPart:
    """The part that fits the ensemble; its result is kept by data, options and seed."""
    c, data = plan.config, plan.dataset
    options = FitOptions(
        c.dynamics_learning_rate, c.dynamics_batch, int(c.dynamics_patience), int(c.dynamics_epochs), setup.seed
    )
    network = [c.members, c.elites, list(c.dynamics_hidden)]
    key = cache_key(format=1, digest=data.digest, options=list(astuple(options)), network=network) if c.cache else None
    load = partial(Transitions.of, data)
    return DynamicsPart(plan.ensemble(setup.seed), load, options, key, setup.device("dynamics"))


def policy_stage(plan: Plan) -> Stage:
    """Stage 2: improve the policy on logged and imagined rows."""
    config, shape, episodes = plan.config, plan.shape, plan.dataset.episodes
    sizes = (shape.observations, shape.actions, config.hidden)
    imagined, source, pace, warmup = imagination(plan) if plan.method.imagines else ({}, None, Pace(), 0)
    return Stage(
        name="policy",
        stores={
            "dataset": Store("dataset", plan.fields, load=lambda: episode_fields(episodes())),
            **imagined,
        },
        bundles={"policy": lambda: SquashedGaussianActor(*sizes), "critic": lambda: TwinCritic(*sizes)},
        make_policy=lambda m, generator: OfflinePolicy(m["policy"], m["critic"], generator),  # type: ignore[arg-type]
        make_learner=lambda setup: policy_parts(plan, setup),
        make_source=source,
        evaluate=partial(scored_evaluation, plan.dataset),
        block_rows=int(config.horizon) * plan.rollouts,
        pace=pace,
        warmup=warmup,
        modes=Modes(warmup="explore"),
        until=Until(updates=config.updates),
    )


def imagination(plan: Plan) -> tuple[dict[str, Store], Callable[[SourceSetup], ImaginationSource], Pace, int]:
    """The store of imagined rows, their source, the pace at which both go on, and the rows imagined beforehand."""
    config, horizon = plan.config, int(plan.config.horizon)
    per_update = int(config.imagined_per_update)
    # Every block leaves a row without a transition; however short the retention, a lane must hold a few blocks.
    transitions = max(per_update * config.retained_updates, MIN_BLOCKS * horizon * plan.rollouts)
    capacity = transitions * (horizon + 1) // horizon
    store = Store("replay", plan.fields, capacity=capacity, streams=plan.rollouts)
    termination = plan.termination
    assert termination is not None, "checked by `stages`"

    def source(setup: SourceSetup) -> ImaginationSource:
        penalty = spread_penalty(float(config.beta)) if plan.method.penalises_reward else None
        model = plan.model(setup.inherited)
        return ImaginationSource(setup, model, termination, horizon, plan.rollouts, penalty)

    ratio = (plan.batch_size - plan.logged) / per_update
    warmup = WARMUP_BLOCKS * horizon * plan.rollouts // 2
    return {"imagined": store}, source, Pace(ratio=Range(ratio, ratio / 16, ratio * 256)), warmup


def policy_parts(plan: Plan, setup: LearnerSetup) -> Mapping[str, Part]:
    """Critic and actor; the model is the one that stage 1 published."""
    draws = {"logged": Draw("dataset", rows=plan.logged)} if plan.logged else {}
    if plan.method.imagines:
        draws["imagined"] = Draw("imagined", rows=plan.batch_size - plan.logged)
    model = plan.model(setup.inherited) if plan.method.operator is not PLAIN else None
    shape = (plan.shape.observations, plan.shape.actions)
    return make_parts(shape, plan.config, draws, setup, plan.method.operator, model, plan.termination)


def scored_evaluation(dataset: Dataset, setup: EvaluationSetup) -> Evaluation:
    """Whole episodes in the environment, scored by the dataset's reference if it has one."""
    found = episode_evaluation(setup)
    if dataset.reference is None:
        return found
    score = dataset.reference.score(sum(found.returns) / len(found.returns))
    return Evaluation(found.returns, found.lengths, {**found.metrics, "score": score})


def stages(name: str, method: Method, spec: EnvironmentSpec, config: ModelBasedConfig, batch: int) -> Sequence[Stage]:
    """Stage 1 and 2, or stage 2 alone for a method without a model.

    Raises:
        UsageError: there is no dataset, or it is unknown which observations end an episode.
        UnsupportedSpace: the spaces are not flat and bounded.
    """
    shape, dataset = Shape.of(spec, name), logged_data(spec, name)
    if method.imagines and spec.termination is None:
        raise UsageError(
            f"{name} imagines episodes, and nothing tells which observations of this environment end one: "
            "an environment plug-in gives that as `Environment.termination`"
        )
    plan = Plan(shape, config.for_dataset(dataset), method, dataset, spec.termination, batch)
    return [dynamics_stage(plan), policy_stage(plan)] if method.imagines else [policy_stage(plan)]


def algorithm(name: str, summary: str, source: str, config: type[ModelBasedConfig], method: Method) -> Algorithm:
    """A plug-in of this family."""
    return Algorithm(summary, source, config, partial(stages, name, method))
