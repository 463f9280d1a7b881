"""The policy of a meta-episode: an encoder's belief, one policy that explores with it and one that exploits it."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from spreeze.algorithms._meta.encoders import Encoder, drawn
from spreeze.algorithms._networks import SquashedGaussianActor
from spreeze.contract import Modes, Recurrent, Step

MODES = Modes("random", "explore", "exploit")
"""As the framework knows; `probe` explores by the mean, `sample` exploits by a sample, `prior` with z ~ N(0, 1)."""
EXPLORING, STOCHASTIC = ("explore", "probe"), ("explore", "sample", "prior")


class MetaPolicy:
    """Acts on its belief. Memory: the encoder's, the observation before, and z, which an episode keeps.

    Without an `explorer`, the exploiter does both, with a z drawn from the belief for every episode.
    """

    def __init__(
        self,
        encoder: Encoder,
        exploiter: SquashedGaussianActor,
        explorer: SquashedGaussianActor | None,
        sizes: tuple[int, int, int],
        generator: torch.Generator,
        mean_latent: bool = True,
    ) -> None:
        self.encoder, self.exploiter, self.explorer = encoder, exploiter, explorer
        self.sizes, self.generator, self.mean_latent = sizes, generator, mean_latent

    def initial_state(self, batch: int) -> Recurrent:
        """Nothing is known."""
        observations, _, latent = self.sizes
        return *self.encoder.initial(batch), torch.zeros(batch, observations), torch.zeros(batch, latent)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """Take in the previous step, unless this is the first of an episode, for which z is settled; then choose."""
        first = step.is_first
        further = self.told(state, step.previous_action, step.previous_reward, step.observation)
        state = select(first, state, further)
        state = select(first, self.settled(state, mode), state)
        action = self.choice(step.observation, state, mode)
        return action, (*state[:-2], step.observation, state[-1]), {}

    def told(self, state: Recurrent, action: Tensor, reward: Tensor, after: Tensor) -> Recurrent:
        """The memory once the encoder has seen the transition that ends in `after` (B, O)."""
        *memory, before, latent = state
        token = torch.cat((before, action, reward[:, None], after), -1)
        return *self.encoder.advance(tuple(memory), token), after, latent

    def settled(self, state: Recurrent, mode: str) -> Recurrent:
        """The memory with a z for the episode that begins."""
        if mode == MODES.evaluate and self.mean_latent:
            return *state[:-1], drawn(self.belief(state), torch.zeros_like(state[-1]))
        noise = torch.randn(state[-1].shape, generator=self.generator)
        return *state[:-1], noise if mode == "prior" else drawn(self.belief(state), noise)

    def belief(self, state: Recurrent) -> Tensor:
        """(B, 2Z)."""
        return self.encoder.belief(state[:-2])

    def choice(self, observation: Tensor, state: Recurrent, mode: str) -> Tensor:
        """An action (B, A) for observations (B, O)."""
        if mode == "random":
            return 2 * torch.rand(len(observation), self.sizes[1], generator=self.generator) - 1
        actor, known = self.exploiter, state[-1]
        if self.explorer is not None and mode in EXPLORING:
            actor, known = self.explorer, self.belief(state)
        given = torch.cat((observation, known), -1)
        if mode in STOCHASTIC:
            return actor.sample(given, self.generator)[0]
        mean: Tensor = actor(given)[0]
        return torch.tanh(mean)


def select(where: Tensor, one: Recurrent, other: Recurrent) -> Recurrent:
    """Memories row by row: of `one` where (B,) is true, else of `other`."""
    return tuple(torch.where(where.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(one, other, strict=True))


def actor_of(module: object) -> SquashedGaussianActor:
    """A bundle as what it is."""
    return cast(SquashedGaussianActor, module)
