"""How a walking policy learns: PPO's update, with foot collisions charged and left and right made alike."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spreeze.algorithms.heightmap.config import HeightmapConfig
from spreeze.algorithms.heightmap.networks import BlindActor, Modulator, PrivilegedCritic
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.algorithms.ppo.learner import Batch, PPOPart, Rollout
from spreeze.algorithms.ppo.native import TOLD
from spreeze.contract import Metrics, Recurrent


class WalkingPart(PPOPart):
    """Moves a walking policy and its critic; publishes what is `frozen` as it is."""

    actor: BlindActor | Modulator  # type: ignore[assignment]
    critic: PrivilegedCritic  # type: ignore[assignment]

    def __init__(
        self,
        actor: BlindActor | Modulator,
        critic: PrivilegedCritic,
        config: HeightmapConfig,
        batch_size: int,
        seed: int,
        frozen: Mapping[str, nn.Module],
    ) -> None:
        super().__init__(actor, critic, config.ppo(), batch_size, seed)  # type: ignore[arg-type]
        self.senses, self.frozen = actor.senses, frozen
        self.penalty = config.collision_penalty * isinstance(actor, Modulator)
        self.mirror_weight = config.mirror_weight * (actor.senses.mirrors is not None)
        self.mirror_share, self.told = config.mirror_share, (*TOLD, "loss/mirror")

    def rollout(self, batch: Batch) -> tuple[Rollout, Metrics]:
        """PPO's, with foot collisions charged, and the blind action before the observation if it was stored."""
        told = dict(batch)
        struck = collided(self.senses, batch)
        told["reward"] = batch["reward"] - self.penalty * struck
        if "blind" in batch:
            told["observation"] = torch.cat((batch["blind"], batch["observation"]), -1)
            # Of the last observation there is no blind action yet; only the critic, which needs none, looks at it.
            told["next_observation"] = torch.cat((torch.zeros_like(batch["blind"]), batch["next_observation"]), -1)
            told["state0"] = batch["state1"]
        rollout, metrics = super().rollout(told)
        return rollout, {**metrics, "walk/foot_collisions": struck[batch["valid"].bool()].mean()}

    def see(self, stored: Tensor) -> None:
        """Let observations (R, O) enter the normalisation of policy and critic."""
        self.actor.see(stored)
        self.critic.see(stored)

    def loss(self, rows: Rollout) -> tuple[Tensor, dict[str, Tensor]]:
        """PPO's loss and `mirror_weight` times the mirror loss of some of the streams."""
        loss, told = super().loss(rows)
        mirror = loss.new_zeros(())
        if self.mirror_weight:
            some = slice(0, max(round(self.mirror_share * rows.size[1]), 1))
            mirror = mirror_loss(self.actor, rows.given[:, some], rows.is_first[:, some])
        return loss + self.mirror_weight * mirror, told | {"loss/mirror": mirror.detach()}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The policy, and what is frozen."""
        own = "modulator" if isinstance(self.actor, Modulator) else "blind"
        return {own: self.actor.state_dict()} | {name: module.state_dict() for name, module in self.frozen.items()}


def collided(senses: Senses, batch: Batch) -> Tensor:
    """1 where a toe struck a riser in the decision of a row (L, B): the next observation tells."""
    return senses.take(batch["next_observation"], "collision")[..., 0]


def mirror_loss(actor: BlindActor | Modulator, given: Tensor, is_first: Tensor) -> Tensor:
    """4 mean (pi(s) - M pi(M s))^2 of what is given (L, B, G), flags (L, B) [the authors' code].

    Both sides begin with an empty memory, because nobody knows what that of the mirrored past would be.
    """
    both, first = torch.cat((given, actor.mirrored(given)), 1), torch.cat((is_first, is_first), 1)
    empty: Recurrent = actor.memory.initial_state(both.shape[1])
    features, _ = actor.features(both, first, tuple(memory.to(given.device) for memory in empty))
    seen, mirrored = actor.raw(features).chunk(2, 1)
    return 4 * (seen - actor.senses.mirrored_action(mirrored)).square().mean()
