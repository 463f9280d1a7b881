"""Gradients written out against those of autograd."""

import pytest
import torch
from torch import Tensor, nn

from spreeze.algorithms._gradients import ActorGradients, CriticGradients
from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic, squashed_log_density

OBSERVATIONS, ACTIONS, ROWS = 11, 3, 37
HIDDEN = [(), (8,), (8, 4), (64, 48, 32)]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def networks(hidden: tuple[int, ...], members: int = 2) -> tuple[SquashedGaussianActor, TwinCritic]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        actor = SquashedGaussianActor(OBSERVATIONS, ACTIONS, hidden)
        return actor, TwinCritic(OBSERVATIONS, ACTIONS, hidden, members)


def taken(module: nn.Module) -> list[Tensor]:
    """The gradients of the module's parameters, which are then forgotten."""
    found = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    module.zero_grad(set_to_none=True)
    return found


def critic_case(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    return numbers(rows, OBSERVATIONS), numbers(rows, ACTIONS, seed=1).tanh(), numbers(rows, seed=2)


def actor_loss(actor: SquashedGaussianActor, critic: TwinCritic, observation: Tensor, noise: Tensor) -> Tensor:
    mean, log_std = actor(observation)
    pre_action = mean + log_std.exp() * noise
    density = squashed_log_density(noise, log_std, pre_action)
    least: Tensor = critic(observation, torch.tanh(pre_action), frozen=True).amin(0)
    return (0.3 * density - least).mean()


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("members", [1, 2, 5])
def test_the_gradient_of_a_critic_is_autograds(hidden: tuple[int, ...], members: int) -> None:
    critic = networks(hidden, members)[1]
    observation, action, target = critic_case(ROWS)
    expected = critic(observation, action)
    loss = (expected - target).square().mean()
    loss.backward()
    wanted = taken(critic)
    values, found = CriticGradients(critic)(observation, action, target)
    torch.testing.assert_close(values, expected.detach())
    torch.testing.assert_close(found, loss.detach())
    torch.testing.assert_close(taken(critic), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("members", [1, 2, 5])
def test_the_gradient_of_an_actor_is_autograds(hidden: tuple[int, ...], members: int) -> None:
    actor, critic = networks(hidden, members)
    observation, noise = numbers(ROWS, OBSERVATIONS), numbers(ROWS, ACTIONS, seed=3)
    loss = actor_loss(actor, critic, observation, noise)
    loss.backward()
    wanted = taken(actor)
    found, entropy = ActorGradients(actor, critic)(observation, noise, torch.tensor(0.3))
    torch.testing.assert_close(found, loss.detach())
    assert torch.isfinite(entropy)
    torch.testing.assert_close(taken(actor), wanted, rtol=1e-5, atol=1e-6)
    assert all(parameter.grad is None for parameter in critic.parameters())


def test_an_actor_whose_actions_saturate_has_finite_gradients() -> None:
    actor, critic = networks((8,))
    observation, noise = 1e4 * numbers(ROWS, OBSERVATIONS), numbers(ROWS, ACTIONS, seed=3)
    ActorGradients(actor, critic)(observation, noise, torch.tensor(0.3))
    assert all(bool(torch.isfinite(gradient).all()) for gradient in taken(actor))


@pytest.mark.parametrize("rows", [ROWS, 5])
def test_a_second_batch_has_its_own_gradient_whatever_its_size(rows: int) -> None:
    critic = networks((8, 4))[1]
    first, second = CriticGradients(critic), CriticGradients(critic)
    first(*critic_case(ROWS))
    if rows != ROWS:
        critic.zero_grad(set_to_none=True)
    later = numbers(rows, OBSERVATIONS, seed=7), numbers(rows, ACTIONS, seed=8), numbers(rows, seed=9)
    first(*later)
    found = taken(critic)
    second(*later)
    torch.testing.assert_close(found, taken(critic))


def test_gradients_follow_an_optimiser_and_loaded_weights() -> None:
    critic = networks((8, 4))[1]
    gradients, optimizer = CriticGradients(critic), torch.optim.Adam(critic.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        losses.append(float(gradients(*critic_case(ROWS))[1]))
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    critic.load_state_dict(networks((8, 4))[1].state_dict())
    assert float(gradients(*critic_case(ROWS))[1]) == pytest.approx(losses[0])


def test_values_and_loss_carry_no_graph() -> None:
    actor, critic = networks((8,))
    values, loss = CriticGradients(critic)(*critic_case(ROWS))
    found, entropy = ActorGradients(actor, critic)(numbers(ROWS, OBSERVATIONS), numbers(ROWS, ACTIONS), torch.ones(()))
    assert not any(tensor.requires_grad for tensor in (values, loss, found, entropy))
