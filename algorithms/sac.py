"""Soft Actor-Critic with twin critics and automatic temperature.

Source: Haarnoja et al., Soft Actor-Critic Algorithms and Applications, arXiv 1812.05905. Equation numbers are that
paper's. Without the orchestrator:

    parts = learner(spec, SACConfig(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))
    for batch in batches:                          # observation, action, reward, terminated, next_observation
        for part in parts.values():
            part.update({"replay": batch})
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from spreeze.algorithms._gradients import ActorGradients, CriticGradients
from spreeze.algorithms._inference import ActorOutputs, SampledValues
from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic
from spreeze.algorithms._passes import Head, Precision, hidden_dtype
from spreeze.algorithms._training import adam, load_part_state, part_state, polyak, td_target
from spreeze.algorithms._workers import threads_for_shares
from spreeze.contract import (
    Algorithm,
    Draw,
    EnvironmentSpec,
    Field,
    LearnerSetup,
    Metrics,
    Pace,
    Part,
    Range,
    Recurrent,
    Stage,
    Step,
    Store,
    Until,
)
from spreeze.errors import UnsupportedSpace

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class SACConfig:
    """Options of SAC."""

    learning_rate: float = 1e-3
    """Step size of the Adam optimisers (paper: 3e-4, at one environment step per update instead of about sixteen)."""
    discount: float = 0.99
    """Discount factor gamma (paper: 0.99)."""
    polyak_rate: float = 0.01
    """Share of the critic that enters its target at every update, tau (paper: 0.005)."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers of actor and critics (paper: 256, 256)."""
    target_entropy: float | None = None
    """Entropy that the temperature aims at [nat]; None: minus the number of action dimensions (paper)."""
    initial_temperature: float = 0.1
    """Temperature alpha at the first update; from 1, it takes thousands of updates to come down."""
    warmup: int = 2_000
    """Environment steps with uniformly random actions before the first update."""
    precision: Precision = "auto"
    """Of products between hidden layers; auto: bfloat16 on processors that multiply it faster than float32."""
    capacity: int = 1_000_000
    """Transitions that the replay store holds (paper: 1e6)."""
    until: int = 1_000_000
    """Environment steps of a run without --steps."""


