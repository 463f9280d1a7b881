"""One update of PPO: advantages of segments, then epochs of clipped policy gradients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from spreeze.algorithms._advantages import advantages
from spreeze.algorithms._training import load_part_state, part_state
from spreeze.algorithms.ppo.config import PPOConfig
from spreeze.algorithms.ppo.native import TOLD, NativeMinibatches, fits
from spreeze.algorithms.ppo.networks import Actor, Critic
from spreeze.contract import Draw, Metrics, Recurrent

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Rollout:
    """Rows to learn from, (L, B, ...); of memoryless policies those that count, as (1, R, ...)."""

    given: Tensor
    """What the networks are given."""
    allowed: Tensor | None
    """Which actions are; None: all."""
    is_first: Tensor
    choice: Tensor
    log_probability: Tensor
    advantage: Tensor
    target: Tensor
    """Normalised."""
    valid: Tensor | None
    """Bool: whether a row counts; None: all do."""
    state: Recurrent

    @property
    def size(self) -> tuple[int, int]:
        """L and B."""
        return self.is_first.shape[0], self.is_first.shape[1]

    def columns(self, chosen: Tensor | slice) -> "Rollout":
        """Those of the second dimension that are chosen."""
        fields = {name: value for name, value in vars(self).items() if name != "state"}
        taken: dict[str, Any] = {n: None if v is None else v[:, chosen] for n, v in fields.items()}
        return Rollout(**taken, state=tuple(memory[chosen] for memory in self.state))

    def memoryless(self) -> "Rollout":
        """The rows that count, as columns of their own."""
        fields = {name: value for name, value in vars(self).items() if name not in ("valid", "state")}
        taken: dict[str, Any] = {n: None if v is None else v[self.valid][None] for n, v in fields.items()}
        return Rollout(**taken, valid=None, state=())

    def memoryless_fields(self) -> tuple[Tensor, ...]:
        """Of columns of one row: what is given (R, O), choices (R, ...), log-probabilities, advantages and targets."""
        fields = (self.given, self.choice, self.log_probability, self.advantage, self.target)
        return tuple(field[0] for field in fields)

    def counted(self, values: Tensor) -> Tensor:
        """Those (R,) of values (L, B) whose row counts."""
        return values.reshape(-1) if self.valid is None else values[self.valid]


class PPOPart:
    """Moves policy and value along the segments of all streams."""

    def __init__(self, actor: Actor, critic: Critic, config: PPOConfig, batch_size: int, seed: int) -> None:
        self.draws = {"segments": Draw("queue")}
        self.owns: Mapping[str, nn.Module] = {"actor": actor, "critic": critic}
        self.reads: Mapping[str, nn.Module] = {}
        self.actor, self.critic, self.config, self.batch_size = actor, critic, config, batch_size
        self.weights = [*actor.parameters(), *critic.parameters()]
        self.optimizer = torch.optim.Adam(self.weights, lr=config.learning_rate, eps=1e-5, fused=True)
        self.native = NativeMinibatches(actor, critic, self.optimizer, config) if fits(actor, critic, config) else None
        self.generator = torch.Generator().manual_seed(seed)
        self.taken = torch.zeros((), dtype=torch.int64)
        self.finished = False
        self.told: tuple[str, ...] = TOLD
        self.memories = int(bool(config.memory))

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """Epochs over one segment of every stream, then what was seen enters the normalisation."""
        batch = batches["segments"]
        self._anneal(batch["valid"])
        rollout, metrics = self.rollout(batch)
        told = self._descend(rollout)
        self.see(batch["observation"][batch["valid"].bool()])
        self.actor.version += 1
        return {**metrics, **told}

    def _anneal(self, valid: Tensor) -> None:
        """Set the step size for the rows taken so far, and count those of this update."""
        for group in self.optimizer.param_groups:
            group["lr"] = annealed(self.config.learning_rate, int(self.taken), self.config.anneal)
        self.taken += int(valid.sum())

    def see(self, stored: Tensor) -> None:
        """Let the stored observations (R, ...) of an update enter the normalisation."""
        if self.actor.normalises:
            self.actor.normaliser.see(self.actor.observations.seen(stored))

    @torch.no_grad()
    def rollout(self, batch: Batch) -> tuple[Rollout, Metrics]:
        """Advantages and targets of the rows of a batch; the moments of values follow the targets."""
        valid, scale, given = batch["valid"].bool(), self.critic.value, self.actor.given(batch["observation"])
        value, last = self._values(batch, given)
        ended = torch.logical_or(batch["terminated"], batch["truncated"]).float()
        reward, terminated, config = batch["reward"], batch["terminated"].float(), self.config
        advantage = advantages(reward, terminated, ended, value, last, config.discount, config.gae_decay)
        target = advantage + value
        scale.see(target[valid])
        unexplained = advantage[valid].var() / target[valid].var().clamp_min(1e-8)
        lag = (self.actor.version - batch["version"])[valid]
        told = {"value/mean": value[valid].mean(), "value/explained": 1 - unexplained, "policy/lag": lag.mean()}
        rows = Rollout(
            given=given,
            allowed=self.actor.observations.allowed(batch["observation"]),
            is_first=batch["is_first"],
            choice=batch["choice"],
            log_probability=batch["log_probability"],
            advantage=advantage,
            target=scale.normalised(target),
            valid=valid,
            state=self._memory_of(batch),
        )
        return rows if self.memories else rows.memoryless(), told

    def loss(self, rows: Rollout) -> tuple[Tensor, dict[str, Tensor]]:
        """-E[min(r A, clip(r) A)] (equation 7) + value_weight E[(V - target)^2] / 2 - entropy_weight E[entropy]."""
        features, _ = self.actor.features(rows.given, rows.is_first, rows.state)
        head, counted = self.actor.head, rows.counted
        parameters = head.distribution(self.actor.raw(features), rows.allowed)
        log_ratio = counted(head.log_probability(parameters, rows.choice) - rows.log_probability)
        policy = -clipped(log_ratio.exp(), normalised(counted(rows.advantage)), self.config.clip).mean()
        value = 0.5 * counted(self.critic.raw(features)[..., 0] - rows.target).square().mean()
        entropy = counted(head.entropy(parameters)).mean()
        loss = policy + self.config.value_weight * value - self.config.entropy_weight * entropy
        told = {"loss/actor": policy, "loss/critic": value, "policy/entropy": entropy}
        return loss, {name: one.detach() for name, one in told.items()} | moved(log_ratio.detach(), self.config.clip)

    def _descend(self, rollout: Rollout) -> dict[str, Tensor]:
        told: list[Tensor] = []
        if self.native is not None:
            self.native.begin(rollout.memoryless_fields())
        for _ in range(self.config.epochs):
            told += [self._step(rollout, chosen) for chosen in self._minibatches(rollout)]
            divergence = told[-1][self.told.index("policy/divergence")]
            if self.config.target_kl is not None and divergence > 1.5 * self.config.target_kl:
                break
        return dict(zip(self.told, torch.stack(told).mean(0), strict=True))

    def _step(self, rollout: Rollout, chosen: Tensor) -> Tensor:
        """Learn from the columns `chosen`; what is told of them, as `self.told` names it."""
        if self.native is not None:
            return self.native.learn(chosen)
        loss, told = self.loss(rollout.columns(chosen))
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, self.config.max_gradient_norm, foreach=True)
        self.optimizer.step()
        return torch.stack([told[name] for name in self.told])

    def _minibatches(self, rollout: Rollout) -> Iterator[Tensor]:
        """Columns in a new order, in parts of about `batch_size` rows that differ by at most one column."""
        length, columns = rollout.size
        order = torch.randperm(columns, generator=self.generator).to(rollout.is_first.device)
        count = max(round(length * columns / self.batch_size), 1)
        edges = [columns * part // count for part in range(count + 1)]
        return (order[begin:end] for begin, end in pairwise(edges) if begin < end)

    def _values(self, batch: Batch, given: Tensor) -> tuple[Tensor, Tensor]:
        """Of the rows (L, B), and of the states after the last ones (B,), in the units of the return."""
        features, memory = self.actor.features(given, batch["is_first"], self._memory_of(batch))
        after, never = self.actor.given(batch["next_observation"][-1:]), torch.zeros_like(batch["is_first"][:1])
        last, _ = self.actor.features(after, never, memory)
        scale = self.critic.value
        return scale.value(self.critic.raw(features)[..., 0]), scale.value(self.critic.raw(last[0])[..., 0])

    def _memory_of(self, batch: Batch) -> Recurrent:
        return tuple(batch[f"state{index}"] for index in range(self.memories))

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The actor, its normalisation included."""
        return {"policy": self.actor.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """Actor, critic, optimiser and generator."""
        return part_state(self.owns, {"optimizer": self.optimizer}, self.generator) | {"taken": self.taken}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned; those of versions without `taken` begin to anneal anew."""
        load_part_state(state, self.owns, {"optimizer": self.optimizer}, self.generator)
        self.taken = state.get("taken", self.taken).clone()


def annealing_steps(anneal: float, env_steps: int | None) -> float:
    """Environment steps that `anneal` asks for: up to 1, a share of `env_steps`, and none if that is unknown."""
    return anneal if anneal > 1 else anneal * (env_steps or 0)


def annealed(rate: float, taken: int, steps: float) -> float:
    """Step size after `taken` of `steps` environment steps: from `rate` linearly to a twentieth; steps 0: `rate`."""
    return rate * max(1 - taken / steps, 0.05) if steps else rate


def clipped(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """min(r A, clip(r, 1 - clip, 1 + clip) A), all (R,) (equation 7)."""
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def normalised(advantage: Tensor) -> Tensor:
    """Advantages (R,) less their mean, over their standard deviation."""
    return (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)


def moved(log_ratio: Tensor, clip: float) -> dict[str, Tensor]:
    """How far the policy is from the one that acted."""
    beyond = ((log_ratio.exp() - 1).abs() > clip).float()
    return {"policy/divergence": divergence(log_ratio), "policy/clipped": beyond.mean()}


def divergence(log_ratio: Tensor) -> Tensor:
    """E[r - 1 - log r] of r = p_new / p_old at actions of the old policy: an unbiased, positive estimate of its KL."""
    return (log_ratio.exp() - 1 - log_ratio).mean()
