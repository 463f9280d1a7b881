"""The ensemble against its members taken one by one, and the elites as rollouts use them."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from spreeze.algorithms.micro.ensemble import (
    DynamicsEnsemble,
    EliteModel,
    bounded,
    negative_log_likelihood,
)
from tests.algorithms.micro.toys import ACTIONS, OBSERVATIONS, ensemble_of

ROWS = 7


def rows_of(rows: int = ROWS, seed: int = 5) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, OBSERVATIONS, generator=draw), torch.rand(rows, ACTIONS, generator=draw) * 2 - 1


def member_of(ensemble: DynamicsEnsemble, member: int) -> nn.Sequential:
    """One member as plain layers, with SiLU between them."""
    layers: list[nn.Module] = []
    for weight, bias in zip(ensemble.weights, ensemble.biases, strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[2])
        layer.load_state_dict({"weight": weight[member].t(), "bias": bias[member, 0]})
        layers += [layer, nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def scalar_bounds(raw: Tensor, low: Tensor, high: Tensor) -> Tensor:
    raw = high - torch.log1p(torch.exp(high - raw))
    return low + torch.log1p(torch.exp(raw - low))


@pytest.mark.parametrize("gradients", [True, False])
def test_the_batched_ensemble_equals_its_members_one_by_one(gradients: bool) -> None:
    ensemble, inputs = ensemble_of(), torch.cat(rows_of(), 1)
    with torch.set_grad_enabled(gradients):
        mean, log_variance = ensemble(inputs)
    for member in range(4):
        own_mean, raw = member_of(ensemble, member)(inputs).chunk(2, 1)
        own = scalar_bounds(raw, ensemble.min_log_variance, ensemble.max_log_variance)
        torch.testing.assert_close(mean[member], own_mean)
        torch.testing.assert_close(log_variance[member], own)


def test_the_activation_is_swish() -> None:
    x = torch.tensor([-2.0, 0.0, 3.0])
    torch.testing.assert_close(silu(x), x * torch.sigmoid(x))


def test_a_forward_pass_without_gradients_leaves_its_inputs_alone() -> None:
    ensemble, inputs = ensemble_of(), torch.cat(rows_of(), 1)
    kept = inputs.clone()
    with torch.no_grad():
        ensemble(inputs)
    assert torch.equal(inputs, kept)


def test_members_can_be_asked_for_and_have_rows_of_their_own() -> None:
    ensemble, inputs = ensemble_of(), torch.cat(rows_of(), 1)
    chosen, own = torch.tensor([3, 1]), torch.stack((inputs, 2 * inputs))
    mean, _ = ensemble(own, chosen)
    torch.testing.assert_close(mean[0], ensemble(inputs)[0][3])
    torch.testing.assert_close(mean[1], ensemble(2 * inputs)[0][1])


def test_the_log_variance_stays_within_its_bounds_and_is_itself_far_from_them() -> None:
    low, high = torch.tensor(-10.0), torch.tensor(0.5)
    raw = torch.tensor([-1e6, -100.0, -4.75, 100.0, 1e6])
    found = bounded(raw, low, high)
    assert found.min() >= -10
    assert found.max() <= 0.5 + 1e-4  # where both ends are nearest, the two softplus add up to e^-10.5
    torch.testing.assert_close(found[2], raw[2], atol=0.02, rtol=0)
    assert (bounded(torch.linspace(-12, 3, 100), low, high).diff() > 0).all()


def test_the_bounds_begin_as_published_and_are_learned() -> None:
    ensemble = ensemble_of()
    assert torch.equal(ensemble.max_log_variance.data, torch.full((OBSERVATIONS + 1,), 0.5))
    assert torch.equal(ensemble.min_log_variance.data, torch.full((OBSERVATIONS + 1,), -10.0))
    learned = {name for name, _ in ensemble.named_parameters()}
    assert {"max_log_variance", "min_log_variance"} < learned


def test_weights_begin_as_a_truncated_normal_and_biases_at_zero() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ensemble = DynamicsEnsemble(11, 3, (200, 200), 7, 5)
    for weight, (inputs, _) in zip(ensemble.weights, pairwise((14, 200, 200, 24)), strict=True):
        assert float(weight.data.std()) == pytest.approx(1 / (2 * math.sqrt(inputs)), rel=0.05)
    assert all(not bias.any() for bias in ensemble.biases)
    assert ensemble.elites.tolist() == [0, 1, 2, 3, 4]


def test_inputs_are_normalised_outputs_are_not_and_predictions_add_the_observation() -> None:
    ensemble, (seen, action) = ensemble_of(), rows_of()
    inputs = (torch.cat((seen, action), 1) - ensemble.input_mean) / ensemble.input_std
    torch.testing.assert_close(ensemble.normalised(seen, action), inputs)
    mean, std = ensemble.predict(seen, action)
    change, log_variance = ensemble(inputs)
    torch.testing.assert_close(mean[..., :-1], seen + change[..., :-1])
    torch.testing.assert_close(mean[..., -1], change[..., -1])
    torch.testing.assert_close(std.square(), log_variance.exp())


def test_a_step_gives_every_elite_an_equal_share_in_order_and_no_other_member_any() -> None:
    ensemble, (seen, action) = ensemble_of(), rows_of(6)
    noise = torch.randn(3, 2, OBSERVATIONS + 1, generator=torch.Generator().manual_seed(1))
    found = EliteModel(ensemble).step(seen, action, torch.Generator().manual_seed(1))
    mean, std = ensemble.predict(seen, action)
    expected = [mean[1 + i // 2, i] + std[1 + i // 2, i] * noise[i // 2, i % 2] for i in range(6)]
    torch.testing.assert_close(found, torch.stack(expected))


def test_what_a_step_draws_has_the_moments_of_the_elite() -> None:
    ensemble, (seen, action) = ensemble_of(), rows_of(1)
    seen, action = seen.expand(3 * 20_000, -1), action.expand(3 * 20_000, -1)
    drawn = EliteModel(ensemble).step(seen, action, torch.Generator().manual_seed(2)).view(3, 20_000, -1)
    mean, std = ensemble.predict(seen[:1], action[:1], ensemble.elites)
    assert ((drawn.mean(1) - mean[:, 0]).abs() < 5 * std[:, 0] / math.sqrt(20_000)).all()
    torch.testing.assert_close(drawn.std(1), std[:, 0], rtol=0.03, atol=0)


def test_next_observations_are_samples_of_every_elite_without_the_reward() -> None:
    ensemble, (seen, action) = ensemble_of(), rows_of(2)
    states = EliteModel(ensemble).next_observations(seen, action, 20_000, torch.Generator().manual_seed(2))
    assert states.shape == (20_000, 3, 2, OBSERVATIONS)
    mean, std = (x[..., :-1] for x in ensemble.predict(seen, action, ensemble.elites))
    assert ((states.mean(0) - mean).abs() < 5 * std / math.sqrt(20_000)).all()
    torch.testing.assert_close(states.std(0), std, rtol=0.03, atol=0)
    noise = (states - mean) / std
    assert float((noise[:, 0] * noise[:, 1]).mean().abs()) < 0.02  # elites draw on their own


def test_with_common_noise_elites_differ_by_mean_and_deviation_alone() -> None:
    ensemble, (seen, action) = ensemble_of(), rows_of(2)
    states = EliteModel(ensemble).next_observations(seen, action, 4, torch.Generator().manual_seed(2), common=True)
    mean, std = (x[..., :-1] for x in ensemble.predict(seen, action, ensemble.elites))
    noise = (states - mean) / std
    torch.testing.assert_close(noise, noise[:, :1].expand_as(noise), rtol=1e-4, atol=1e-4)


def test_the_model_has_no_gradients() -> None:
    model = EliteModel(ensemble_of())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_likelihood_is_averaged_over_rows_and_outputs_and_summed_over_members() -> None:
    mean, log_variance = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]), torch.tensor([[[0.0, 1.0]], [[0.0, 0.0]]])
    targets = torch.tensor([[[3.0, 2.0]], [[0.0, 4.0]]])  # (2 members, 1 row, 2 outputs)
    first, second = (4.0 + (4.0 / math.e + 1.0)) / 2, (0.0 + 16.0) / 2
    assert float(negative_log_likelihood(mean, log_variance, targets)) == pytest.approx(first + second)
