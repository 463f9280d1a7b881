"""TD3+BC: twin delayed deterministic policy gradients whose policy also imitates the logged actions.

Source: Fujimoto and Gu, A Minimalist Approach to Offline Reinforcement Learning, arXiv 2106.06860; equation numbers are
that paper's. The critics are those of TD3 (Fujimoto, van Hoof, Meger, arXiv 1802.09477, algorithm 1). Without the
orchestrator:

    parts = learner(spec, TD3BCConfig(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))
    for batch in batches:                          # observation, action, reward, terminated, next_observation
        for part in parts.values():
            part.update({"logged": batch})
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from spreeze.algorithms._networks import DeterministicActor, TwinCritic
from spreeze.algorithms._training import (
    adam,
    episode_fields,
    load_part_state,
    logged_data,
    part_state,
    polyak,
    td_target,
)
from spreeze.algorithms.bc import imitation_loss, logged_stage, normalising_actor
from spreeze.algorithms.sac import Shape
from spreeze.contract import Algorithm, Draw, EnvironmentSpec, LearnerSetup, Metrics, Part, Stage
from spreeze.errors import UsageError

Batch = Mapping[str, Tensor]
Module = TypeVar("Module", bound=nn.Module)
UPDATES = "updates"
"""The name under which a part's state keeps how many updates it has made."""


@dataclass(frozen=True)
class TD3BCConfig:
    """Options of TD3+BC."""

    alpha: float = 2.5
    """Weight of the values against the imitation: 0 is behaviour cloning (paper: 2.5)."""
    policy_noise: float = 0.2
    """Standard deviation of the noise on target actions (paper: 0.2)."""
    noise_clip: float = 0.5
    """Largest noise on a target action (paper: 0.5)."""
    policy_delay: int = 2
    """Updates of the critics per update of the policy and of all targets (paper: 2)."""
    learning_rate: float = 3e-4
    """Step size of both Adam optimisers (paper: 3e-4)."""
    discount: float = 0.99
    """Discount factor gamma (paper: 0.99)."""
    polyak_rate: float = 0.005
    """Share of a network that enters its target, tau (paper: 0.005)."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers of actor and critics (paper: 256, 256)."""
    updates: int = 1_000_000
    """Updates of a run (paper: 1e6)."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        if self.policy_delay < 1:
            raise UsageError(f"--policy-delay {self.policy_delay}: at least 1 is needed")
        for name in ("alpha", "policy_noise", "noise_clip"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name):g}: at least 0 is needed")


@dataclass
class Networks:
    """What the two parts of one learner share."""

    actor: DeterministicActor
    target_actor: DeterministicActor
    critic: TwinCritic
    target: TwinCritic


class CriticPart:
    """Moves both critics towards the smoothed Bellman target."""

    def __init__(
        self, networks: Networks, config: TD3BCConfig, batch_size: int, device: torch.device, seed: int
    ) -> None:
        self.draws = {"logged": Draw("dataset", rows=batch_size)}
        self.owns: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.reads: Mapping[str, nn.Module] = {"target_actor": networks.target_actor}
        self.networks, self.config = networks, config
        self.optimizer = adam(networks.critic.parameters(), config.learning_rate)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.updates = 0
        self.finished = False

    def smoothed(self, action: Tensor) -> Tensor:
        """clip(a + clip(noise, -c, c), -1, 1) of target actions (B, A), with noise ~ N(0, policy_noise)."""
        noise = torch.randn(action.shape, generator=self.generator, device=action.device) * self.config.policy_noise
        return (action + noise.clamp_(-self.config.noise_clip, self.config.noise_clip)).clamp_(-1, 1)

    def target(self, batch: Batch) -> Tensor:
        """y = r + gamma (1 - terminated) min_i Q'_i(s', smoothed pi'(s')), shape (B,)."""
        nets = self.networks
        with torch.no_grad():
            action = self.smoothed(nets.target_actor(batch["next_observation"]))
            values = nets.target(nets.target_actor.normalised(batch["next_observation"]), action).amin(0)
            return td_target(batch["reward"], batch["terminated"], values, self.config.discount)

    def loss(self, batch: Batch, target: Tensor) -> tuple[Tensor, Metrics]:
        """The squared distance of each critic to `target` (B,), summed over critics, averaged over rows."""
        seen = self.networks.target_actor.normalised(batch["observation"])
        values = self.networks.critic(seen, batch["action"])
        loss = (values - target).square().mean(1).sum()
        return loss, {"loss/critic": loss.detach(), "value/mean": values.detach().mean()}

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step of the critics; every `policy_delay` updates, one of their targets."""
        batch = batches["logged"]
        loss, metrics = self.loss(batch, self.target(batch))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.updates += 1
        if self.updates % self.config.policy_delay == 0:
            polyak(self.networks.target, self.networks.critic, self.config.polyak_rate)
        return metrics

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


