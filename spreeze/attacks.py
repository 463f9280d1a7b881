"""Attacks on what a policy observes: moved observations within a box around the truth, the worst of a few samples.

Source: the zero-order attacks of RORL (Yang et al. 2022, arXiv 2206.02829), as the authors of MICRO evaluate with them.
Legend: S samples of one observation, N environments, O observation, A action size, E critics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from spreeze.contract import Policy, Recurrent, Step
from spreeze.errors import UnknownName, UsageError


class Attackable(Policy, Protocol):
    """What a policy may offer beside `act`; an attack that needs a method serves the policies that have it."""

    def distribution(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each (B, A), of the Gaussian before the tanh, for observations (B, O)."""

    def value(self, observation: Tensor, action: Tensor) -> Tensor:
        """Values (E, B) of every critic for observations (B, O) and actions (B, A)."""


class Attack(NamedTuple):
    """How many moved observations are tried, and which of them is the worst."""

    samples: int
    unmoved: bool
    """Whether the true observation is tried too."""
    needs: str | None
    """The method that the policy must have."""
    harm: Callable[[Any, Step, Recurrent, str, Tensor], Tensor]
    """(policy, true step, memory, mode, tried (S, N, O)) -> (S, N); the greatest is taken."""


def no_preference(policy: Policy, step: Step, state: Recurrent, mode: str, tried: Tensor) -> Tensor:
    """Zeros (S, N): the first is as bad as any."""
    return torch.zeros(tried.shape[:2])


def divergence(policy: Attackable, step: Step, state: Recurrent, mode: str, tried: Tensor) -> Tensor:
    """KL(pi(s) | pi(s')) + KL(pi(s') | pi(s)) of the Gaussians before the tanh, (S, N)."""
    mean, log_std = (part.view(*tried.shape[:2], -1) for part in policy.distribution(tried.flatten(0, 1)))  # (S, N, A)
    return symmetric_kl(policy.distribution(step.observation), (mean, log_std))


def lost_value(policy: Attackable, step: Step, state: Recurrent, mode: str, tried: Tensor) -> Tensor:
    """-min_i Q_i(s, pi(s')), (S, N): the action is chosen at s' and judged at the true s."""

    def repeated(tensor: Tensor) -> Tensor:
        return tensor.expand(len(tried), *tensor.shape).flatten(0, 1)

    seen = Step(tried.flatten(0, 1), *map(repeated, step[1:]))
    action = policy.act(seen, tuple(map(repeated, state)), mode)[0]
    values = policy.value(repeated(step.observation), action)  # (E, S N)
    return -values.amin(0).view(tried.shape[:2])


def symmetric_kl(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """KL(p | q) + KL(q | p) of diagonal Gaussians given as mean and log standard deviation, summed over the last axis.

    (exp(2 (log s_p - log s_q)) + exp(2 (log s_q - log s_p)) - 2 + (m_p - m_q)^2 (1 / s_p^2 + 1 / s_q^2)) / 2
    """
    (mean_p, log_p), (mean_q, log_q) = first, second
    shape = torch.cosh(2 * (log_p - log_q)) - 1
    shift = 0.5 * (mean_p - mean_q).square() * (torch.exp(-2 * log_p) + torch.exp(-2 * log_q))
    return (shape + shift).sum(-1)


ATTACKS: Mapping[str, Attack] = {
    "random": Attack(1, False, None, no_preference),
    "action-diff": Attack(50, False, "distribution", divergence),
    "min-q": Attack(50, True, "value", lost_value),
}
"""random: any; action-diff: where the policy differs most; min-q: where its action is worth least."""


def find_attack(name: str) -> Attack:
    """The attack called `name`; raises `UnknownName`."""
    if name not in ATTACKS:
        raise UnknownName("attack", name, ATTACKS)
    return ATTACKS[name]


def check_served(policy: Policy, name: str, algorithm: str) -> None:
    """Raise UsageError unless `policy`, of that algorithm, has what the attack needs."""
    needs = find_attack(name).needs
    if needs is not None and not hasattr(policy, needs):
        served = ", ".join(known for known, a in ATTACKS.items() if a.needs is None or hasattr(policy, a.needs))
        missing = f"a policy with the method `{needs}`, which that of {algorithm} lacks"
        raise UsageError(f"--attack {name} needs {missing}; {algorithm} serves: {served}")


class Perturbed:
    """A policy that an attack shows s' = s + delta in place of s; |delta| <= radius * std in every dimension.

    What else the policy offers passes through. `acts` counts how often it was asked.
    """

    def __init__(self, policy: Policy, attack: str, radius: float, std: Tensor, generator: torch.Generator) -> None:
        """`std` has the shape of one observation."""
        self.policy, self.attack, self.generator = policy, find_attack(attack), generator
        self.reach = radius * std
        self.acts = 0

    def initial_state(self, batch: int) -> Recurrent:
        """The memory of the policy."""
        return self.policy.initial_state(batch)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """What the policy does where it sees the worst of the samples."""
        self.acts += 1
        return self.policy.act(step._replace(observation=self.seen(step, state, mode)), state, mode)

    def seen(self, step: Step, state: Recurrent, mode: str) -> Tensor:
        """The observations (N, O) that the policy is shown; the true ones where nothing may be moved."""
        if not self.reach.any():
            return step.observation
        samples, rows = self.attack.samples, len(step.observation)
        uniform = torch.rand((samples, *step.observation.shape), generator=self.generator)
        tried = step.observation + (2 * uniform - 1) * self.reach
        if self.attack.unmoved:
            tried = torch.cat((step.observation[None], tried))
        worst = self.attack.harm(self.policy, step, state, mode, tried).argmax(0)
        return tried[worst, torch.arange(rows)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)
