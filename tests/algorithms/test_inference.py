"""Fast evaluation against the plain networks."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from spreeze.algorithms import _passes
from spreeze.algorithms._inference import BLOCK, Ensemble, SampledValues
from spreeze.algorithms._networks import SquashedGaussianActor, TwinCritic
from spreeze.algorithms._passes import relu_

OBSERVATIONS, ACTIONS, MEMBERS, INPUTS, OUTPUTS = 11, 3, 5, 14, 24
ROWS = [0, 1, 7, BLOCK * torch.get_num_threads() + 3]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def networks(hidden: tuple[int, ...] = (256, 256), ensemble: int = 2) -> tuple[SquashedGaussianActor, TwinCritic]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        actor = SquashedGaussianActor(OBSERVATIONS, ACTIONS, hidden)
        return actor, TwinCritic(OBSERVATIONS, ACTIONS, hidden, ensemble)


def plain_values(actor: SquashedGaussianActor, critic: TwinCritic, states: Tensor, noise: Tensor) -> Tensor:
    mean, log_std = actor(states)
    values: Tensor = critic(states, torch.tanh(mean + log_std.exp() * noise)).amin(0).detach()
    return values


def layers(*sizes: int) -> tuple[list[Tensor], list[Tensor]]:
    """Weights (M, in, out) that keep the size of activations, and biases (M, 1, out)."""
    pairs = list(pairwise(sizes))
    weights = [numbers(MEMBERS, i, o, seed=o + d) * (2 / i) ** 0.5 for d, (i, o) in enumerate(pairs)]
    return weights, [0.1 * numbers(MEMBERS, 1, o, seed=9 + d) for d, (_, o) in enumerate(pairs)]


def plain_outputs(weights: list[Tensor], biases: list[Tensor], inputs: Tensor) -> Tensor:
    x = inputs.expand(MEMBERS, *inputs.shape[-2:])
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = silu(x @ weight + bias)
    return x @ weights[-1] + biases[-1]


@pytest.fixture(params=["native", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in C where this processor and a compiler allow it, and PyTorch's everywhere."""
    if request.param == "torch":
        monkeypatch.setattr(_passes, "fits", lambda layers, dtype: False)


def policy_values(
    actor: SquashedGaussianActor, critic: TwinCritic, states: Tensor, noise: Tensor, bf16: bool
) -> Tensor:
    return SampledValues(actor, critic, torch.bfloat16 if bf16 else torch.float32)(states, noise)[0]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", [(256, 256), (64,), (32, 48, 16), ()])
