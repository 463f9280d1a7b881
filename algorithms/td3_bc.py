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
from dataclasses import dataclass

import torch
from torch import Tensor

from spreeze.algorithms._delayed import CriticPart, DelayedActorPart, Networks, check_delayed
from spreeze.algorithms._networks import TwinCritic
from spreeze.algorithms._training import episode_fields, logged_data
from spreeze.algorithms.bc import imitation_loss, logged_stage, normalising_actor
from spreeze.algorithms.sac import Shape
from spreeze.contract import Algorithm, Draw, EnvironmentSpec, LearnerSetup, Metrics, Part, Stage
from spreeze.errors import UsageError

Batch = Mapping[str, Tensor]


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
        check_delayed(self)
        if self.alpha < 0:
            raise UsageError(f"--alpha {self.alpha:g}: at least 0 is needed")


class ActorPart(DelayedActorPart):
    """Moves the policy towards larger values and towards the logged actions."""

    def __init__(self, networks: Networks, config: TD3BCConfig, draws: Mapping[str, Draw]) -> None:
        super().__init__(networks, config, draws)
        self.alpha = config.alpha

    def loss(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """E[-lambda Q_1(s, pi(s)) + (pi(s) - a)^2], lambda = alpha / E|Q_1(s, pi(s))| (equations 3 and 5)."""
        nets = self.networks
        action = nets.actor(batch["observation"])
        values = nets.critic(nets.actor.normalised(batch["observation"]), action, frozen=True, members=1)[0]
        weight = self.alpha / values.detach().abs().mean()
        distance = imitation_loss(action, batch["action"])
        loss = distance - weight * values.mean()
        metrics = {"loss/actor": loss, "policy/distance": distance, "policy/weight": weight}
        return loss, {name: value.detach() for name, value in metrics.items()}

    def descend(self, batch: Batch) -> Metrics:
        """The gradient of `loss`."""
        loss, metrics = self.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return metrics


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
    networks = Networks.of(actor, critic).on(critic_device)
    shared = networks if critic_device == actor_device else networks.on(actor_device)
    draws = {"logged": Draw("dataset", rows=batch_size)}
    return {
        "critic": CriticPart(networks, config, draws, setup.seed, torch.float32),
        "actor": ActorPart(shared, config, draws),
    }


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
