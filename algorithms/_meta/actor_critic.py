"""Soft actor-critic's two steps for a policy that is told something beside the observation."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spreeze.algorithms._gradients import ActorGradients, CriticGradients
from spreeze.algorithms._inference import SampledValues
from spreeze.algorithms._meta.config import MetaConfig
from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic
from spreeze.algorithms._passes import hidden_dtype
from spreeze.algorithms._training import adam, polyak


class ActorCritic:
    """A policy over (s, what is known), its twin critics and their targets; the entropy's weight is fixed."""

    def __init__(self, inputs: int, actions: int, config: MetaConfig, generator: torch.Generator) -> None:
        device, dtype = generator.device, hidden_dtype(config.precision)
        self.actor = SquashedGaussianActor(inputs, actions, config.hidden).to(device)
        self.critic = TwinCritic(inputs, actions, config.hidden).to(device)
        self.target = TwinCritic(inputs, actions, config.hidden).to(device).requires_grad_(False)
        self.target.load_state_dict(self.critic.state_dict())
        self.config, self.generator = config, generator
        self.alpha = torch.tensor(config.temperature, device=device)
        self.actor_optimizer = adam(self.actor.parameters(), config.learning_rate)
        self.values = SampledValues(self.actor, self.target, dtype)
        self.actor_gradients = ActorGradients(self.actor, self.critic, dtype)
        self.critic_gradients = CriticGradients(self.critic, dtype)

    def backed_up(self, reward: Tensor, following: Tensor, action: Tensor) -> Tensor:
        """y = r + gamma (min_i Q'_i(s', a') - alpha log pi(a'|s')) (R,): only the clock ends an episode of a family."""
        least, log_density = self.values(following, self.noise_like(action))
        return reward + self.config.discount * (least - self.alpha * log_density)

    def noise_like(self, values: Tensor) -> Tensor:
        """Normal noise of that shape."""
        return torch.randn(values.shape, generator=self.generator, device=values.device)

    def improve(self, given: Tensor, action: Tensor) -> dict[str, Tensor]:
        """One step of the policy down E[alpha log pi - min_i Q_i]; of `action` (R, A), the shape counts alone."""
        loss, entropy = self.actor_gradients(given, self.noise_like(action), self.alpha)
        self.actor_optimizer.step()
        return {"loss": loss, "entropy": entropy}

    def follow(self) -> None:
        """Move the targets."""
        polyak(self.target, self.critic, self.config.polyak_rate)

    def modules(self, name: str) -> Mapping[str, nn.Module]:
        """All networks, by names that begin with `name`."""
        return {name: self.actor, f"{name}_critic": self.critic, f"{name}_target": self.target}
