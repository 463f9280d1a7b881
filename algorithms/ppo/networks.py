"""The networks of PPO, and the policy that acts with them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from spreeze.algorithms._distributions import head_of
from spreeze.algorithms._memory import memory_of
from spreeze.algorithms._networks import mlp
from spreeze.algorithms._normalisation import NormalisedValue, Normaliser
from spreeze.algorithms._observations import Observations
from spreeze.algorithms.ppo.config import PPOConfig
from spreeze.contract import EnvironmentSpec, Recurrent, Step


class Actor(nn.Module):
    """From stored observations and a memory to the parameters of a distribution; `version` counts updates."""

    version: Tensor

    def __init__(self, spec: EnvironmentSpec, config: PPOConfig) -> None:
        super().__init__()
        self.observations, self.normalises = Observations.of(spec.observation, "PPO"), config.normalise_observations
        self.normaliser = Normaliser(self.observations.size)
        self.memory = memory_of(self.observations.size, config.memory)
        self.body = body_of((self.memory.features, *config.hidden), config)
        self.head = head_of(spec.action, config.hidden[-1], config.initial_log_std, "PPO")
        self.register_buffer("version", torch.zeros(()))

    def given(self, stored: Tensor) -> Tensor:
        """What the networks are given (..., O) of stored observations."""
        seen = self.observations.seen(stored)
        return self.normaliser(seen) if self.normalises else seen

    def features(self, given: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """What policy and value are computed from (L, B, F) of what is given (L, B, O), and the memory after it."""
        found: tuple[Tensor, Recurrent] = self.memory(given, is_first, state)
        return found

    def raw(self, features: Tensor) -> Tensor:
        """What the distribution over actions is made of (..., P), for features (..., F)."""
        found: Tensor = self.head.linear(self.body(features))
        return found

    def linears(self) -> list[nn.Linear]:
        """The layers of `raw`."""
        return [*linears(self.body), self.head.linear]


def body_of(sizes: Sequence[int], config: PPOConfig) -> nn.Sequential:
    """Layers of these sizes, each with the activation after it."""
    activation = {"tanh": nn.Tanh, "relu": nn.ReLU}[config.activation]
    return nn.Sequential(mlp(sizes, activation), activation())


def linears(module: nn.Module) -> list[nn.Linear]:
    """The linear layers of a module, in order."""
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


class Critic(nn.Module):
    """Normalised values of features."""

    def __init__(self, features: int, config: PPOConfig) -> None:
        super().__init__()
        self.body = body_of((features, *config.hidden), config)
        self.value = NormalisedValue(config.hidden[-1])

    def raw(self, features: Tensor) -> Tensor:
        """Normalised values (..., 1) of features (..., F)."""
        normalised: Tensor = self.value.linear(self.body(features))
        return normalised

    def linears(self) -> list[nn.Linear]:
        """The layers of `raw`."""
        return [*linears(self.body), self.value.linear]


class PPOPolicy:
    """Samples (sample), or takes the most probable action (mean); what was chosen, and how probably, is stored."""

    def __init__(self, actor: Actor, generator: torch.Generator) -> None:
        self.actor, self.generator = actor, generator

    def initial_state(self, batch: int) -> Recurrent:
        """The memory before a first step."""
        return self.actor.memory.initial_state(batch)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """Actions, the memory after them; while sampling `choice`, `log_probability`, `version`, else what is shown."""
        given, allowed = self.actor.given(step.observation), self.actor.observations.allowed(step.observation)
        features, state = self.actor.features(given[None], step.is_first[None], state)
        head = self.actor.head
        parameters = head.distribution(self.actor.raw(features[0]), allowed)
        if mode == "mean":
            return head.action(head.mode(parameters)), state, head.shown(parameters)
        choice = head.sample(parameters, self.generator)
        extras = {"choice": choice, "log_probability": head.log_probability(parameters, choice)}
        return head.action(choice), state, extras | {"version": self.actor.version.expand(len(choice))}


@torch.no_grad()
def orthogonal(actor: Actor, critic: Critic, seed: int) -> None:
    """Orthogonal weights of gain sqrt 2, a hundredth for the policy's last layer, 1 for the value's; zero biases."""
    random = torch.Generator().manual_seed(seed)
    last = {actor.head.linear: 0.01, critic.value.linear: 1.0}
    for layer in [*actor.linears(), *critic.linears()]:
        nn.init.orthogonal_(layer.weight, last.get(layer, 2**0.5), generator=random)
        layer.bias.zero_()
