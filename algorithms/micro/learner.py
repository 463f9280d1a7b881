"""Stage 2's learner: SAC on logged and imagined rows, with a penalised Bellman target."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spreeze.algorithms._gradients import ActorGradients, CriticGradients
from spreeze.algorithms._inference import SampledValues
from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic
from spreeze.algorithms._passes import hidden_dtype
from spreeze.algorithms._training import adam, load_part_state, part_state, polyak
from spreeze.algorithms._workers import threads_for_shares
from spreeze.algorithms.micro.config import ModelBasedConfig
from spreeze.algorithms.micro.ensemble import EliteModel
from spreeze.algorithms.micro.operator import conservative_target, elite_values, soft_value
from spreeze.algorithms.sac import Networks, SACPolicy, Temperature, copies
from spreeze.contract import Draw, LearnerSetup, Metrics, Part

Batch = Mapping[str, Tensor]
FIELDS = ("observation", "action", "reward", "terminated", "next_observation")
MAX_TEMPERATURE = 1.0
"""The temperature is held below (published)."""


@dataclass(frozen=True)
class Operator:
    """How a method is conservative in its Bellman target."""

    penalty: Callable[[Tensor], Tensor]
    """Values of the elites (M, B) -> penalty (B,)."""
    target: Callable[[Tensor, Tensor, Tensor, Tensor, float, float], Tensor]
    """(reward, terminated, value, penalty, beta, discount) -> target, all (B,)."""


PLAIN = Operator(torch.zeros_like, conservative_target)
"""SAC's own target: no penalty."""


def mixed(batches: Mapping[str, Batch]) -> Batch:
    """Logged rows, then imagined ones, as one batch; a method without a model has the former only."""
    if len(batches) == 1:
        return next(iter(batches.values()))
    return {name: torch.cat([batches[key][name] for key in ("logged", "imagined")]) for name in FIELDS}


def means_by_origin(batches: Mapping[str, Batch], values: Tensor, penalty: Tensor) -> dict[str, Tensor]:
    """Means of values (K, B) over logged and over imagined rows, and of the penalty (B,) over the latter."""
    found, begin = {}, 0
    for name in ("logged", "imagined"):
        end = begin + (len(batches[name]["reward"]) if name in batches else 0)
        if end > begin:
            found[f"value/{name}"] = values[:, begin:end].mean()
        begin = end
    if "imagined" in batches:
        found["penalty/mean"] = penalty[-len(batches["imagined"]["reward"]) :].mean()
    return found