class Temperature(nn.Module):
    """alpha = exp(log_alpha), the weight of the entropy in the objective."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.tensor(float(np.log(initial))))

    def forward(self) -> Tensor:
        """alpha, a positive scalar, without gradient."""
        return self.log_alpha.detach().exp()


class SACPolicy:
    """Acts with the actor's network; while exploring, with hidden layers multiplied in `dtype`."""

    def __init__(
        self, actor: SquashedGaussianActor, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> None:
        self.actor, self.generator, self.outputs = actor, generator, ActorOutputs(actor, dtype)

    def initial_state(self, batch: int) -> Recurrent:
        """Nothing: the policy is memoryless."""
        return ()

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """A sample of the policy (explore), the tanh of its mean (exploit) or of the uniform law (random)."""
        if mode == "exploit":
            return torch.tanh(self.actor(step.observation)[0]), state, {}
        if mode == "random":
            return 2 * torch.rand(step.previous_action.shape, generator=self.generator) - 1, state, {}
        noise = torch.randn(step.previous_action.shape, generator=self.generator)
        return Head(self.outputs(step.observation), noise).action, state, {}

    def distribution(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (B, A) of the Gaussian before the tanh, for observations (B, O)."""
        return self.actor.forward(observation)


@dataclass
class Networks:
    """What the two parts of one learner share."""

    actor: SquashedGaussianActor
    temperature: Temperature
    critic: TwinCritic
    target: TwinCritic


class CriticPart:
    """Moves both critics towards the soft Bellman target (equations 5 and 6)."""

    def __init__(self, networks: Networks, config: SACConfig, batch_size: int, device: torch.device, seed: int) -> None:
        self.draws = {"replay": Draw("replay", rows=batch_size)}
        self.owns: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.reads: Mapping[str, nn.Module] = {"actor": networks.actor, "temperature": networks.temperature}
        self.networks, self.config, dtype = networks, config, hidden_dtype(config.precision)
        self.optimizer = adam(networks.critic.parameters(), config.learning_rate)
        self.values = SampledValues(networks.actor, networks.target, dtype)
        self.gradients = CriticGradients(networks.critic, dtype)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.finished = False

    def target(self, batch: Batch) -> Tensor:
        """y = r + gamma (1 - terminated) (min_i Q'_i(s', a') - alpha log pi(a'|s')), a' ~ pi; shape (B,)."""
        noise = torch.randn(batch["action"].shape, generator=self.generator, device=batch["action"].device)
        least, log_density = self.values(batch["next_observation"], noise)
        soft = least - self.networks.temperature() * log_density
        return td_target(batch["reward"], batch["terminated"], soft, self.config.discount)

    @threads_for_shares()
    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step of the critics down half their mean squared distances to the target, then of their targets."""
        batch = batches["replay"]
        values, loss = self.gradients(batch["observation"], batch["action"], self.target(batch))
        self.optimizer.step()
        polyak(self.networks.target, self.networks.critic, self.config.polyak_rate)
        return {"loss/critic": loss, "value/mean": values.mean()}

    @property
    def graph_generators(self) -> Sequence[torch.Generator]:
        """What `update` draws from; see `Capturable`."""
        return [self.generator]

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Nothing: samplers need no critic."""
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """Critics, targets, optimiser and generator."""
        return part_state(self._modules(), {"optimizer": self.optimizer}, self.generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self._modules(), {"optimizer": self.optimizer}, self.generator)

    def _modules(self) -> dict[str, nn.Module]:
        return {"critic": self.networks.critic, "target": self.networks.target}


class ActorPart:
    """Moves the policy towards the exponential of its values, and the temperature towards the target entropy."""

    def __init__(
        self, networks: Networks, config: SACConfig, batch_size: int, device: torch.device, seed: int, actions: int
    ) -> None:
        self.draws = {"replay": Draw("replay", rows=batch_size)}
        self.owns: Mapping[str, nn.Module] = {"actor": networks.actor, "temperature": networks.temperature}
        self.reads: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.networks = networks
        self.target_entropy = -float(actions) if config.target_entropy is None else config.target_entropy
        self.optimizer = adam([*networks.actor.parameters(), *networks.temperature.parameters()], config.learning_rate)
        self.gradients = ActorGradients(networks.actor, networks.critic, hidden_dtype(config.precision))
        self.generator = torch.Generator(device).manual_seed(seed)
        self.finished = False

    @threads_for_shares()
    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step down E[alpha log pi - min_i Q_i] (equation 7) and the temperature's loss (equation 18)."""
        batch, temperature = batches["replay"], self.networks.temperature
        noise = torch.randn(batch["action"].shape, generator=self.generator, device=batch["action"].device)
        alpha = temperature()
        loss, entropy = self.gradients(batch["observation"], noise, alpha)
        temperature.log_alpha.grad = entropy - self.target_entropy  # Of log_alpha (entropy - target).
        self.optimizer.step()
        return {"loss/actor": loss, "policy/entropy": entropy, "policy/temperature": alpha}

    @property
    def graph_generators(self) -> Sequence[torch.Generator]:
        """What `update` draws from; see `Capturable`."""
        return [self.generator]

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The actor, for samplers and evaluator."""
        return {"policy": self.networks.actor.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """Actor, temperature, optimiser and generator."""
        return part_state(self.owns, {"optimizer": self.optimizer}, self.generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self.owns, {"optimizer": self.optimizer}, self.generator)


@dataclass(frozen=True)
class Shape:
    """Sizes O and A of flat observations and actions."""

    observations: int
    actions: int

    @classmethod
    def of(cls, spec: EnvironmentSpec, name: str = "SAC") -> "Shape":
        """Read them from the spaces, for the algorithm `name`.

        Raises:
            UnsupportedSpace: either is no one-dimensional Box, or the actions are unbounded.
        """
        for what, space in (("observations", spec.observation), ("actions", spec.action)):
            if not isinstance(space, Box) or len(space.shape) != 1:
                raise UnsupportedSpace(f"{name} needs {what} in a one-dimensional Box; this environment has {space}")
        if not isinstance(spec.action, Box) or not spec.action.is_bounded():
            raise UnsupportedSpace(f"{name} needs bounded actions; this environment has {spec.action}")
        return cls(int(np.prod(spec.observation.shape or ())), int(np.prod(spec.action.shape)))


def learner(spec: EnvironmentSpec, config: SACConfig, setup: LearnerSetup, batch_size: int = 256) -> Mapping[str, Part]:
    """The critic part and the actor part, in this order; each on its device, sharing networks if that is the same."""
    shape = Shape.of(spec)
    critic_device, actor_device = setup.device("critic"), setup.device("actor")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        sizes = (shape.observations, shape.actions, config.hidden)
        actor, critic, target = SquashedGaussianActor(*sizes), TwinCritic(*sizes), TwinCritic(*sizes)
    target.load_state_dict(critic.state_dict())
    target.requires_grad_(False)
    networks = Networks(actor, Temperature(config.initial_temperature), critic, target)
    for module in (actor, networks.temperature, critic, target):
        module.to(critic_device)
    shared = networks if critic_device == actor_device else copies(networks, actor_device)
    return {
        "critic": CriticPart(networks, config, batch_size, critic_device, 2 * setup.seed),
        "actor": ActorPart(shared, config, batch_size, actor_device, 2 * setup.seed + 1, shape.actions),
    }


def copies(networks: Networks, device: torch.device) -> Networks:
    """The same networks on another device; the learner's exchange keeps what is read fresh."""
    return Networks(*(deepcopy(getattr(networks, f)).to(device) for f in Networks.__dataclass_fields__))


def stages(spec: EnvironmentSpec, config: SACConfig, batch_size: int) -> Sequence[Stage]:
    """One stage: samplers fill a replay store, the learner draws from it at the chosen ratio."""
    shape, dtype = Shape.of(spec), hidden_dtype(config.precision)
    flat = {"observation": Field((shape.observations,)), "action": Field((shape.actions,))}
    return [
        Stage(
            name="sac",
            stores={"replay": Store("replay", flat | {"reward": Field(), "terminated": Field()}, config.capacity)},
            bundles={"policy": lambda: SquashedGaussianActor(shape.observations, shape.actions, config.hidden)},
            make_policy=lambda modules, generator: SACPolicy(modules["policy"], generator, dtype),  # type: ignore[arg-type]
            make_learner=lambda setup: learner(spec, config, setup, batch_size),
            pace=Pace(ratio=Range(16, 0.25, 1024)),
            warmup=config.warmup,
            delay=1,
            until=Until(env_steps=config.until),
        )
    ]


ALGORITHM = Algorithm(
    summary="Soft Actor-Critic: off-policy, continuous actions, maximum entropy",
    source="Haarnoja et al. 2018, arXiv 1812.05905",
    config=SACConfig,
    stages=stages,
    critical_batch=256.0,
)
