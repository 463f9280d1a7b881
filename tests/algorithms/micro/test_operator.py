"""The functions of the operator on cases computed by hand."""

import math

import pytest
import torch
from torch import Tensor

from spreeze.algorithms.micro.operator import (
    conservative_target,
    disagreement,
    elite_values,
    largest_spread,
    penalised_reward_target,
    soft_value,
    worst_case_gap,
)

REWARD, ENDED = torch.tensor([1.0, 1.0, -3.0]), torch.tensor([0.0, 1.0, 1.0])
VALUE, PENALTY = torch.tensor([10.0, 10.0, 7.0]), torch.tensor([4.0, 4.0, 2.0])


def samples() -> Tensor:
    """Two samples of three elites in two rows."""
    first, second = [[1.0, 10.0], [2.0, 20.0], [3.0, 60.0]], [[3.0, 10.0], [2.0, 0.0], [7.0, 20.0]]
    return torch.tensor([first, second])


def test_the_value_of_an_elite_is_the_mean_over_its_samples() -> None:
    torch.testing.assert_close(elite_values(samples()), torch.tensor([[2.0, 10.0], [2.0, 10.0], [5.0, 40.0]]))
    assert torch.equal(elite_values(samples()), elite_values(samples(), "mean"))


def test_or_its_least_sample() -> None:
    assert torch.equal(elite_values(samples(), "min"), torch.tensor([[1.0, 10.0], [2.0, 0.0], [3.0, 20.0]]))


def test_the_gap_is_the_mean_over_elites_less_the_least() -> None:
    torch.testing.assert_close(worst_case_gap(elite_values(samples())), torch.tensor([1.0, 10.0]))


def test_the_least_is_taken_over_elites_and_not_over_all_samples() -> None:
    """Over all six samples it would be (18 / 6 - 1, 120 / 6 - 0)."""
    assert not torch.allclose(worst_case_gap(elite_values(samples())), torch.tensor([2.0, 20.0]))


def test_equal_elites_have_no_gap_not_even_by_rounding() -> None:
    """The mean of five equal numbers is not always this number."""
    q = torch.randn(1000, generator=torch.Generator().manual_seed(0)).expand(5, -1).contiguous()
    assert not torch.equal(q.mean(0), q[0])
    assert torch.equal(worst_case_gap(q), torch.zeros(1000))


def test_disagreement_is_the_unbiased_standard_deviation_over_elites() -> None:
    q = torch.tensor([[1.0], [2.0], [3.0], [4.0], [10.0]])
    torch.testing.assert_close(disagreement(q), torch.tensor([math.sqrt((9 + 4 + 1 + 0 + 36) / 4)]))


def test_the_largest_spread_is_the_greatest_norm_of_a_members_deviations() -> None:
    std = torch.tensor([[[3.0, 4.0], [0.0, 1.0]], [[0.0, 4.5], [5.0, 12.0]]])  # (2 members, 2 rows, 2)
    torch.testing.assert_close(largest_spread(std), torch.tensor([5.0, 13.0]))


@pytest.mark.parametrize(("deterministic", "expected"), [(False, [1.5, -3.0]), (True, [2.0, -5.0])])
def test_the_soft_value_is_the_smaller_critic_less_the_entropy_term(deterministic: bool, expected: list[float]) -> None:
    values, density = torch.tensor([[2.0, 4.0], [3.0, -5.0]]), torch.tensor([1.0, -4.0])
    found = soft_value(values, density, torch.tensor(0.5), deterministic)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_micro_takes_the_penalty_off_the_next_value_within_the_discount() -> None:
    found = conservative_target(REWARD, ENDED, VALUE, PENALTY, 0.25, 0.9)
    torch.testing.assert_close(found, torch.tensor([1 + 0.9 * (10 - 0.25 * 4), 1.0, -3.0]))


def test_mobile_takes_the_penalty_off_the_reward() -> None:
    found = penalised_reward_target(REWARD, ENDED, VALUE, PENALTY, 0.25, 0.9)
    torch.testing.assert_close(found, torch.tensor([1 - 0.25 * 4 + 0.9 * 10, 1 - 0.25 * 4, -3 - 0.25 * 2]))


def test_terminal_rows_are_independent_of_beta_for_micro_and_not_for_mobile() -> None:
    micro = [conservative_target(REWARD, ENDED, VALUE, PENALTY, beta, 0.9)[1:] for beta in (0.0, 0.5, 1.0)]
    mobile = [penalised_reward_target(REWARD, ENDED, VALUE, PENALTY, beta, 0.9)[1:] for beta in (0.0, 0.5, 1.0)]
    assert all(torch.equal(target, REWARD[1:]) for target in micro)
    assert (mobile[0] > mobile[1]).all()
    assert (mobile[1] > mobile[2]).all()


def test_without_beta_all_are_the_target_of_sac() -> None:
    expected = REWARD + 0.9 * (1 - ENDED) * VALUE
    for target in (conservative_target, penalised_reward_target):
        assert torch.equal(target(REWARD, ENDED, VALUE, PENALTY, 0.0, 0.9), expected)


def test_with_beta_one_micro_backs_up_the_worst_elite() -> None:
    q = elite_values(samples())
    found = conservative_target(torch.zeros(2), torch.zeros(2), q.mean(0), worst_case_gap(q), 1.0, 0.9)
    torch.testing.assert_close(found, 0.9 * q.amin(0))
