"""Networks and pieces of an update against cases computed by hand, by `torch.distributions` or by plain modules."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from spreeze.algorithms._networks import (
    LOG_STD_MAX,
    LOG_STD_MIN,
    SquashedGaussianActor,
    TwinCritic,
    mlp,
    squashed_log_density,
)
from spreeze.algorithms._training import (
    adam,
    load_optimizer_tensors,
    optimizer_tensors,
    pack,
    polyak,
    td_target,
    unpack,
)
from spreeze.errors import CheckpointError

OBSERVATIONS, ACTIONS, ROWS = 3, 2, 5


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(7)


def observations() -> Tensor:
    return torch.randn(ROWS, OBSERVATIONS, generator=torch.Generator().manual_seed(1))


def actions() -> Tensor:
    return torch.randn(ROWS, ACTIONS, generator=torch.Generator().manual_seed(2)).tanh()


def critic_as_modules(critic: TwinCritic, member: int) -> nn.Sequential:
    """One member of the ensemble as the plain MLP that it stands for."""
    pairs = list(zip(critic.weights, critic.biases, strict=True))
    plain = mlp([OBSERVATIONS + ACTIONS, *(bias.shape[-1] for _, bias in pairs)])
    layers = [layer for layer in plain if isinstance(layer, nn.Linear)]
    for layer, (weight, bias) in zip(layers, pairs, strict=True):
        layer.load_state_dict({"weight": weight[member].T, "bias": bias[member, 0]})
    return plain


def test_td_target_is_the_reward_and_the_discounted_future_of_what_has_one() -> None:
    reward, terminated, future = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0]), torch.tensor([10.0, 10.0])
    torch.testing.assert_close(td_target(reward, terminated, future, 0.9), torch.tensor([10.0, 1.0]))


def test_polyak_moves_the_target_by_its_rate_and_leaves_the_source() -> None:
    target, source = nn.Linear(1, 1), nn.Linear(1, 1)
    for module, value in ((target, 1.0), (source, 3.0)):
        for parameter in module.parameters():
            nn.init.constant_(parameter, value)
    polyak(target, source, 0.25)
    assert [p.item() for p in target.parameters()] == [1.5, 1.5]
    assert [p.item() for p in source.parameters()] == [3.0, 3.0]


@pytest.mark.parametrize("log_std", [-3.0, 0.0, 1.0])
def test_squashed_log_density_is_that_of_a_transformed_normal(log_std: float) -> None:
    noise = torch.randn(ROWS, ACTIONS, dtype=torch.float64)
    mean, spread = torch.randn(ROWS, ACTIONS, dtype=torch.float64), torch.full((ROWS, ACTIONS), log_std).double()
    pre_action = mean + spread.exp() * noise
    law = TransformedDistribution(Normal(mean, spread.exp()), [TanhTransform(cache_size=1)])
    expected = law.log_prob(torch.tanh(pre_action)).sum(-1)
    torch.testing.assert_close(squashed_log_density(noise, spread, pre_action), expected, rtol=1e-4, atol=1e-4)


def test_squashed_log_density_of_a_standard_normal_at_zero() -> None:
    zero = torch.zeros(1, 1)
    expected = torch.tensor([-0.5 * math.log(2 * math.pi)])
    torch.testing.assert_close(squashed_log_density(zero, zero, zero), expected)


@pytest.mark.parametrize("size", [20.0, -20.0, 200.0])
def test_squashed_log_density_stays_finite_where_tanh_saturates(size: float) -> None:
    pre_action = torch.full((1, 1), size, requires_grad=True)
    density = squashed_log_density(torch.zeros(1, 1), torch.zeros(1, 1), pre_action)
    density.sum().backward()
    assert torch.isfinite(density).all()
    assert pre_action.grad is not None
    assert torch.isfinite(pre_action.grad).all()
    expected = -0.5 * math.log(2 * math.pi) - 2 * (math.log(2) - abs(size))
    torch.testing.assert_close(density, torch.tensor([expected]))


def test_an_actor_samples_what_its_mean_and_deviation_say() -> None:
    actor = SquashedGaussianActor(OBSERVATIONS, ACTIONS, (8,))
    action, density = actor.sample(observations(), torch.Generator().manual_seed(3))
    mean, log_std = actor(observations())
    noise = torch.randn(ROWS, ACTIONS, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(action, torch.tanh(mean + log_std.exp() * noise))
    torch.testing.assert_close(density, squashed_log_density(noise, log_std, mean + log_std.exp() * noise))


def test_an_actors_deviation_keeps_its_bounds() -> None:
    actor = SquashedGaussianActor(OBSERVATIONS, ACTIONS, (8,))
    _, log_std = actor(1e6 * observations())
    assert float(log_std.detach().min()) >= LOG_STD_MIN
    assert float(log_std.detach().max()) <= LOG_STD_MAX


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)])
def test_a_twin_critic_equals_separate_mlps(hidden: tuple[int, ...]) -> None:
    critic = TwinCritic(OBSERVATIONS, ACTIONS, hidden)
    values = critic(observations(), actions())
    inputs = torch.cat((observations(), actions()), -1)
    assert values.shape == (2, ROWS)
    for member in range(2):
        torch.testing.assert_close(values[member], critic_as_modules(critic, member)(inputs)[:, 0])
    assert not torch.allclose(values[0], values[1])


def test_the_members_of_a_critic_learn_independently() -> None:
    critic = TwinCritic(OBSERVATIONS, ACTIONS, (8,))
    critic(observations(), actions())[0].sum().backward()
    for parameter in critic.parameters():
        assert parameter.grad is not None
        assert not parameter.grad[1].any()


def test_a_frozen_critic_gives_gradients_of_the_action_alone() -> None:
    critic, action = TwinCritic(OBSERVATIONS, ACTIONS, (8,)), actions().requires_grad_()
    frozen = critic(observations(), action, frozen=True)
    torch.testing.assert_close(frozen, critic(observations(), action))
    frozen.sum().backward()
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert action.grad is not None
    assert action.grad.any()


def test_unpack_is_the_inverse_of_pack_and_takes_nothing_else() -> None:
    tensors = {"weight": torch.ones(1), "bias": torch.zeros(1)}
    packed = pack("actor", tensors) | pack("act", {"other": torch.ones(2)})
    assert unpack("actor", packed) == tensors
    assert list(unpack("act", packed)) == ["other"]


def test_a_restored_optimizer_goes_on_as_the_original() -> None:
    inputs = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(4))
    one, other = nn.Linear(3, 1), nn.Linear(3, 1)
    first, second = adam(one.parameters(), 0.1), adam(other.parameters(), 0.1)
    descend(one, first, inputs)
    other.load_state_dict(one.state_dict())
    load_optimizer_tensors(second, optimizer_tensors(first))
    descend(one, first, inputs)
    descend(other, second, inputs)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def descend(module: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor) -> None:
    optimizer.zero_grad()
    module(inputs).square().mean().backward()
    optimizer.step()


def test_an_optimizer_without_a_step_has_no_tensors_and_takes_none() -> None:
    module = nn.Linear(1, 1)
    optimizer = adam(module.parameters(), 0.1)
    assert optimizer_tensors(optimizer) == {}
    load_optimizer_tensors(optimizer, {})


def change(state: dict[str, Tensor], name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    """A state with another tensor under a name, or without it."""
    kept = {key: value for key, value in state.items() if key != name}
    return kept if tensor is None else kept | {name: tensor}


@pytest.mark.parametrize(
    ("name", "tensor", "complaint"),
    [
        ("7.exp_avg", torch.zeros(3), "no parameter '7'"),
        ("-1.exp_avg", torch.zeros(3), "no parameter '-1'"),
        ("x", torch.zeros(3), "no parameter 'x'"),
        ("0.exp_avg", torch.zeros(1), "expected"),
        ("0.exp_avg_sq", torch.zeros(()), "expected"),
        ("0.step", torch.zeros(4), "expected"),
        ("0.step", None, "not that of its parameters alike"),
        ("1.exp_avg", None, "not that of its parameters alike"),
    ],
)
def test_a_state_of_another_optimiser_is_refused_before_its_arithmetic_believes_it(
    name: str, tensor: Tensor | None, complaint: str
) -> None:
    layer = torch.nn.Linear(3, 4)
    optimizer = adam(layer.parameters(), 1e-3)
    layer(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    state = optimizer_tensors(optimizer)
    load_optimizer_tensors(optimizer, state)
    with pytest.raises(CheckpointError, match=complaint):
        load_optimizer_tensors(optimizer, change(state, name, tensor))
