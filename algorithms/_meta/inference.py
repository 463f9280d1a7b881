"""The exploiting policy and the encoder that learns from its critics."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spreeze.algorithms._meta.actor_critic import ActorCritic
from spreeze.algorithms._meta.batches import Rows
from spreeze.algorithms._meta.config import MetaConfig
from spreeze.algorithms._meta.encoders import ENCODERS, divergence, drawn
from spreeze.algorithms._training import adam
from spreeze.contract import Metrics


class Exploiting:
    """Encoder, exploiter and its critics. The encoder's gradient is that of the critics' error and of the KL alone."""

    def __init__(self, observations: int, actions: int, config: MetaConfig, generator: torch.Generator) -> None:
        self.config = config
        self.encoder = make_encoder(observations, actions, config).to(generator.device)
        self.learner = ActorCritic(observations + config.latent, actions, config, generator)
        parameters = [*self.learner.critic.parameters(), *self.encoder.parameters()]
        self.optimizer = adam(parameters, config.learning_rate)

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor, Metrics]:
        """E (Q_i(s, a, z) - y)^2 + kl_weight KL, with z drawn from the belief; z (R, Z) without graph; metrics."""
        learner = self.learner
        latent = drawn(rows.belief, learner.noise_like(rows.belief.chunk(2, -1)[0]))
        fixed = latent.detach()
        target = learner.backed_up(rows.reward, torch.cat((rows.next_observation, fixed), -1), rows.action)
        values = learner.critic(torch.cat((rows.observation, latent), -1), rows.action)
        error, kl = (values - target).square().mean(), divergence(rows.belief).mean()
        told = {"exploit/critic": error.detach(), "exploit/value": values.detach().mean(), "belief/kl": kl.detach()}
        return error + self.config.kl_weight * kl, fixed, told

    def update(self, rows: Rows) -> Metrics:
        """One step of critics and encoder, then of the exploiter."""
        loss, latent, told = self.loss(rows)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        moved = self.learner.improve(torch.cat((rows.observation, latent), -1), rows.action)
        self.learner.follow()
        return {**told, **{f"exploit/actor_{name}": value for name, value in moved.items()}}

    def modules(self) -> Mapping[str, nn.Module]:
        """All networks by name."""
        return {"encoder": self.encoder, **self.learner.modules("exploiter")}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Both, by name."""
        return {"exploit_optimizer": self.optimizer, "exploiter_optimizer": self.learner.actor_optimizer}


def make_encoder(observations: int, actions: int, config: MetaConfig) -> nn.Module:
    """The encoder that the options name, of tokens (s, a, r, s')."""
    return ENCODERS[config.encoder](2 * observations + actions + 1, config.latent, config.encoder_width)
