"""Running moments against NumPy's, and values that outlive new moments."""

import numpy as np
import pytest
import torch

from spreeze.algorithms._normalisation import NormalisedValue, Normaliser


def test_the_moments_of_parts_are_those_of_the_whole() -> None:
    rows = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 10.0, 0.1]) + 5
    normaliser = Normaliser(3)
    for part in rows.split([1, 9, 490, 500]):
        normaliser.see(part)
    assert float(normaliser.count) == 1000
    np.testing.assert_allclose(normaliser.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(normaliser.variance, rows.var(0, unbiased=False), rtol=1e-4)
    seen = normaliser(rows)
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(seen.std(0), 1, atol=1e-3)


def test_a_constant_observation_and_an_outlier_stay_finite() -> None:
    normaliser = Normaliser(1)
    normaliser.see(torch.full((100, 1), 3.0))
    assert normaliser(torch.tensor([[3.0], [1e9], [-1e9]])).flatten().tolist() == [0.0, 10.0, -10.0]


def test_nothing_is_changed_before_anything_was_seen() -> None:
    observation = torch.tensor([[0.5, -2.0]])
    assert torch.equal(Normaliser(2)(observation), observation)


def test_values_stay_what_they_were_when_the_moments_move() -> None:
    value, features = NormalisedValue(4), torch.randn(6, 4)
    with torch.no_grad():
        value.linear.bias.fill_(0.7)
        for scale in (1.0, 500.0, 3.0):
            before = value.value(value(features))
            value.see(scale * torch.randn(50) + scale)
            torch.testing.assert_close(value.value(value(features)), before, rtol=1e-4, atol=1e-3)


def test_the_first_targets_are_normalised_to_mean_zero_and_deviation_one() -> None:
    value, targets = NormalisedValue(4), torch.tensor([1.0, 3.0])
    value.see(targets)
    assert (float(value.mean), float(value.std)) == pytest.approx((2.0, 1.0))
    assert value.normalised(targets).tolist() == pytest.approx([-1.0, 1.0])


def test_later_targets_move_the_moments_at_the_slowest_rate() -> None:
    value = NormalisedValue(4, slowest=0.25)
    for _ in range(10):
        value.see(torch.tensor([-1.0, 1.0]))
    value.see(torch.tensor([3.0, 5.0]))
    assert float(value.mean) == pytest.approx(0.25 * 4)
    assert float(value.variance) == pytest.approx(0.75 * 1 + 0.25 * 17 - 1**2)


def test_values_survive_targets_that_hardly_differ_from_their_mean() -> None:
    value, features = NormalisedValue(4), torch.randn(6, 4)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for spread in (30.0, *[0.01] * 3000):
            value.see(100 + spread * torch.randn(64, generator=random))
        assert float(value.std) == pytest.approx(0.0101, rel=0.1)
        assert float(value.linear.weight.abs().max()) < 1000
        before = value.value(value(features))
        value.see(100 + 0.01 * torch.randn(64, generator=random))
        torch.testing.assert_close(value.value(value(features)), before, rtol=1e-4, atol=1e-3)
