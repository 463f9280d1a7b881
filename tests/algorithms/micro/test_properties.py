"""Theorems on MICRO's operator, on random problems of six states, three actions and five elites.

Expectations are exact: the value of an elite is the expectation under its kernel, given as its only sample, and the
next value is that of an elite drawn at random, the mean over elites.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spreeze.algorithms.micro.ensemble import DynamicsEnsemble, EliteModel
from spreeze.algorithms.micro.operator import (
    conservative_target,
    disagreement,
    elite_values,
    soft_value,
    worst_case_gap,
)

STATES, ACTIONS, ELITES, DISCOUNT = 6, 3, 5, 0.9
EXACT = 1e-12
BETAS = (0.0, 0.1, 0.5, 1.0)

seeds = st.integers(0, 2**32 - 1)
betas = st.floats(0, 1)


@dataclass(frozen=True)
class Problem:
    """A reward (S, A), kernels of the elites (M, S, A, S), and a policy (S, A)."""

    reward: Tensor
    kernels: Tensor
    policy: Tensor

    @classmethod
    def random(cls, seed: int) -> "Problem":
        draw = np.random.default_rng(seed)
        kernels = draw.dirichlet(np.full(STATES, 0.3), (ELITES, STATES, ACTIONS))
        policy = draw.dirichlet(np.ones(ACTIONS), STATES)
        return cls(*map(torch.from_numpy, (draw.normal(size=(STATES, ACTIONS)), kernels, policy)))

    def elites(self, q: Tensor) -> Tensor:
        """q_i (M, S A) of an action value (S, A)."""
        value = (self.policy * q).sum(1)
        return elite_values((self.kernels @ value).view(1, len(self.kernels), -1))

    def backup(self, q: Tensor, beta: float, floor: float | None = None) -> Tensor:
        """T_beta Q (S, A)."""
        each, nothing = self.elites(q), torch.zeros(q.numel(), dtype=torch.float64)
        value = soft_value(each.mean(0)[None], nothing, torch.tensor(0.0), deterministic=True)
        y = conservative_target(self.reward.flatten(), nothing, value, worst_case_gap(each), beta, DISCOUNT)
        return (y if floor is None else y.clamp(min=floor)).view_as(q)

    def fixed_point(self, beta: float) -> Tensor:
        q = torch.zeros_like(self.reward)
        for _ in range(500):
            q = self.backup(q, beta)
        return q

    def values_under(self, elite: int) -> Tensor:
        """Q of the policy (S, A) in the problem whose kernel is this elite's: (I - gamma P pi)^-1 r."""
        kernel = self.kernels[elite].flatten(0, 1)  # (S A, S)
        step = (kernel[:, :, None] * self.policy[None]).flatten(1)
        values: Tensor = torch.linalg.solve(torch.eye(len(step)) - DISCOUNT * step, self.reward.flatten())
        return values.view_as(self.reward)


def action_values(seed: int, scale: float = 5.0) -> Tensor:
    return torch.from_numpy(scale * np.random.default_rng([seed, 1]).normal(size=(STATES, ACTIONS)))


def distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


@given(seeds, seeds, seeds, betas, st.sampled_from([None, -1.0, 0.0]))
def test_within_the_bounds_of_beta_the_operator_is_a_contraction(
    problem: int, one: int, other: int, beta: float, floor: float | None
) -> None:
    made, q, p = Problem.random(problem), action_values(one), action_values(other)
    moved = distance(made.backup(q, beta, floor), made.backup(p, beta, floor))
    assert moved <= DISCOUNT * distance(q, p) + EXACT


@given(seeds, seeds, seeds, betas, st.sampled_from([None, -1.0, 0.0]))
def test_within_the_bounds_of_beta_the_operator_is_monotone(
    problem: int, one: int, other: int, beta: float, floor: float | None
) -> None:
    made, q = Problem.random(problem), action_values(one)
    more = q + action_values(other).abs()
    assert (made.backup(more, beta, floor) - made.backup(q, beta, floor)).min() >= -EXACT


@given(seeds, betas, st.floats(-100, 100))
def test_a_constant_passes_discounted(seed: int, beta: float, constant: float) -> None:
    made, q = Problem.random(seed), action_values(seed)
    assert distance(made.backup(q + constant, beta), made.backup(q, beta) + DISCOUNT * constant) < 1e-10


@given(seeds, betas)
def test_the_operator_is_the_mixture_of_the_mean_and_of_the_worst_backup(seed: int, beta: float) -> None:
    made, q = Problem.random(seed), action_values(seed)
    each = made.reward + DISCOUNT * made.kernels @ (made.policy * q).sum(1)  # (M, S, A)
    assert distance(made.backup(q, beta), (1 - beta) * each.mean(0) + beta * each.amin(0)) < EXACT


def fork() -> Problem:
    """One action; four elites lead to state 0, the fifth to state 1."""
    to_first, to_second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    kernels = torch.stack([to_first] * 4 + [to_second]).view(5, 1, 1, 2).expand(5, 2, 1, 2)
    return Problem(torch.zeros(2, 1).double(), kernels.double(), torch.ones(2, 1).double())


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(("beta", "ratio"), [(1.0, 0.9), (1.5, 1.62), (10.0, 13.86)])
def test_beyond_one_the_operator_expands(beta: float, ratio: float) -> None:
    """V = (x, y), y < x: T Q = gamma (0.8 (1 - beta) x + (0.2 + 0.8 beta) y)."""
    made, q, p = fork(), column(0.0, -10.0), column(1.0, -11.0)
    assert distance(made.backup(q, beta), made.backup(p, beta)) / distance(q, p) == pytest.approx(ratio)