class CriticPart:
    """Moves both critics towards the penalised soft Bellman target."""

    def __init__(
        self,
        networks: Networks,
        config: ModelBasedConfig,
        draws: Mapping[str, Draw],
        generator: torch.Generator,
        operator: Operator = PLAIN,
        model: EliteModel | None = None,
        termination: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.draws = draws
        self.owns: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.reads: Mapping[str, nn.Module] = {"actor": networks.actor, "temperature": networks.temperature}
        self.networks, self.config, self.generator = networks, config, generator
        self.operator, self.model, self.termination = operator, model, termination
        self.optimizer = adam(networks.critic.parameters(), config.critic_learning_rate)
        dtype = hidden_dtype(config.precision)
        self.values = SampledValues(networks.actor, networks.target, dtype)
        self.gradients = CriticGradients(networks.critic, dtype)
        self.finished = False

    def penalty(self, imagined: Batch) -> Tensor:
        """U (B,) of imagined rows."""
        assert self.model is not None, "only methods with a model have a penalty"
        config = self.config
        states = self.model.next_observations(
            imagined["observation"], imagined["action"], config.samples, self.generator, config.common_noise
        )
        flat = states.flatten(0, 2)
        noise = torch.randn(len(flat), imagined["action"].shape[1], generator=self.generator, device=flat.device)
        values = self.values(flat, noise, density=False)[0]
        if config.mask_ends and self.termination is not None:
            values = values * ~self.termination(flat)
        return self.operator.penalty(elite_values(values.view(states.shape[:3]), config.sample_reduction))

    @torch.no_grad()
    def target(self, batch: Batch, imagined: Batch | None) -> tuple[Tensor, Tensor]:
        """y (B,), and U of the imagined rows, which are the last of `batch`; logged rows have no penalty."""
        config, nets = self.config, self.networks
        noise = torch.randn(batch["action"].shape, generator=self.generator, device=batch["action"].device)
        least, log_density = self.values(batch["next_observation"], noise)
        value = soft_value(least[None], log_density, nets.temperature(), bool(config.deterministic_backup))
        penalty = torch.zeros_like(value)
        if imagined is not None and self.operator is not PLAIN and config.beta:
            penalty[-len(imagined["reward"]) :] = self.penalty(imagined)
        rows = batch["reward"], batch["terminated"], value, penalty
        y = self.operator.target(*rows, float(config.beta), config.discount)
        return (y if config.target_floor == "none" else y.clamp(min=float(config.target_floor))), penalty

    @threads_for_shares()
    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step of the critics, then of their targets."""
        batch = mixed(batches)
        target, penalty = self.target(batch, batches.get("imagined"))
        values, loss = self.gradients(batch["observation"], batch["action"], target)
        self.optimizer.step()
        polyak(self.networks.target, self.networks.critic, self.config.polyak_rate)
        return {"loss/critic": loss} | means_by_origin(batches, values, penalty)

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The critics, for attacks on the policy and for looking at."""
        return {"critic": self.networks.critic.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """Critics, targets, optimiser and generator."""
        return part_state(self._modules(), {"optimizer": self.optimizer}, self.generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self._modules(), {"optimizer": self.optimizer}, self.generator)

    def _modules(self) -> dict[str, nn.Module]:
        return {"critic": self.networks.critic, "target": self.networks.target}


class ActorPart:
    """Moves the policy towards the exponential of its values and, if asked, the temperature to the target entropy."""

    def __init__(
        self,
        networks: Networks,
        config: ModelBasedConfig,
        draws: Mapping[str, Draw],
        generator: torch.Generator,
        actions: int,
    ) -> None:
        self.draws = draws
        self.owns: Mapping[str, nn.Module] = {"actor": networks.actor, "temperature": networks.temperature}
        self.reads: Mapping[str, nn.Module] = {"critic": networks.critic}
        self.networks, self.config, self.generator = networks, config, generator
        self.target_entropy = -float(actions)
        self.optimizer = adam(networks.actor.parameters(), config.actor_learning_rate)
        self.temperature_optimizer = adam(networks.temperature.parameters(), config.temperature_learning_rate)
        self.gradients = ActorGradients(networks.actor, networks.critic, hidden_dtype(config.precision))
        self.updates, self.finished = 0, False

    @threads_for_shares()
    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step of policy and temperature."""
        batch = mixed(batches)
        noise = torch.randn(batch["action"].shape, generator=self.generator, device=batch["action"].device)
        loss, entropy = self.gradients(batch["observation"], noise, self.networks.temperature())
        self.optimizer.param_groups[0]["lr"] = self.learning_rate()
        self.optimizer.step()
        if self.config.automatic_temperature:
            self.move_temperature(entropy)
        self.updates += 1
        temperature = self.networks.temperature()
        return {"loss/actor": loss, "policy/entropy": entropy, "policy/temperature": temperature}

    def learning_rate(self) -> float:
        """Half a cosine from the configured step size to 0 over the stage."""
        progress = min(self.updates / self.config.updates, 1.0)
        return 0.5 * self.config.actor_learning_rate * (1 + math.cos(math.pi * progress))

    def move_temperature(self, entropy: Tensor) -> None:
        """One step of log alpha against (entropy - target), held below its maximum."""
        log_alpha = self.networks.temperature.log_alpha
        log_alpha.grad = entropy - self.target_entropy  # Of log_alpha (entropy - target).
        self.temperature_optimizer.step()
        log_alpha.data.clamp_(max=math.log(MAX_TEMPERATURE))

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The actor, for samplers and evaluator."""
        return {"policy": self.networks.actor.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """Actor, temperature, optimisers, generator and the number of updates."""
        return part_state(self.owns, self._optimizers(), self.generator) | {"updates": torch.tensor(self.updates)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self.owns, self._optimizers(), self.generator)
        self.updates = int(state["updates"])

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer": self.optimizer, "temperature optimizer": self.temperature_optimizer}


class OfflinePolicy(SACPolicy):
    """SAC's policy, which also knows the values of actions, for those who would attack it."""

    def __init__(self, actor: SquashedGaussianActor, critic: TwinCritic, generator: torch.Generator) -> None:
        super().__init__(actor, generator)
        self.critic = critic

    def value(self, observation: Tensor, action: Tensor) -> Tensor:
        """Both critics' values (2, B) of observations (B, O) and actions (B, A)."""
        values: Tensor = self.critic(observation, action)
        return values


def make_networks(
    observations: int, actions: int, config: ModelBasedConfig, seed: int, device: torch.device
) -> Networks:
    """Actor, temperature, critics and their targets, a function of the seed."""
    sizes = (observations, actions, config.hidden)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        actor, critic, target = SquashedGaussianActor(*sizes), TwinCritic(*sizes), TwinCritic(*sizes)
    target.load_state_dict(critic.state_dict())
    target.requires_grad_(False)
    networks = Networks(actor, Temperature(float(config.initial_temperature)), critic, target)
    for module in (actor, networks.temperature, critic, target):
        module.to(device)
    return networks


def make_parts(
    shape: tuple[int, int],
    config: ModelBasedConfig,
    draws: Mapping[str, Draw],
    setup: LearnerSetup,
    operator: Operator = PLAIN,
    model: EliteModel | None = None,
    termination: Callable[[Tensor], Tensor] | None = None,
) -> Mapping[str, Part]:
    """The critic part and the actor part, for observations and actions of `shape`; one set of networks per device."""
    devices = setup.device("critic"), setup.device("actor")
    networks = make_networks(*shape, config, setup.seed, devices[0])
    shared = networks if devices[0] == devices[1] else copies(networks, devices[1])
    first, second = (torch.Generator(d).manual_seed(2 * setup.seed + i) for i, d in enumerate(devices))
    model = model.to(devices[0]) if model is not None else None
    return {
        "critic": CriticPart(networks, config, draws, first, operator, model, termination),
        "actor": ActorPart(shared, config, draws, second, shape[1]),
    }