@pytest.mark.parametrize("ensemble", [1, 2, 5])
def test_values_equal_those_of_the_plain_networks(rows: int, hidden: tuple[int, ...], ensemble: int) -> None:
    actor, critic = networks(hidden, ensemble)
    states, noise = numbers(rows, OBSERVATIONS), numbers(rows, ACTIONS, seed=2)
    fast = policy_values(actor, critic, states, noise, bf16=False)
    torch.testing.assert_close(fast, plain_values(actor, critic, states, noise), rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("hidden", [(256, 256), (64,), (32, 48, 16)])
def test_bfloat16_errs_by_a_twentieth_of_the_spread_at_most(hidden: tuple[int, ...]) -> None:
    actor, critic = networks(hidden)
    states, noise = numbers(3000, OBSERVATIONS), numbers(3000, ACTIONS, seed=2)
    exact = plain_values(actor, critic, states, noise)
    error = policy_values(actor, critic, states, noise, bf16=True) - exact
    assert error.abs().max() < exact.std() / 20
    assert error.square().mean().sqrt() < exact.std() / 100


@pytest.mark.usefixtures("engine")
def test_large_values_keep_their_differences_in_bfloat16() -> None:
    actor, critic = networks()
    states, noise = numbers(500, OBSERVATIONS), numbers(500, ACTIONS, seed=2)
    near = policy_values(actor, critic, states, noise, bf16=True)
    with torch.no_grad():
        critic.biases[-1] += 1000
    torch.testing.assert_close(policy_values(actor, critic, states, noise, bf16=True) - 1000, near, rtol=0, atol=1e-3)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("bf16", [False, True])
def test_neither_blocks_nor_order_of_rows_change_a_value(bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    actor, critic = networks()
    states, noise = numbers(100, OBSERVATIONS), numbers(100, ACTIONS, seed=2)
    whole = policy_values(actor, critic, states, noise, bf16)
    monkeypatch.setattr(_passes, "BLOCK", 7)
    reverse = policy_values(actor, critic, states.flip(0), noise.flip(0), bf16).flip(0)
    torch.testing.assert_close(reverse, whole, rtol=0, atol=2e-3 if bf16 else 1e-6)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("bf16", [False, True])
def test_values_follow_an_update_of_the_weights(bf16: bool) -> None:
    actor, critic = networks()
    states, noise = numbers(10, OBSERVATIONS), numbers(10, ACTIONS, seed=2)
    values = SampledValues(actor, critic, torch.bfloat16 if bf16 else torch.float32)
    before = values(states, noise)[0]
    with torch.no_grad():
        for weight in critic.weights:
            weight.mul_(1.5)
    after = values(states, noise)[0]
    assert not torch.allclose(before, after, atol=1e-2)
    torch.testing.assert_close(after, plain_values(actor, critic, states, noise), rtol=0, atol=1e-2)


@pytest.mark.usefixtures("engine")
def test_inputs_and_networks_stay_as_they_were() -> None:
    actor, critic = networks()
    states, noise = numbers(50, OBSERVATIONS), numbers(50, ACTIONS, seed=2)
    kept = [x.detach().clone() for x in (states, noise, *actor.parameters(), *critic.parameters())]
    result = policy_values(actor, critic, states, noise, bf16=True)
    now = [states, noise, *actor.parameters(), *critic.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=True))
    assert not result.requires_grad and all(p.grad is None for p in actor.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_relu_of_bits_is_relu(dtype: torch.dtype) -> None:
    x = torch.cat((numbers(1000), torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 1e-38, -1e-38]))).to(dtype)
    assert torch.equal(relu_(x.clone()), torch.relu(x))


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_an_ensemble_equals_its_members(rows: int, own: bool) -> None:
    weights, biases = layers(INPUTS, 200, 200, OUTPUTS)
    inputs = numbers(MEMBERS, rows, INPUTS) if own else numbers(rows, INPUTS)
    fast = Ensemble(weights, biases, range(MEMBERS)).all(inputs)
    torch.testing.assert_close(fast, plain_outputs(weights, biases, inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", ROWS)
def test_each_row_gets_the_output_of_its_member(rows: int) -> None:
    weights, biases = layers(INPUTS, 200, 200, OUTPUTS)
    elites, inputs = [4, 1, 2], numbers(rows, INPUTS)
    place = torch.randint(len(elites), (rows,), generator=torch.Generator().manual_seed(3))
    expected = plain_outputs(weights, biases, inputs)[torch.tensor(elites)[place], torch.arange(rows)]
    fast = Ensemble(weights, biases, elites).one_each(inputs, place)
    torch.testing.assert_close(fast, expected, rtol=1e-5, atol=1e-5)


def test_members_that_serve_no_row_do_no_harm() -> None:
    weights, biases = layers(INPUTS, 16, OUTPUTS)
    inputs, place = numbers(6, INPUTS), torch.full((6,), 3)
    fast = Ensemble(weights, biases, range(MEMBERS)).one_each(inputs, place)
    torch.testing.assert_close(fast, plain_outputs(weights, biases, inputs)[3], rtol=1e-5, atol=1e-5)


def test_an_ensemble_in_bfloat16_errs_by_a_twentieth_of_the_spread_at_most() -> None:
    weights, biases = layers(INPUTS, 200, 200, 200, 200, OUTPUTS)
    inputs = numbers(1000, INPUTS)
    exact = plain_outputs(weights, biases, inputs)
    error = Ensemble(weights, biases, range(MEMBERS), bf16=True).all(inputs) - exact
    assert error.abs().max() < exact.std() / 20
    assert error.square().mean().sqrt() < exact.std() / 100
