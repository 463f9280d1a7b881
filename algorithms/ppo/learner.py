"""One update of PPO: advantages of segments, then epochs of clipped policy gradients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spreeze.algorithms._advantages import advantages
from spreeze.algorithms._training import load_part_state, part_state
from spreeze.algorithms.ppo.config import PPOConfig
from spreeze.algorithms.ppo.networks import Actor, Critic
from spreeze.contract import Draw, Metrics, Recurrent

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Rollout:
    """Rows to learn from, (L, B, ...); of memoryless policies those that count, as (1, R, ...)."""

    observation: Tensor
    is_first: Tensor
    choice: Tensor
    log_probability: Tensor
    advantage: Tensor
    target: Tensor
    """Normalised."""
    valid: Tensor
    """Bool: whether a row counts."""
    state: Recurrent

    def columns(self, chosen: Tensor) -> "Rollout":
        """Those of the second dimension that are chosen."""
        fields = {name: value[:, chosen] for name, value in vars(self).items() if name != "state"}
        return Rollout(**fields, state=tuple(memory[chosen] for memory in self.state))


class PPOPart:
    """Moves policy and value along the segments of all streams."""

    def __init__(self, actor: Actor, critic: Critic, config: PPOConfig, batch_size: int, seed: int) -> None:
        self.draws = {"segments": Draw("queue")}
        self.owns: Mapping[str, nn.Module] = {"actor": actor, "critic": critic}
        self.reads: Mapping[str, nn.Module] = {}
        self.actor, self.critic, self.config, self.batch_size = actor, critic, config, batch_size
        self.weights = [*actor.parameters(), *critic.parameters()]
        self.optimizer = torch.optim.Adam(self.weights, lr=config.learning_rate, eps=1e-5, fused=True)
        self.generator = torch.Generator().manual_seed(seed)
        self.finished = False

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """Epochs over one segment of every stream, then what was seen enters the normalisation."""
        batch = batches["segments"]
        rollout, metrics = self.rollout(batch)
        told = self._descend(rollout)
        seen = self.actor.observations.seen(batch["observation"])
        if self.actor.normalises:
            self.actor.normaliser.see(seen[batch["valid"].bool()])
        self.actor.version += 1
        return {**metrics, **told}

    @torch.no_grad()
    def rollout(self, batch: Batch) -> tuple[Rollout, Metrics]:
        """Advantages and targets of the rows of a batch; the moments of values follow the targets."""
        valid, scale = batch["valid"].bool(), self.critic.value
        value, last = self._values(batch)
        ended = torch.logical_or(batch["terminated"], batch["truncated"]).float()
        reward, terminated, config = batch["reward"], batch["terminated"].float(), self.config
        advantage = advantages(reward, terminated, ended, value, last, config.discount, config.gae_decay)
        target = advantage + value
        scale.see(target[valid])
        unexplained = advantage[valid].var() / target[valid].var().clamp_min(1e-8)
        lag = (self.actor.version - batch["version"])[valid]
        told = {"value/mean": value[valid].mean(), "value/explained": 1 - unexplained, "policy/lag": lag.mean()}
        fields = {name: batch[name] for name in ("observation", "is_first", "choice", "log_probability")}
        fields |= {"advantage": advantage, "target": scale.normalised(target), "valid": valid}
        if self._memory:
            return Rollout(**fields, state=self._memory_of(batch)), told
        rows = {name: value[valid][None] for name, value in fields.items()}
        return Rollout(**rows, state=()), told

    def loss(self, rows: Rollout) -> tuple[Tensor, dict[str, Tensor]]:
        """-E[min(r A, clip(r) A)] (equation 7) + value_weight E[(V - target)^2] / 2 - entropy_weight E[entropy]."""
        features, _ = self.actor.features(rows.observation, rows.is_first, rows.state)
        parameters, valid, head = self.actor(features, rows.observation), rows.valid, self.actor.head
        log_ratio = (head.log_probability(parameters, rows.choice) - rows.log_probability)[valid]
        policy = -clipped(log_ratio.exp(), normalised(rows.advantage[valid]), self.config.clip).mean()
        value = 0.5 * (self.critic(features) - rows.target)[valid].square().mean()
        entropy = head.entropy(parameters)[valid].mean()
        loss = policy + self.config.value_weight * value - self.config.entropy_weight * entropy
        with torch.no_grad():
            told = {
                "loss/actor": policy,
                "loss/critic": value,
                "policy/entropy": entropy,
                "policy/divergence": divergence(log_ratio),
                "policy/clipped": ((log_ratio.exp() - 1).abs() > self.config.clip).float().mean(),
            }
        return loss, {name: one.detach() for name, one in told.items()}

    def _descend(self, rollout: Rollout) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        steps = 0
        for _ in range(self.config.epochs):
            for chosen in self._minibatches(rollout):
                loss, told = self.loss(rollout.columns(chosen))
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.weights, self.config.max_gradient_norm, foreach=True)
                self.optimizer.step()
                sums, steps = {name: sums.get(name, 0) + one for name, one in told.items()}, steps + 1
            if self.config.target_kl is not None and told["policy/divergence"] > 1.5 * self.config.target_kl:
                break
        return {name: one / steps for name, one in sums.items()}

    def _minibatches(self, rollout: Rollout) -> Iterator[Tensor]:
        """Columns in a new order, in parts of about `batch_size` rows that differ by at most one column."""
        columns = rollout.valid.shape[1]
        order = torch.randperm(columns, generator=self.generator).to(rollout.valid.device)
        return iter(order.tensor_split(max(round(rollout.valid.numel() / self.batch_size), 1)))

    def _values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of the rows (L, B), and of the states after the last ones (B,), in the units of the return."""
        features, memory = self.actor.features(batch["observation"], batch["is_first"], self._memory_of(batch))
        after = batch["next_observation"][-1:]
        never = torch.zeros_like(batch["is_first"][:1])
        last, _ = self.actor.features(after, never, memory)
        scale = self.critic.value
        return scale.value(self.critic(features)), scale.value(self.critic(last[0]))

    @property
    def _memory(self) -> bool:
        return bool(self.config.memory)

    def _memory_of(self, batch: Batch) -> Recurrent:
        return (batch["state0"],) if self._memory else ()

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The actor, its normalisation included."""
        return {"policy": self.actor.state_dict()}

    def state(self) -> Mapping[str, Tensor]:
        """Actor, critic, optimiser and generator."""
        return part_state(self.owns, {"optimizer": self.optimizer}, self.generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self.owns, {"optimizer": self.optimizer}, self.generator)


def clipped(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """min(r A, clip(r, 1 - clip, 1 + clip) A), all (R,) (equation 7)."""
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def normalised(advantage: Tensor) -> Tensor:
    """Advantages (R,) less their mean, over their standard deviation."""
    return (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)


def divergence(log_ratio: Tensor) -> Tensor:
    """E[r - 1 - log r] of r = p_new / p_old at actions of the old policy: an unbiased, positive estimate of its KL."""
    return (log_ratio.exp() - 1 - log_ratio).mean()
