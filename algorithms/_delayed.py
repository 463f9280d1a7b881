"""Critics, and policies that move less often than they, with targets for both: what TD3 and TD3+BC share.

Source: Fujimoto, van Hoof, Meger, arXiv 1802.09477, algorithm 1; equation numbers are that paper's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from spreeze.algorithms._deterministic import SmoothedValues
from spreeze.algorithms._gradients import CriticGradients
from spreeze.algorithms._networks import DeterministicActor, TwinCritic
from spreeze.algorithms._training import adam, load_part_state, part_state, polyak, td_target
from spreeze.algorithms._workers import threads_for_shares
from spreeze.contract import Draw, Metrics
from spreeze.errors import UsageError

Batch = Mapping[str, Tensor]
Module = TypeVar("Module", bound=nn.Module)
UPDATES = "updates"
"""The name under which a part's state keeps how many updates it has made."""


class DelayedConfig(Protocol):
    """Options of critics whose policy and targets move less often than they."""

    @property
    def policy_noise(self) -> float:
        """Standard deviation of the noise on target actions."""

    @property
    def noise_clip(self) -> float:
        """Largest noise on a target action."""

    @property
    def policy_delay(self) -> int:
        """Updates of the critics per update of the policy and of all targets."""

    @property
    def learning_rate(self) -> float:
        """Step size of Adam."""

    @property
    def discount(self) -> float:
        """Discount factor gamma."""

    @property
    def polyak_rate(self) -> float:
        """Share of a network that enters its target, tau."""


def check_delayed(config: DelayedConfig) -> None:
    """Raise UsageError if an option makes no sense."""
    if config.policy_delay < 1:
        raise UsageError(f"--policy-delay {config.policy_delay}: at least 1 is needed")
    for name in ("policy_noise", "noise_clip"):
        if getattr(config, name) < 0:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(config, name):g}: at least 0 is needed")


@dataclass
class Networks:
    """What the two parts of one learner share."""

    actor: DeterministicActor
    target_actor: DeterministicActor
    critic: TwinCritic
    target: TwinCritic

    @classmethod
    def of(cls, actor: DeterministicActor, critic: TwinCritic) -> "Networks":
        """With targets that are equal at first."""
        return cls(actor, targeted(actor), critic, targeted(critic))

    def on(self, device: torch.device) -> "Networks":
        """Copies on `device`; the learner's exchange keeps what is read fresh."""
        return Networks(*(deepcopy(network).to(device) for network in vars(self).values()))


def targeted(module: Module) -> Module:
    """A copy of `module` that follows it without gradients."""
    return deepcopy(module).requires_grad_(False)


class CriticPart:
    """Moves both critics towards the smoothed Bellman target; every `policy_delay` updates, their targets follow."""

    def __init__(
        self, networks: Networks, config: DelayedConfig, draws: Mapping[str, Draw], seed: int, dtype: torch.dtype
    ) -> None:
        [self.name], self.draws = draws, draws
        self.owns: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.reads: Mapping[str, nn.Module] = {"target_actor": networks.target_actor}
        self.networks, self.config = networks, config
        self.optimizer = adam(networks.critic.parameters(), config.learning_rate)
        self.values = SmoothedValues(networks.target_actor, networks.target, dtype)
        self.gradients = CriticGradients(networks.critic, dtype)
        self.generator = torch.Generator(networks.critic.weights[0].device).manual_seed(seed)
        self.updates = 0
        self.finished = False

    def noise(self, action: Tensor) -> Tensor:
        """clip(N(0, policy_noise), -c, c) for actions (B, A)."""
        drawn = torch.randn(action.shape, generator=self.generator, device=action.device)
        return drawn.mul_(self.config.policy_noise).clamp_(-self.config.noise_clip, self.config.noise_clip)

    def target(self, batch: Batch) -> Tensor:
        """y = r + gamma (1 - terminated) min_i Q'_i(s', clip(pi'(s') + noise, -1, 1)), shape (B,) (equation 14)."""
        values = self.values(batch["next_observation"], self.noise(batch["action"]))
        return td_target(batch["reward"], batch["terminated"], values, self.config.discount)

    @threads_for_shares()
    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step of the critics down their mean squared distances to the target."""
        batch = batches[self.name]
        seen = self.networks.target_actor.normalised(batch["observation"])
        values, loss = self.gradients(seen, batch["action"], self.target(batch))
        self.optimizer.step()
        self.updates += 1
        if self.updates % self.config.policy_delay == 0:
            polyak(self.networks.target, self.networks.critic, self.config.polyak_rate)
        return {"loss/critic": loss, "value/mean": values.mean()}

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Nothing: the policy needs no critic."""
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """Critics, targets, optimiser, generator and the number of updates."""
        own = part_state(self._modules(), {"optimizer": self.optimizer}, self.generator)
        return own | {UPDATES: torch.tensor(self.updates)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self._modules(), {"optimizer": self.optimizer}, self.generator)
        self.updates = int(state[UPDATES])

    def _modules(self) -> dict[str, nn.Module]:
        return {"critic": self.networks.critic, "target": self.networks.target}


class DelayedActorPart(ABC):
    """Moves a policy, and then its target, every `policy_delay` updates."""

    def __init__(self, networks: Networks, config: DelayedConfig, draws: Mapping[str, Draw]) -> None:
        [self.name], self.draws = draws, draws
        self.owns: Mapping[str, nn.Module] = {"actor": networks.actor, "target_actor": networks.target_actor}
        self.reads: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.networks, self.config = networks, config
        self.optimizer = adam(networks.actor.parameters(), config.learning_rate)
        self.updates = 0
        self.finished = False

    @abstractmethod
    def descend(self, batch: Batch) -> Metrics:
        """Leave the gradients of the policy's loss in its parameters."""

    @threads_for_shares()
    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """Every `policy_delay` updates, one step of the policy and of its target."""
        self.updates += 1
        if self.updates % self.config.policy_delay:
            return {}
        metrics = self.descend(batches[self.name])
        self.optimizer.step()
        polyak(self.networks.target_actor, self.networks.actor, self.config.polyak_rate)
        return metrics

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The actor, normalisation included."""
        return {"policy": self.networks.actor.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """Actor, target, optimiser and the number of updates; nothing is drawn at random."""
        return part_state(self.owns, {"optimizer": self.optimizer}) | {UPDATES: torch.tensor(self.updates)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self.owns, {"optimizer": self.optimizer})
        self.updates = int(state[UPDATES])
