"""Heads against torch's distributions, with masks, and for every action space that is served."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from torch.distributions import Categorical, Independent, Normal

from spreeze.algorithms._distributions import CategoricalHead, GaussianHead, head_of
from spreeze.errors import UnsupportedSpace

FEATURES = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))


def drawing(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_gaussian_head_agrees_with_torchs_normal() -> None:
    head = GaussianHead(4, 3, -0.5)
    head.requires_grad_(False)
    mean = head.distribution(head.linear(FEATURES), None)
    reference = Independent(Normal(mean, torch.tensor(-0.5).exp().expand(3)), 1)
    choice = head.sample(mean, drawing())
    torch.testing.assert_close(head.log_probability(mean, choice), reference.log_prob(choice))
    torch.testing.assert_close(head.entropy(mean), reference.entropy())
    assert torch.equal(head.mode(mean), mean)
    assert float((choice - mean).std()) == pytest.approx(np.exp(-0.5), rel=0.1)


def test_what_a_gaussian_head_tells_the_environment_is_within_bounds() -> None:
    head = GaussianHead(4, 1, 0.0)
    assert head.action(torch.tensor([[-3.0], [0.2], [1.5]])).flatten().tolist() == pytest.approx([-1.0, 0.2, 1.0])


def test_categorical_heads_agree_with_torchs_categorical() -> None:
    head = CategoricalHead(4, [3, 2], (2,), "int64")
    parameters = head.distribution(head.linear(FEATURES), None)
    raw = head.linear(FEATURES)
    references = [Categorical(logits=raw[:, :3]), Categorical(logits=raw[:, 3:])]
    choice = head.sample(parameters, drawing())
    expected = sum(one.log_prob(choice[:, index]) for index, one in enumerate(references))
    torch.testing.assert_close(head.log_probability(parameters, choice), expected)
    torch.testing.assert_close(head.entropy(parameters), references[0].entropy() + references[1].entropy())
    assert torch.equal(head.mode(parameters)[:, 0], raw[:, :3].argmax(-1))


def test_choices_are_drawn_as_often_as_they_are_probable() -> None:
    head = CategoricalHead(1, [3], (), "int64")
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    choice = head.sample(head.distribution(head.linear(torch.zeros(20_000, 1)), None), drawing())
    assert (choice.bincount() / len(choice)).tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.015)


def test_what_is_masked_is_never_drawn_and_leaves_finite_gradients() -> None:
    head = CategoricalHead(4, [3], (), "int64")
    allowed = torch.tensor([[True, False, True]]).expand(len(FEATURES), 3)
    parameters = head.distribution(head.linear(FEATURES), allowed)
    assert set(head.sample(parameters, drawing()).tolist()) == {0, 2}
    assert set(head.mode(parameters).tolist()) <= {0, 2}
    two = Categorical(logits=head.linear(FEATURES)[:, [0, 2]])
    torch.testing.assert_close(head.entropy(parameters), two.entropy())
    (head.entropy(parameters) + head.log_probability(parameters, torch.zeros(len(FEATURES)))).sum().backward()
    assert head.linear.weight.grad is not None
    assert torch.isfinite(head.linear.weight.grad).all()
    assert not head.linear.weight.grad[1].any()


@pytest.mark.parametrize("space", [Box(-2, 2, (3,)), Discrete(4), MultiDiscrete([2, 5]), MultiBinary(3)])
def test_an_action_has_the_shape_and_dtype_that_its_space_is_stored_with(space: Space[Any]) -> None:
    head = head_of(space, 4, 0.0, "PPO")
    for batch in ((7,), (5, 7)):
        parameters = head.distribution(head.linear(torch.randn(*batch, 4)), None)
        action = head.action(head.sample(parameters, drawing()))
        assert action.shape == (*batch, *head.choice.shape)
        assert str(action.dtype) == f"torch.{head.choice.dtype}"
        assert head.log_probability(parameters, action).shape == batch
        assert head.entropy(parameters).shape == batch


@pytest.mark.parametrize("space", [Box(-np.inf, np.inf, (2,)), Box(-1, 1, (2, 2))])
def test_a_space_that_is_not_served_is_named(space: Space[Any]) -> None:
    with pytest.raises(UnsupportedSpace, match=r"PPO needs actions in .* this environment has Box"):
        head_of(space, 4, 0.0, "PPO")
