"""Beliefs: of what they depend on, and how they are continued."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from spreeze.algorithms._meta.encoders import ENCODERS, as_belief, divergence, drawn

LENGTH, BATCH, INPUTS, LATENT = 20, 3, 6, 4
every_encoder = pytest.mark.parametrize("name", ENCODERS)


def made(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    """An encoder, and tokens for it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ENCODERS[name](INPUTS, LATENT, 16), torch.randn(LENGTH, BATCH, INPUTS)


@every_encoder
def test_a_belief_depends_on_earlier_tokens_alone(name: str) -> None:
    encoder, tokens = made(name)
    before = encoder.beliefs(tokens)  # type: ignore[operator]
    assert before.shape == (LENGTH + 1, BATCH, 2 * LATENT)
    later = tokens.clone()
    later[12:] += 1
    after = encoder.beliefs(later)  # type: ignore[operator]
    torch.testing.assert_close(after[:13], before[:13], rtol=0, atol=0)
    assert (after[13:] - before[13:]).abs().amax(-1).min() > 1e-6


@every_encoder
def test_no_gradient_of_a_belief_reaches_a_later_token(name: str) -> None:
    encoder, tokens = made(name)
    tokens.requires_grad_()
    encoder.beliefs(tokens)[7].sum().backward()  # type: ignore[operator]
    assert tokens.grad is not None
    assert (tokens.grad[7:] == 0).all()
    assert (tokens.grad[:7].abs().sum((1, 2)) > 0).all()


@every_encoder
def test_step_by_step_and_all_at_once_agree(name: str) -> None:
    encoder, tokens = made(name)
    memory = encoder.initial(BATCH)  # type: ignore[operator]
    found = [encoder.belief(memory)]  # type: ignore[operator]
    for token in tokens:
        memory = encoder.advance(memory, token)  # type: ignore[operator]
        found.append(encoder.belief(memory))  # type: ignore[operator]
    torch.testing.assert_close(torch.stack(found), encoder.beliefs(tokens), rtol=1e-4, atol=1e-5)  # type: ignore[operator]


@every_encoder
def test_before_anything_happened_the_belief_is_near_the_prior(name: str) -> None:
    encoder, _ = made(name)
    mean, variance = encoder.belief(encoder.initial(BATCH)).chunk(2, -1)  # type: ignore[operator]
    assert mean.abs().max() < 0.6
    assert variance.min() > 0.6 and variance.max() < 1.5


def test_the_product_of_gaussians_is_that_of_the_rule() -> None:
    encoder, tokens = made("product")
    mean, variance = as_belief(encoder.net(tokens)).chunk(2, -1)  # type: ignore[operator]
    precision = 1 + (1 / variance).sum(0)
    expected = torch.cat(((mean / variance).sum(0) / precision, 1 / precision), -1)
    torch.testing.assert_close(encoder.beliefs(tokens)[-1], expected)  # type: ignore[operator]


def test_attention_does_not_mind_the_order_and_finds_a_token_among_many() -> None:
    encoder, tokens = made("attention")
    mixed = tokens[torch.randperm(LENGTH, generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(encoder.beliefs(mixed)[-1], encoder.beliefs(tokens)[-1], rtol=1e-4, atol=1e-5)  # type: ignore[operator]


def test_the_divergence_is_that_of_the_distributions() -> None:
    belief = torch.tensor([[0.5, -1.0, 0.3, 2.0], [0.0, 0.0, 1.0, 1.0]])
    mean, variance = belief.chunk(2, -1)
    expected = kl_divergence(Normal(mean, variance.sqrt()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(divergence(belief), expected)
    assert divergence(belief)[1] == 0


def test_a_latent_is_drawn_with_the_belief_s_variance() -> None:
    belief = torch.tensor([[1.0, -2.0, 4.0, 0.25]])
    torch.testing.assert_close(drawn(belief, torch.tensor([[1.0, 2.0]])), torch.tensor([[3.0, -1.0]]))
