"""On-policy learning from a queue: segments, a bound on the lag, stored log-probabilities, a recurrent policy.

Every row tells which weights chose its action, as an extra of a policy whose bundle counts its updates. From that the
learner measures the lag, and checks at lag 0 that it computes the log-probabilities that were stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from spreeze import contract
from spreeze.contract import Draw, Field, Metrics, Recurrent, Step, Store
from tests.contract.learning import ToyPart, linear

SEGMENT = 8
STANDARD_DEVIATION = 0.2


@dataclass(frozen=True)
class OnPolicyConfig:
    """Options of the on-policy toy."""

    rate: float = 0.02
    """Step size of Adam."""
    max_lag: int = 1
    """Updates between the weights that collect a segment and the update that consumes it."""


class Actor(nn.Module):
    """mean = gain x + habit m with the memory m' = (m + mean) / 2; `version` counts updates. The best habit is 0."""

    version: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.habit = linear(2), linear(1, value=0.5)
        self.register_buffer("version", torch.zeros(()))

    def forward(self, observation: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Mean action and next memory, each (N, 1)."""
        mean = self.gain(observation) + self.habit(memory)
        return mean, (memory + mean) / 2


class ActorPolicy:
    """Samples, or takes the mean; the extras go to the store."""

    def __init__(self, actor: nn.Module, generator: torch.Generator) -> None:
        assert isinstance(actor, Actor)
        self.actor, self.generator = actor, generator

    def initial_state(self, batch: int) -> Recurrent:
        return (torch.zeros(batch, 1),)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        mean, memory = self.actor(step.observation, *state)
        if mode == "mean":
            return mean, (memory,), {}
        action = mean + STANDARD_DEVIATION * torch.randn(mean.shape, generator=self.generator)
        density = Normal(mean, STANDARD_DEVIATION).log_prob(action)[:, 0]
        return action, (memory,), {"log_probability": density, "version": self.actor.version.expand(len(action))}


class ActorPart(ToyPart):
    """The policy gradient of the immediate reward, with importance ratios."""

    def __init__(self, config: OnPolicyConfig) -> None:
        self.actor = Actor()
        super().__init__({"actor": self.actor}, {"segments": Draw("queue")}, config.rate)

    def log_probability(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Of the stored actions (L, B), unrolled from the memory that the segments begin with."""
        memory, densities = batch["state0"], []
        for x, action, first in zip(batch["observation"], batch["action"], batch["is_first"], strict=True):
            mean, memory = self.actor(x, torch.where(first[:, None], 0.0, memory))
            densities.append(Normal(mean, STANDARD_DEVIATION).log_prob(action)[:, 0])
        return torch.stack(densities)

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        batch = batches["segments"]
        valid, lag = batch["valid"].bool(), self.actor.version - batch["version"]
        densities = self.log_probability(batch)
        surprise = (densities - batch["log_probability"]).detach().abs() * (lag == 0)
        self.note_largest("lag", lag.max())
        self.note_largest("surprise", surprise.max())
        advantage = batch["reward"] - batch["reward"][valid].mean()
        self.actor.version += 1
        return self.descend(-((densities - batch["log_probability"]).exp() * advantage)[valid].mean())


def stages(spaces: contract.EnvironmentSpec, config: OnPolicyConfig, batch_size: int) -> Sequence[contract.Stage]:
    """One stage: lanes queue segments, the learner takes one of each."""
    flags = {"is_first": Field((), "bool"), "log_probability": Field(), "version": Field()}
    step = {"observation": Field((2,)), "action": Field((1,)), "reward": Field()} | flags
    return [
        contract.Stage(
            name="on-policy",
            stores={"queue": Store("queue", step, capacity=4, segment=SEGMENT, head={"state0": Field((1,))})},
            bundles={"actor": Actor},
            make_policy=lambda modules, generator: ActorPolicy(modules["actor"], generator),
            make_learner=lambda setup: {"actor": ActorPart(config)},
            pace=contract.Pace(max_lag=config.max_lag),
            modes=contract.Modes("sample", "sample", "mean"),
            until=contract.Until(updates=200),
        )
    ]


ALGORITHM = contract.Algorithm(
    "policy gradient from a queue", "a toy", OnPolicyConfig, stages, contract.Range(16, 1, 256)
)