class ActorPart:
    """Moves the policy towards larger values and towards the logged actions, every `policy_delay` updates."""

    def __init__(self, networks: Networks, config: TD3BCConfig, batch_size: int) -> None:
        self.draws = {"logged": Draw("dataset", rows=batch_size)}
        self.owns: Mapping[str, nn.Module] = {"actor": networks.actor, "target_actor": networks.target_actor}
        self.reads: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.networks, self.config = networks, config
        self.optimizer = adam(networks.actor.parameters(), config.learning_rate)
        self.updates = 0
        self.finished = False

    def loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """E[-lambda Q_1(s, pi(s)) + (pi(s) - a)^2], lambda = alpha / E|Q_1(s, pi(s))| (equations 3 and 5)."""
        nets = self.networks
        action = nets.actor(batch["observation"])
        values = nets.critic(nets.actor.normalised(batch["observation"]), action, frozen=True, members=1)[0]
        weight = self.config.alpha / values.detach().abs().mean()
        distance = imitation_loss(action, batch["action"])
        loss = distance - weight * values.mean()
        metrics = {"loss/actor": loss, "policy/distance": distance, "policy/weight": weight}
        return loss, {name: value.detach() for name, value in metrics.items()}

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """Every `policy_delay` updates, one step of the policy and of its target."""
        self.updates += 1
        if self.updates % self.config.policy_delay:
            return {}
        loss, metrics = self.loss(batches["logged"])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
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


def learner(
    spec: EnvironmentSpec, config: TD3BCConfig, setup: LearnerSetup, batch_size: int = 256
) -> Mapping[str, Part]:
    """The critic part and the actor part, in this order; each on its device, sharing networks if that is the same."""
    shape = Shape.of(spec, "TD3+BC")
    critic_device, actor_device = setup.device("critic"), setup.device("actor")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        actor = normalising_actor(shape, config.hidden, logged_data(spec, "TD3+BC").episodes())
        critic = TwinCritic(shape.observations, shape.actions, config.hidden)
    networks = on_device(Networks(actor, targeted(actor), critic, targeted(critic)), critic_device)
    shared = networks if critic_device == actor_device else on_device(networks, actor_device)
    return {
        "critic": CriticPart(networks, config, batch_size, critic_device, setup.seed),
        "actor": ActorPart(shared, config, batch_size),
    }


def targeted(module: Module) -> Module:
    """A copy of `module` that follows it without gradients."""
    return deepcopy(module).requires_grad_(False)


def on_device(networks: Networks, device: torch.device) -> Networks:
    """Copies of the networks on `device`; the learner's exchange keeps what is read fresh."""
    return Networks(*(deepcopy(getattr(networks, f)).to(device) for f in Networks.__dataclass_fields__))


def stages(spec: EnvironmentSpec, config: TD3BCConfig, batch_size: int) -> Sequence[Stage]:
    """One stage that learns from the dataset."""
    shape, dataset = Shape.of(spec, "TD3+BC"), logged_data(spec, "TD3+BC")
    config.check()
    return [
        logged_stage(
            "td3_bc",
            shape,
            config.hidden,
            config.updates,
            lambda: episode_fields(dataset.episodes()),
            lambda setup: learner(spec, config, setup, batch_size),
        )
    ]


ALGORITHM = Algorithm(
    summary="TD3+BC: offline, continuous actions, policy gradient with imitation",
    source="Fujimoto and Gu 2021, arXiv 2106.06860",
    config=TD3BCConfig,
    stages=stages,
)
