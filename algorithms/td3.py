"""Twin delayed deterministic policy gradients (TD3).

Source: Fujimoto, van Hoof, Meger, Addressing Function Approximation Error in Actor-Critic Methods, arXiv 1802.09477,
algorithm 1; equation numbers are that paper's. Without the orchestrator:

    parts = learner(spec, TD3Config(), LearnerSetup({"*": torch.device("cpu")}, seed=0, inherited={}))
    for batch in batches:                          # observation, action, reward, terminated, next_observation
        for part in parts.values():
            part.update({"replay": batch})
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spreeze.algorithms._delayed import CriticPart, DelayedActorPart, DelayedConfig, Networks, check_delayed
from spreeze.algorithms._deterministic import PolicyGradients
from spreeze.algorithms._networks import DeterministicActor, TwinCritic
from spreeze.algorithms._passes import Precision, hidden_dtype
from spreeze.algorithms.sac import Shape
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
from spreeze.errors import UsageError

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class TD3Config:
    """Options of TD3."""

    learning_rate: float = 1e-3
    """Step size of both Adam optimisers (paper: 1e-3)."""
    discount: float = 0.99
    """Discount factor gamma (paper: 0.99)."""
    polyak_rate: float = 0.01
    """Share of a network that enters its target, tau (paper: 0.005, at one environment step per update)."""
    exploration_noise: float = 0.1
    """Standard deviation of the noise on actions while collecting, in half the action range (paper: 0.1)."""
    policy_noise: float = 0.2
    """Standard deviation of the noise on target actions (paper: 0.2)."""
    noise_clip: float = 0.5
    """Largest noise on a target action (paper: 0.5)."""
    policy_delay: int = 2
    """Updates of the critics per update of the policy and of all targets (paper: 2)."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the hidden layers of actor and critics (paper: 400, 300)."""
    warmup: int = 10_000
    """Environment steps with uniformly random actions before the first update (paper: 10,000)."""
    precision: Precision = "auto"
    """Of products between hidden layers; auto: bfloat16 on processors that multiply it faster than float32."""
    capacity: int = 1_000_000
    """Transitions that the replay store holds (paper: all of 1e6 steps)."""
    until: int = 1_000_000
    """Environment steps of a run without --steps (paper: 1e6)."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        check_delayed(self)
        if self.exploration_noise < 0:
            raise UsageError(f"--exploration-noise {self.exploration_noise:g}: at least 0 is needed")


class TD3Policy:
    """Acts with the actor's network: with noise (explore), without (exploit), or uniformly (random)."""

    def __init__(self, actor: DeterministicActor, generator: torch.Generator, noise: float) -> None:
        self.actor, self.generator, self.noise = actor, generator, noise

    def initial_state(self, batch: int) -> Recurrent:
        """Nothing: the policy is memoryless."""
        return ()

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """clip(pi(s) + noise, -1, 1)."""
        if mode == "random":
            return 2 * torch.rand(step.previous_action.shape, generator=self.generator) - 1, state, {}
        action = self.actor(step.observation)
        if mode == "explore":
            action = (action + self.noise * torch.randn(action.shape, generator=self.generator)).clamp_(-1, 1)
        return action, state, {}


class ActorPart(DelayedActorPart):
    """Moves the policy towards larger values of the first critic."""

    def __init__(
        self, networks: Networks, config: DelayedConfig, draws: Mapping[str, Draw], dtype: torch.dtype
    ) -> None:
        super().__init__(networks, config, draws)
        self.gradients = PolicyGradients(networks.actor, networks.critic, dtype)

    def descend(self, batch: Batch) -> Metrics:
        """The gradient of -E[Q_1(s, pi(s))] (algorithm 1)."""
        return {"loss/actor": self.gradients(batch["observation"])}


def learner(spec: EnvironmentSpec, config: TD3Config, setup: LearnerSetup, batch_size: int = 256) -> Mapping[str, Part]:
    """The critic part and the actor part, in this order; each on its device, sharing networks if that is the same."""
    shape, dtype, draws = Shape.of(spec, "TD3"), hidden_dtype(config.precision), {"replay": Draw("replay", batch_size)}
    critic_device, actor_device = setup.device("critic"), setup.device("actor")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        sizes = (shape.observations, shape.actions, config.hidden)
        networks = Networks.of(DeterministicActor(*sizes), TwinCritic(*sizes)).on(critic_device)
    shared = networks if critic_device == actor_device else networks.on(actor_device)
    return {
        "critic": CriticPart(networks, config, draws, setup.seed, dtype),
        "actor": ActorPart(shared, config, draws, dtype),
    }


def stages(spec: EnvironmentSpec, config: TD3Config, batch_size: int) -> Sequence[Stage]:
    """One stage: samplers fill a replay store, the learner draws from it at the chosen ratio."""
    shape = Shape.of(spec, "TD3")
    config.check()
    flat = {"observation": Field((shape.observations,)), "action": Field((shape.actions,))}
    sizes = (shape.observations, shape.actions, config.hidden)
    return [
        Stage(
            name="td3",
            stores={"replay": Store("replay", flat | {"reward": Field(), "terminated": Field()}, config.capacity)},
            bundles={"policy": lambda: DeterministicActor(*sizes)},
            make_policy=lambda modules, generator: TD3Policy(
                modules["policy"],  # type: ignore[arg-type]
                generator,
                config.exploration_noise,
            ),
            make_learner=lambda setup: learner(spec, config, setup, batch_size),
            pace=Pace(ratio=Range(16, 0.25, 1024)),
            warmup=config.warmup,
            delay=1,
            until=Until(env_steps=config.until),
        )
    ]


ALGORITHM = Algorithm(
    summary="Twin Delayed DDPG: off-policy, continuous actions, deterministic policy",
    source="Fujimoto et al. 2018, arXiv 1802.09477",
    config=TD3Config,
    stages=stages,
    critical_batch=256.0,
)
