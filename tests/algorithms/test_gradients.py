"""Gradients written out against those of autograd."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from spreeze.algorithms import _passes, _workers
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


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_and_threads_change_nothing_but_the_order_of_sums(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    actor, critic = networks((64, 48, 32))
    wanted = [*critic_gradient(critic), *actor_gradient(actor, critic)]
    monkeypatch.setattr(_passes, "BLOCK", 5)
    monkeypatch.setattr(_workers, "MIN_ROWS", 1)
    with threads_of_torch(threads):
        found = [*critic_gradient(critic), *actor_gradient(actor, critic)]
        assert torch.get_num_threads() == threads
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_with_one_number_of_threads_gradients_are_equal_to_the_bit(threads: int) -> None:
    actor, critic = networks((64, 48))
    with threads_of_torch(threads):
        first, second = (critic_gradient(critic, rows=300) for _ in range(2))
        assert all(map(torch.equal, first, second))
        first, second = (actor_gradient(actor, critic, rows=300) for _ in range(2))
        assert all(map(torch.equal, first, second))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("hidden", [*HIDDEN, (64, 64), (128, 64, 192), (64,)])
def test_bfloat16_leaves_the_direction_of_gradients(
    hidden: tuple[int, ...], native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setattr(_passes, "fits", lambda layers, dtype: False)
    actor, critic = networks(hidden)
    exact = flat([*critic_gradient(critic, 300), *actor_gradient(actor, critic, 300)])
    rough = flat(
        [
            *critic_gradient(critic, 300, dtype=torch.bfloat16),
            *actor_gradient(actor, critic, 300, dtype=torch.bfloat16),
        ]
    )
    assert torch.cosine_similarity(exact, rough, 0) > 0.999
    if len(hidden) < 2:  # No product lies between hidden layers.
        torch.testing.assert_close(rough, exact)


def critic_gradient(critic: TwinCritic, rows: int = ROWS, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    CriticGradients(critic, dtype)(*critic_case(rows))
    return taken(critic)


def actor_gradient(
    actor: SquashedGaussianActor, critic: TwinCritic, rows: int = ROWS, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    ActorGradients(actor, critic, dtype)(numbers(rows, OBSERVATIONS), numbers(rows, ACTIONS, seed=3), torch.tensor(0.3))
    return taken(actor)


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


@contextmanager
def threads_of_torch(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
