"""The networks of both walking policies and of their critic, as PPO's update takes them.

A policy turns what it is given into features, and these into the means of its actions; the features end with the
observation, of which the critic takes what only a simulation knows.
"""

import torch
from torch import Tensor, nn

from spreeze.algorithms._distributions import GaussianHead
from spreeze.algorithms._memory import memory_of
from spreeze.algorithms._networks import mlp
from spreeze.algorithms._normalisation import NormalisedValue, Normaliser
from spreeze.algorithms._observations import Observations
from spreeze.algorithms.heightmap.config import HeightmapConfig
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.algorithms.ppo.networks import body_of, linears
from spreeze.contract import Field, Recurrent

LEVEL = -1.0
"""A map's cell on level ground, about [m]."""
KNOWN = ("state", "clean_map", "privileged", "collision", "motion")
"""What the critic is given."""


class WalkingActor(nn.Module):
    """What the blind policy and the modulator have in common. Inputs (L, B, ...), flags (L, B) bool."""

    version: Tensor
    normalises = False

    def __init__(self, senses: Senses, config: HeightmapConfig, inputs: int, actions: int, log_std: float) -> None:
        super().__init__()
        self.senses = senses
        self.observations = Observations(Field((senses.observations,)), senses.observations)
        self.normaliser = Normaliser(senses.size("state"))
        self.memory = memory_of(inputs, config.memory)
        self.body = body_of((self.memory.features, *config.hidden), config.ppo())
        self.head = GaussianHead(config.hidden[-1], actions, log_std)
        self.register_buffer("version", torch.zeros(()))

    def given(self, stored: Tensor) -> Tensor:
        """What `features` takes: as it is stored."""
        return stored

    def see(self, observation: Tensor) -> None:
        """Let states of observations (R, O) enter the normalisation."""
        self.normaliser.see(self.senses.take(observation, "state"))

    def state(self, given: Tensor) -> Tensor:
        """The normalised state (..., X)."""
        normalised: Tensor = self.normaliser(self.senses.take(given, "state"))
        return normalised

    def linears(self) -> list[nn.Linear]:
        """The layers after the memory."""
        return [*linears(self.body), self.head.linear]


class BlindActor(WalkingActor):
    """Means of the motors' actions; is given the observation."""

    def __init__(self, senses: Senses, config: HeightmapConfig) -> None:
        super().__init__(senses, config, senses.size("state"), senses.motors, config.blind_log_std)

    def features(self, given: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """What the memory makes of the state, then what is given (L, B, F + O); the memory after it."""
        found, after = self.memory(self.state(given), is_first, state)
        return torch.cat((found, given), -1), after

    def raw(self, features: Tensor) -> Tensor:
        """Means (..., M)."""
        means: Tensor = self.head.linear(self.body(features[..., : self.memory.features]))
        return means

    def mirrored(self, given: Tensor) -> Tensor:
        """What is given with left and right exchanged."""
        return self.senses.mirrored(given)


class Modulator(WalkingActor):
    """Means of all actions: the blind policy's plus what it adds. Is given the blind action, then the observation."""

    def __init__(self, senses: Senses, config: HeightmapConfig) -> None:
        width, actions = config.features, senses.actions if config.learned_clock else senses.motors
        log_std = float(torch.tensor(config.modulator_std).log())
        super().__init__(senses, config, 2 * width + senses.motors, actions, log_std)
        self.vision = config.vision
        self.of_state = nn.Sequential(nn.Linear(senses.size("state"), width), nn.ReLU())
        self.of_map = nn.Sequential(mlp((senses.size("map"), 2 * width, width)), nn.ReLU())
        self.head.log_std.requires_grad_(False)

    def features(self, given: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """What the memory makes of state, map and blind action, then what is given; the memory after it."""
        ground = (self.senses.take(self._observed(given), "map") - LEVEL) * self.vision
        parts = (self.of_state(self.state(self._observed(given))), self.of_map(ground), self._blind(given))
        found, after = self.memory(torch.cat(parts, -1), is_first, state)
        return torch.cat((found, given), -1), after

    def raw(self, features: Tensor) -> Tensor:
        """Means (..., X): the blind action, zeros for the clock, and the modulation."""
        found, given = features[..., : self.memory.features], features[..., self.memory.features :]
        added: Tensor = self.head.linear(self.body(found))
        return self.senses.padded(self._blind(given))[..., : added.shape[-1]] + added

    def mirrored(self, given: Tensor) -> Tensor:
        """What is given with left and right exchanged."""
        blind = self.senses.mirrored_action(self._blind(given))
        return torch.cat((blind, self.senses.mirrored(self._observed(given))), -1)

    def _blind(self, given: Tensor) -> Tensor:
        return given[..., : self.senses.motors]

    def _observed(self, given: Tensor) -> Tensor:
        return given[..., self.senses.motors :]


class PrivilegedCritic(nn.Module):
    """Normalised values of what a simulation knows; takes the observation at the end of the policy's features."""

    def __init__(self, senses: Senses, config: HeightmapConfig) -> None:
        super().__init__()
        self.senses, inputs = senses, sum(senses.size(name) for name in KNOWN)
        self.normaliser = Normaliser(inputs)
        self.body = body_of((inputs, *config.hidden), config.ppo())
        self.value = NormalisedValue(config.hidden[-1])

    def raw(self, features: Tensor) -> Tensor:
        """Normalised values (..., 1) of features (..., F + O)."""
        known = self.senses.take(features[..., -self.senses.observations :], *KNOWN)
        normalised: Tensor = self.value.linear(self.body(self.normaliser(known)))
        return normalised

    def see(self, observation: Tensor) -> None:
        """Let observations (R, O) enter the normalisation."""
        self.normaliser.see(self.senses.take(observation, *KNOWN))

    def linears(self) -> list[nn.Linear]:
        """The layers of `raw`."""
        return [*linears(self.body), self.value.linear]
