"""PPO as a plug-in: its stage and its learner."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from spreeze.algorithms.ppo.config import PPOConfig
from spreeze.algorithms.ppo.learner import PPOPart, annealing_steps
from spreeze.algorithms.ppo.networks import Actor, Critic, PPOPolicy, orthogonal
from spreeze.contract import (
    Algorithm,
    EnvironmentSpec,
    Field,
    LearnerSetup,
    Modes,
    Pace,
    Part,
    Range,
    Stage,
    Store,
    Until,
)

QUEUED = 2
"""Segments that a lane has room for: one that waits, one that is being written."""


def learner(spec: EnvironmentSpec, config: PPOConfig, setup: LearnerSetup, batch_size: int = 64) -> Mapping[str, Part]:
    """The only part."""
    config = replace(config, anneal=annealing_steps(config.anneal, setup.env_steps))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        actor = Actor(spec, config)
        critic = Critic(actor.memory.features, config)
    orthogonal(actor, critic, setup.seed)
    device = setup.device("ppo")
    return {"ppo": PPOPart(actor.to(device), critic.to(device), config, batch_size, setup.seed)}


def stages(spec: EnvironmentSpec, config: PPOConfig, batch_size: int) -> Sequence[Stage]:
    """One stage: lanes queue segments, the learner takes one of each stream."""
    config.check()
    actor = Actor(spec, config)
    flags = {name: Field((), "bool") for name in ("terminated", "truncated", "is_first")}
    extras = {"choice": actor.head.choice, "log_probability": Field(), "version": Field()}
    step = {"observation": actor.observations.field, "reward": Field()} | flags | extras
    head = {"state0": Field((config.memory,))} if config.memory else {}
    return [
        Stage(
            name="ppo",
            stores={"queue": Store("queue", step, capacity=QUEUED, segment=config.horizon, head=head)},
            bundles={"policy": lambda: Actor(spec, config)},
            make_policy=lambda modules, generator: PPOPolicy(modules["policy"], generator),  # type: ignore[arg-type]
            make_learner=lambda setup: learner(spec, config, setup, batch_size),
            pace=Pace(max_lag=config.max_lag),
            modes=Modes("sample", "sample", "mean"),
            until=Until(env_steps=config.until),
        )
    ]


ALGORITHM = Algorithm(
    summary="Proximal Policy Optimization: on-policy, continuous or discrete actions, masks, recurrent policies",
    source="Schulman et al. 2017, arXiv 1707.06347",
    config=PPOConfig,
    stages=stages,
    batch_size=Range(64, 8, 65536),
)
