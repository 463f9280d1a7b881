"""Behaviour cloning: a deterministic policy fitted to logged actions by least squares.

Source: the baseline of Fujimoto and Gu, A Minimalist Approach to Offline Reinforcement Learning, arXiv 2106.06860;
"BC of the best tenth" (`best_fraction` 0.1) is that of Chen et al., Decision Transformer, arXiv 2106.01345. Without the
orchestrator:

    parts = learner(spec, BCConfig(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))
    for batch in batches:                          # observation, action
        parts["actor"].update({"logged": batch})
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from spreeze.algorithms._networks import DeterministicActor
from spreeze.algorithms._training import (
    adam,
    best_episodes,
    episode_fields,
    load_part_state,
    logged_data,
    observation_spread,
    part_state,
)
from spreeze.algorithms.sac import Shape
from spreeze.contract import (
    Algorithm,
    Draw,
    EnvironmentSpec,
    Episode,
    Field,
    LearnerSetup,
    Metrics,
    Part,
    Recurrent,
    Stage,
    Step,
    Store,
    Until,
)
from spreeze.errors import UsageError

STD_FLOOR = 1e-3
"""Added to the standard deviation by which an observation is divided (TD3+BC, section 5)."""

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class BCConfig:
    """Options of behaviour cloning."""

    best_fraction: float = 1.0
    """Share of the episodes, best return first, that is imitated; 0.1 is "BC of the best tenth"."""
    learning_rate: float = 3e-4
    """Step size of Adam."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers."""
    updates: int = 1_000_000
    """Updates of a run."""


class DeterministicPolicy:
    """Acts with the actor's network, in every mode: offline, nothing is explored."""

    def __init__(self, actor: DeterministicActor) -> None:
        self.actor = actor

    def initial_state(self, batch: int) -> Recurrent:
        """Nothing: the policy is memoryless."""
        return ()

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """The actor's action."""
        return self.actor(step.observation), state, {}


class ImitationPart:
    """Moves the policy towards the logged actions."""

    def __init__(self, actor: DeterministicActor, config: BCConfig, batch_size: int) -> None:
        self.draws = {"logged": Draw("dataset", rows=batch_size)}
        self.owns: Mapping[str, nn.Module] = {"actor": actor}
        self.reads: Mapping[str, nn.Module] = {}
        self.actor = actor
        self.optimizer = adam(actor.parameters(), config.learning_rate)
        self.finished = False

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step on the mean squared distance to the logged actions."""
        loss = imitation_loss(self.actor(batches["logged"]["observation"]), batches["logged"]["action"])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {"loss/actor": loss.detach()}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The actor, normalisation included."""
        return {"policy": self.actor.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """Actor and optimiser; nothing is drawn at random."""
        return part_state({"actor": self.actor}, {"optimizer": self.optimizer})

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, {"actor": self.actor}, {"optimizer": self.optimizer})


def imitation_loss(action: Tensor, logged: Tensor) -> Tensor:
    """Mean over rows and dimensions of (pi(s) - a)^2, both (B, A)."""
    return (action - logged).square().mean()


def normalising_actor(shape: Shape, hidden: Sequence[int], episodes: Iterable[Episode]) -> DeterministicActor:
    """A fresh actor that normalises by mean and standard deviation + 1e-3 of what `episodes` observed."""
    actor = DeterministicActor(shape.observations, shape.actions, hidden)
    mean, std = observation_spread(list(episodes))
    actor.mean.copy_(torch.from_numpy(mean))
    actor.std.copy_(torch.from_numpy(std + STD_FLOOR))
    return actor


def imitated(spec: EnvironmentSpec, config: BCConfig) -> list[Episode]:
    """The episodes that are imitated, read from the dataset."""
    return best_episodes(logged_data(spec, "BC").episodes(), config.best_fraction)


def learner(spec: EnvironmentSpec, config: BCConfig, setup: LearnerSetup, batch_size: int = 256) -> Mapping[str, Part]:
    """The only part."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        actor = normalising_actor(Shape.of(spec, "BC"), config.hidden, imitated(spec, config))
    return {"actor": ImitationPart(actor.to(setup.device("actor")), config, batch_size)}


def logged_stage(
    name: str,
    shape: Shape,
    hidden: Sequence[int],
    updates: int,
    load: Callable[[], Iterable[Mapping[str, np.ndarray]]],
    make_learner: Callable[[LearnerSetup], Mapping[str, Part]],
) -> Stage:
    """A stage without samplers that learns a `DeterministicActor` from the logged episodes of `load`."""
    fields = {
        "observation": Field((shape.observations,)),
        "action": Field((shape.actions,)),
        "reward": Field(),
        "terminated": Field(),
    }
    return Stage(
        name=name,
        stores={"dataset": Store("dataset", fields, load=load)},
        bundles={"policy": lambda: DeterministicActor(shape.observations, shape.actions, hidden)},
        make_policy=lambda modules, generator: DeterministicPolicy(modules["policy"]),  # type: ignore[arg-type]
        make_learner=make_learner,
        make_source=None,
        until=Until(updates=updates),
    )


def stages(spec: EnvironmentSpec, config: BCConfig, batch_size: int) -> Sequence[Stage]:
    """One stage that imitates."""
    shape, _ = Shape.of(spec, "BC"), logged_data(spec, "BC")
    if not 0 < config.best_fraction <= 1:
        raise UsageError(f"--best-fraction {config.best_fraction:g} is no share of the episodes: give 0 < share <= 1")
    return [
        logged_stage(
            "bc",
            shape,
            config.hidden,
            config.updates,
            lambda: episode_fields(imitated(spec, config)),
            lambda setup: learner(spec, config, setup, batch_size),
        )
    ]


ALGORITHM = Algorithm(
    summary="Behaviour cloning: offline, continuous actions, least squares on logged actions",
    source="the baselines of Fujimoto and Gu 2021, arXiv 2106.06860, and Chen et al. 2021, arXiv 2106.01345",
    config=BCConfig,
    stages=stages,
)
