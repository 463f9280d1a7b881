"""MICRO's conservative Bellman operator and those of its relatives: one function per equation of docs/micro.md.

Shapes: N samples, M elites, B rows.
"""

from typing import Literal

from torch import Tensor

from spreeze.algorithms._training import td_target


def elite_values(values: Tensor, reduction: Literal["mean", "min"] = "mean") -> Tensor:
    """q_i (M, B): the values (N, M, B) of the sampled next states, reduced over samples."""
    return values.mean(0) if reduction == "mean" else values.amin(0)


def worst_case_gap(q: Tensor) -> Tensor:
    """MICRO's U = mean_i q_i - min_i q_i, (M, B) -> (B,); so summed that it is never negative by rounding."""
    return (q - q.amin(0)).mean(0)


def disagreement(q: Tensor) -> Tensor:
    """MOBILE's U = std_i q_i (unbiased), (M, B) -> (B,)."""
    return q.std(0)


def largest_spread(std: Tensor) -> Tensor:
    """MOPO's u = max_j |sigma_j|_2 over members, (M, B, D) -> (B,)."""
    norms: Tensor = std.norm(dim=-1)
    return norms.amax(0)


def soft_value(values: Tensor, log_density: Tensor, temperature: Tensor, deterministic: bool) -> Tensor:
    """V(s') = min_k Q'_k(s', a') - alpha log pi(a'|s'), (K, B) -> (B,); without entropy if `deterministic`."""
    least = values.amin(0)
    return least if deterministic else least - temperature * log_density


def conservative_target(
    reward: Tensor, terminated: Tensor, value: Tensor, penalty: Tensor, beta: float, discount: float
) -> Tensor:
    """MICRO: r + gamma (1 - d) (V(s') - beta U), all (B,)."""
    return td_target(reward, terminated, value - beta * penalty, discount)


def penalised_reward_target(
    reward: Tensor, terminated: Tensor, value: Tensor, penalty: Tensor, beta: float, discount: float
) -> Tensor:
    """MOBILE: (r - beta U) + gamma (1 - d) V(s'), all (B,)."""
    return td_target(reward - beta * penalty, terminated, value, discount)