def test_beyond_one_the_operator_is_not_monotone() -> None:
    made, less, more = fork(), column(0.0, -10.0), column(1.0, -10.0)
    assert (made.backup(more, 1.0) >= made.backup(less, 1.0)).all()
    assert (made.backup(more, 1.5) < made.backup(less, 1.5)).all()


@given(seeds, seeds, seeds, st.floats(1, 10))
def test_beyond_one_it_expands_by_no_more_than_twice_beta_less_one(
    problem: int, one: int, other: int, beta: float
) -> None:
    made, q, p = Problem.random(problem), action_values(one), action_values(other)
    bound = DISCOUNT * (2 * beta - 1)
    assert distance(made.backup(q, beta), made.backup(p, beta)) <= bound * distance(q, p) + 1e-10


@pytest.mark.parametrize("seed", range(20))
def test_the_fixed_point_does_not_increase_with_beta(seed: int) -> None:
    points = [Problem.random(seed).fixed_point(beta) for beta in BETAS]
    for less, more in pairwise(points):
        assert (less - more).min() >= -EXACT
        assert (less - more).max() > 1e-3


@pytest.mark.parametrize("seed", range(20))
def test_at_one_the_fixed_point_is_below_the_values_under_every_elite(seed: int) -> None:
    made = Problem.random(seed)
    point = made.fixed_point(1.0)
    assert all((made.values_under(elite) - point).min() >= -1e-9 for elite in range(ELITES))


def test_at_one_half_it_is_not() -> None:
    """The fifth elite stays in state 1, without reward for ever; the mixture hopes for state 0."""
    made = Problem(column(1.0, 0.0), fork().kernels, fork().policy)
    under_fifth = made.values_under(4)
    assert float(under_fifth[1, 0]) == pytest.approx(0.0)
    assert float(made.fixed_point(0.5)[1, 0]) > 1.0
    assert (made.fixed_point(1.0) <= under_fifth + EXACT).all()


@pytest.mark.parametrize("seed", range(5))
def test_at_zero_it_is_the_value_under_the_mean_of_the_elites(seed: int) -> None:
    made = Problem.random(seed)
    average = Problem(made.reward, made.kernels.mean(0, keepdim=True), made.policy)
    assert distance(made.fixed_point(0.0), average.values_under(0)) < 1e-9


@given(seeds, st.floats(0, 100), st.floats(-100, 100))
def test_the_gap_is_positive_scales_with_values_and_ignores_order_and_constants(
    seed: int, scale: float, constant: float
) -> None:
    made, q = Problem.random(seed), action_values(seed)
    found, order = worst_case_gap(made.elites(q)), np.random.default_rng(seed).permutation(ELITES)
    shuffled = Problem(made.reward, made.kernels[order], made.policy)
    assert found.min() >= 0
    assert distance(worst_case_gap(shuffled.elites(q)), found) < EXACT
    assert distance(worst_case_gap(made.elites(q + constant)), found) < 1e-10
    assert distance(worst_case_gap(made.elites(scale * q)), scale * found) < 1e-10


@given(seeds)
def test_the_gap_and_the_disagreement_bound_each_other(seed: int) -> None:
    """With the biased deviation s: s / sqrt(M - 1) <= mean - min <= s sqrt(M - 1)."""
    q = torch.from_numpy(np.random.default_rng(seed).standard_cauchy((ELITES, 50)))
    found, biased = worst_case_gap(q), disagreement(q) * np.sqrt((ELITES - 1) / ELITES)
    slack = 1 + 1e-9
    assert (biased / 2 <= found * slack).all()
    assert (found <= 2 * biased * slack).all()


def test_and_both_bounds_are_reached() -> None:
    one_high, one_low = column(0, 0, 0, 0, 1), column(1, 1, 1, 1, 0)
    for q, ratio in ((one_high, 0.5), (one_low, 2.0)):
        assert float(worst_case_gap(q) / (disagreement(q) * np.sqrt(0.8))) == pytest.approx(ratio)


def states_of_equal_members(samples: int, common: bool) -> Tensor:
    """Next observations (N, M, B, O) from five copies of one network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ensemble = DynamicsEnsemble(3, 2, (16,), ELITES, ELITES)
    with torch.no_grad():
        for weight in ensemble.weights:
            weight.copy_(weight[:1].expand_as(weight))
    draw = torch.Generator().manual_seed(1)
    seen, action = torch.randn(200, 3, generator=draw), torch.rand(200, 2, generator=draw)
    return EliteModel(ensemble).next_observations(seen, action, samples, draw, common)


def gap(states: Tensor) -> Tensor:
    """U (B,) where the value is a smooth function of the next observation."""
    return worst_case_gap(elite_values(torch.sin(states).sum(-1)))


def test_equal_members_have_no_gap_if_they_share_their_noise() -> None:
    states = states_of_equal_members(10, common=True)
    assert torch.equal(states, states[:, :1].expand_as(states))
    assert float(gap(states).max()) < 1e-6  # sin of equal numbers differs by where in memory they are


def test_with_noise_of_their_own_equal_members_have_a_gap_that_falls_with_the_root_of_the_samples() -> None:
    few, many = (gap(states_of_equal_members(samples, common=False)) for samples in (4, 400))
    assert few.min() > 0
    assert float(few.mean() / many.mean()) == pytest.approx(10, rel=0.15)
