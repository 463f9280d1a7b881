"""From drawn meta-episodes to rows: transitions, each with the belief of a prefix of its task."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from spreeze.algorithms._meta.config import MetaConfig
from spreeze.algorithms._meta.encoders import Encoder
from spreeze.algorithms._meta.episodes import Plan
from spreeze.contract import Draw

Batch = Mapping[str, Tensor]


class Rows(NamedTuple):
    """R transitions, the task each is of, and what is believed before and after one transition of that task."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    task: Tensor
    """(R,) int64."""
    belief: Tensor
    """(R, 2Z), with its graph."""
    after: Tensor
    """(R, 2Z), one transition of the context later, without graph."""


class Pairing:
    """Draws pairs of prefix and transition from segments that are grouped by task."""

    def __init__(self, plan: Plan, config: MetaConfig, rows: int, generator: torch.Generator) -> None:
        self.keys, self.each = config.tasks_per_update, config.segments_per_task
        self.draw = Draw("episodes", segments=self.keys * self.each, key="task", keys=self.keys)
        self.prefixes = max(1, rows // self.keys)
        self.generator, device = generator, generator.device
        explored = plan.rows(plan.explore)
        self.context = explored[: config.context_steps or len(explored)].to(device)
        self.transitions = plan.rows(plan.explore + plan.exploit).to(device)

    def tokens(self, batch: Batch) -> Tensor:
        """Transitions (L, K, 2O + A + 1) that explored each task, of its first segment, as the encoder takes them."""
        fields = (batch["observation"], batch["action"], batch["reward"][..., None], batch["next_observation"])
        return torch.cat([field[:, :: self.each][self.context] for field in fields], -1)

    def rows(self, batch: Batch, encoder: Encoder) -> tuple[Rows, Rows]:
        """Beliefs paired with random transitions of the same task, and with those of their own sequences."""
        beliefs = encoder.beliefs(self.tokens(batch))
        prefix = self._integers(len(self.context))
        task = torch.arange(self.keys, device=prefix.device).expand_as(prefix)
        first = task * self.each
        row = self.transitions[self._integers(len(self.transitions))]
        known = beliefs[prefix, task].flatten(0, 1), beliefs.detach()[prefix + 1, task].flatten(0, 1)
        mixed = taken(batch, row, first + self._integers(self.each), *known)
        return mixed, taken(batch, self.context[prefix], first, *known)

    def _integers(self, high: int) -> Tensor:
        """(P, K)."""
        shape = self.prefixes, self.keys
        return torch.randint(high, shape, generator=self.generator, device=self.generator.device)


def taken(batch: Batch, row: Tensor, column: Tensor, belief: Tensor, after: Tensor) -> Rows:
    """The transitions at rows and columns (P, K), as (P K, ...)."""
    names = ("observation", "action", "reward", "next_observation")
    observation, action, reward, following = (batch[name][row, column].flatten(0, 1) for name in names)
    return Rows(observation, action, reward, following, batch["task"][column].flatten(), belief, after)
