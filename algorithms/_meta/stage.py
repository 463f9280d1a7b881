"""The one stage of an algorithm that learns to adapt."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn

from spreeze.algorithms._meta.adaptation import record
from spreeze.algorithms._meta.config import MetaConfig
from spreeze.algorithms._meta.encoders import Encoder
from spreeze.algorithms._meta.episodes import MetaEpisodes, Plan, evaluate
from spreeze.algorithms._meta.inference import make_encoder
from spreeze.algorithms._meta.policy import MODES, MetaPolicy, actor_of
from spreeze.algorithms._networks import SquashedGaussianActor
from spreeze.algorithms.sac import Shape
from spreeze.contract import EnvironmentSpec, Field, LearnerSetup, Pace, Part, Range, Stage, Store, Until
from spreeze.errors import UnsupportedSpace

STREAMS = 16
"""Environments of a sampler, as far as pacing needs to know."""
ROWS = Range(512, 16, 16384)
"""Pairs of belief and transition of one update."""
RATIO = Range(64, 0.25, 4096)
"""Rows of segments that are drawn for every new step; an update draws whole ones, and learns from some rows."""


def plan_of(spec: EnvironmentSpec, config: MetaConfig, name: str) -> Plan:
    """The meta-episodes of an environment; raises UnsupportedSpace if it is no family of tasks."""
    config.check()
    if spec.tasks is None:
        raise UnsupportedSpace(f"{name} needs a family of tasks, as point-robot-sparse; this environment has one task")
    return Plan(config.explore_episodes, config.exploit_episodes, spec.tasks)


def meta_stage(
    name: str,
    shape: Shape,
    config: MetaConfig,
    plan: Plan,
    make_learner: Callable[[LearnerSetup], Mapping[str, Part]],
    explorer: bool,
) -> Stage:
    """Samplers play meta-episodes, the learner draws them by task, the evaluator adapts to tasks that are held out."""
    row = {"observation": Field((shape.observations,)), "action": Field((shape.actions,)), "reward": Field()}
    bundles: dict[str, Callable[[], nn.Module]] = {
        "encoder": lambda: make_encoder(shape.observations, shape.actions, config),
        "exploiter": lambda: policy_net(shape, config, config.latent),
    }
    if explorer:
        bundles["explorer"] = lambda: policy_net(shape, config, 2 * config.latent)
    return Stage(
        name=name,
        stores={"episodes": Store("replay", row, config.capacity, plan.segment, {"task": Field((), "int64")})},
        bundles=bundles,
        make_policy=partial(make_policy, shape=shape, config=config),
        make_learner=make_learner,
        make_source=lambda setup: MetaEpisodes(setup, plan, config.prior_share),
        evaluate=lambda setup: evaluate(setup, plan),
        adapt=lambda setup: record(setup, plan),
        block_rows=plan.segment * STREAMS,
        pace=Pace(ratio=RATIO),
        warmup=config.warmup,
        modes=MODES,
        until=Until(env_steps=config.until),
    )


def policy_net(shape: Shape, config: MetaConfig, known: int) -> SquashedGaussianActor:
    """A policy over an observation and what is known of the task."""
    return SquashedGaussianActor(shape.observations + known, shape.actions, config.hidden)


def make_policy(
    modules: Mapping[str, nn.Module], generator: torch.Generator, shape: Shape, config: MetaConfig
) -> MetaPolicy:
    """The policy over a stage's bundles."""
    encoder: Encoder = modules["encoder"]  # type: ignore[assignment]
    explorer = actor_of(modules["explorer"]) if "explorer" in modules else None
    sizes = (shape.observations, shape.actions, config.latent)
    mean_latent = config.evaluation_latent == "mean"
    return MetaPolicy(encoder, actor_of(modules["exploiter"]), explorer, sizes, generator, mean_latent)
