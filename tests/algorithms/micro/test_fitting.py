"""Fitting the ensemble: what it learns, from which rows, when it stops, how it goes on, and what it keeps."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spreeze.algorithms.micro.ensemble import DynamicsEnsemble, negative_log_likelihood
from spreeze.algorithms.micro.fitting import WEIGHT_DECAYS, DynamicsPart, FitOptions, Transitions
from spreeze.cache import keep
from tests.algorithms.micro.toys import CPU, dataset_of, episodes_of

OPTIONS = FitOptions(learning_rate=3e-3, batch=64, patience=5, epochs=1000, seed=0)
MATRIX = torch.tensor([[-0.3, 0.2, 0.5], [0.1, -0.4, 0.8], [1.0, -1.0, 0.5]])
"""Mean change of both observations, and of the reward, by (x, y, a)."""
NOISE = torch.tensor([0.05, 0.2, 0.5])


@cache
def rows_of(count: int = 2000, seed: int = 0) -> Transitions:
    """A linear system with Gaussian noise; the observations are far from being normalised."""
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 3, generator=draw) * torch.tensor([1.0, 1.0, 0.6])
    targets = inputs @ MATRIX.t() + NOISE * torch.randn(count, 3, generator=draw)
    return Transitions(inputs, targets)


def network(seed: int = 0, members: int = 4, elites: int = 2) -> DynamicsEnsemble:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DynamicsEnsemble(2, 1, (24,), members, elites)


def part_of(load: Callable[[], Transitions] = rows_of, key: str | None = None, **options: Any) -> DynamicsPart:
    fit = FitOptions(**{**vars(OPTIONS), **options})
    return DynamicsPart(network(fit.seed), load, fit, key, CPU)


def finish(part: DynamicsPart, limit: int = 5000) -> DynamicsPart:
    for _ in range(limit):
        if part.finished:
            return part
        part.update({})
    raise AssertionError("it does not end")


def begun(**options: Any) -> DynamicsPart:
    """A part that has made its first update, for which it has read the data."""
    part = part_of(**options)
    part.update({})
    return part


def order_of(part: DynamicsPart) -> Tensor:
    assert part.order is not None
    return part.order


@pytest.fixture(scope="module")
def fitted() -> DynamicsPart:
    return finish(part_of())


def test_a_linear_gaussian_system_is_learned_and_its_noise_too(fitted: DynamicsPart) -> None:
    fresh = rows_of(2000, seed=1)
    seen, action = fresh.inputs[:, :2], fresh.inputs[:, 2:]
    with torch.no_grad():
        mean, std = fitted.ensemble.predict(seen, action, fitted.ensemble.elites)
    change = mean - torch.nn.functional.pad(seen, (0, 1))
    error = (change.mean(0) - fresh.inputs @ MATRIX.t()).square().mean(0).sqrt()
    assert (error < 0.2 * NOISE + 0.02).all()
    assert ((std.mean((0, 1)) / NOISE - 1).abs() < 0.2).all()
    surprise = ((fresh.targets - change) / std).square().mean((0, 1)).sqrt()
    assert ((surprise - 1).abs() < 0.1).all()


def test_transitions_are_inputs_and_the_change_they_bring_within_episodes() -> None:
    episodes = episodes_of([2, 3])
    found = Transitions.of(dataset_of(episodes))
    assert found.inputs.shape == (5, 5)
    assert found.targets.shape == (5, 4)
    second = episodes[1]
    for step in range(3):
        seen, after = second.observation[step : step + 2]
        np.testing.assert_array_equal(found.inputs[2 + step], np.concatenate((seen, second.action[step])))
        np.testing.assert_array_equal(found.targets[2 + step], np.append(after - seen, second.reward[step]))


def test_the_data_are_read_when_they_are_needed() -> None:
    part = part_of(unread)
    with pytest.raises(AssertionError, match="not needed"):
        part.update({})


@pytest.mark.parametrize(("count", "held_out"), [(2000, 400), (4995, 999), (9000, 1000)])
def test_a_fifth_of_the_rows_is_held_out_a_thousand_at_most(count: int, held_out: int) -> None:
    part = begun(load=partial(rows_of, count))
    assert len(part.held_out.inputs) == held_out
    assert len(part.train.inputs) == count - held_out
    both = torch.cat((part.held_out.targets, part.train.targets))
    assert torch.equal(both.sort(0).values, rows_of(count).targets.sort(0).values)


def test_every_member_trains_on_a_bootstrap_of_its_own_and_on_the_same_rows_in_every_epoch() -> None:
    part = begun()
    order = order_of(part)
    first = order.sort(1).values
    assert order.shape == (4, 1600)
    assert all(not torch.equal(first[0], other) for other in first[1:])
    assert 0.6 < len(first[0].unique()) / 1600 < 0.66  # 1 - 1 / e
    while part.epoch == 0:
        part.update({})
    assert not torch.equal(order_of(part), order)
    assert torch.equal(order_of(part).sort(1).values, first)


def test_inputs_are_normalised_by_the_rows_that_are_trained_on() -> None:
    part = begun()
    torch.testing.assert_close(part.train.inputs.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(part.train.inputs.std(0, correction=0), torch.ones(3))
    raw = part.train.inputs * part.ensemble.input_std + part.ensemble.input_mean
    torch.testing.assert_close(raw @ MATRIX.t(), part.train.targets, atol=2.5, rtol=0)


def test_an_input_that_never_varies_is_not_scaled() -> None:
    still = Transitions(rows_of().inputs * torch.tensor([1.0, 0.0, 1.0]), rows_of().targets)
    assert float(begun(load=lambda: still).ensemble.input_std[1]) == 1.0


def test_held_out_rows_have_no_influence_on_the_weights() -> None:
    """Their targets are made nonsense while the first epoch runs; it ends with the same weights."""
    parts = begun(epochs=1), begun(epochs=1)
    parts[1].held_out.targets.mul_(-7)
    for part in parts:
        finish(part)
    one, other = (part.ensemble.state_dict() for part in parts)
    assert not torch.equal(parts[0].best, parts[1].best)
    assert all(torch.equal(one[name], other[name]) for name in one if name != "elites")


def test_the_loss_is_the_likelihood_the_decay_of_weights_and_the_width_of_the_bounds() -> None:
    part = begun()
    part.ensemble.load_state_dict(network().state_dict())
    rows = part.train.take(order_of(part)[:, :10].long())
    mean, log_variance = part.ensemble(rows.inputs)
    expected = negative_log_likelihood(mean, log_variance, rows.targets)
    for rate, weight in zip(WEIGHT_DECAYS, part.ensemble.weights, strict=False):
        expected = expected + rate * 0.5 * weight.square().sum()
    expected = expected + 0.01 * (3 * 0.5 + 3 * 10.0)
    torch.testing.assert_close(part.loss(rows), expected)


class Scripted(DynamicsPart):
    """A part whose held-out errors are given epoch by epoch; every epoch is one step."""

    script: list[list[float]]

    def errors(self) -> Tensor:
        return torch.tensor(self.script[self.epoch])


def scripted(script: list[list[float]], **options: Any) -> tuple[Scripted, list[dict[str, Tensor]]]:
    """The finished part, and its ensemble's tensors after each epoch's training."""
    fit = FitOptions(**{**vars(OPTIONS), "batch": 10_000, **options})
    part, seen = Scripted(network(), rows_of, fit, None, CPU), []
    part.script = script
    record = part.end_epoch

    def end_epoch() -> None:
        seen.append({name: tensor.clone() for name, tensor in part.ensemble.state_dict().items()})
        record()

    part.end_epoch = end_epoch  # type: ignore[method-assign]
    finish(part)
    return part, seen


FALLING = [[9.0, 8.0, 7.0, 6.0], [8.0, 8.5, 7.0, 5.99], [8.0, 1.0, 9.0, 9.0], *[[7.95, 1.0, 6.99, 5.95]] * 10]
"""Errors of four members; those from the fourth epoch on are improvements by less than a hundredth."""


def test_fitting_ends_after_patience_epochs_without_an_improvement_of_a_hundredth_or_after_all_epochs() -> None:
    part, _ = scripted(FALLING, patience=3)
    assert part.epoch == 3 + 3  # the third improved, the fourth to sixth did not
    assert part.best.tolist() == [8.0, 1.0, 7.0, 6.0]
    assert scripted(FALLING, patience=3, epochs=2)[0].epoch == 2


def test_every_member_goes_back_to_its_best_epoch_and_the_bounds_stay() -> None:
    part, seen = scripted(FALLING, patience=3)
    ended = part.ensemble.state_dict()
    for member, epoch in enumerate([1, 2, 0, 0]):
        for name in ("weights.0", "weights.1", "biases.0", "biases.1"):
            assert torch.equal(ended[name][member], seen[epoch][name][member])
    assert torch.equal(ended["max_log_variance"], seen[-1]["max_log_variance"])


def test_elites_are_the_members_with_the_least_errors() -> None:
    part, _ = scripted(FALLING, patience=3)
    assert part.ensemble.elites.tolist() == [1, 3]


def assert_same(one: DynamicsPart, other: DynamicsPart) -> None:
    left, right = one.state(), other.state()
    assert left.keys() == right.keys()
    assert [name for name, tensor in left.items() if not torch.equal(tensor, right[name])] == []


@pytest.mark.parametrize("updates", [0, 10, 25, 60], ids=["anew", "first epoch", "end of an epoch", "third epoch"])
def test_a_restored_part_goes_on_to_the_bit(updates: int) -> None:
    saved, restored = part_of(epochs=4, seed=3), part_of(epochs=4, seed=4)
    for _ in range(updates):
        saved.update({})
    restored.load_state({name: tensor.clone() for name, tensor in saved.state().items()})
    assert_same(restored, saved)
    for part in (saved, restored):
        finish(part)
    assert_same(restored, saved)


def test_a_restored_part_goes_back_to_the_best_epochs_of_its_predecessor() -> None:
    saved, restored = part_of(epochs=4), part_of(epochs=4, seed=1)
    for update in range(60):
        saved.update({})
        if update == 30:
            saved.best.zero_()  # nothing will be an improvement on this
    assert not torch.equal(saved.snapshot["weights.0"], saved.ensemble.weights[0])
    restored.load_state({name: tensor.clone() for name, tensor in saved.state().items()})
    finish(restored)
    assert torch.equal(restored.ensemble.weights[0], saved.snapshot["weights.0"])


def test_a_part_that_had_finished_is_finished_when_restored() -> None:
    saved, restored = finish(part_of(epochs=1)), part_of(epochs=1)
    restored.load_state(saved.state())
    assert restored.finished
    assert_same(restored, saved)
    assert set(restored.publish()) == {"dynamics"}


def test_the_ensemble_is_published_at_the_beginning_and_when_it_is_finished() -> None:
    part = part_of(epochs=1)
    assert set(part.publish()) == {"dynamics"}
    part.update({})
    assert part.publish() == {}
    finish(part)
    assert part.publish()["dynamics"].keys() == part.ensemble.state_dict().keys()
    assert part.publish() == {}


def unread() -> Transitions:
    raise AssertionError("the data are not needed")


def test_what_was_fitted_is_taken_from_the_cache_without_a_look_at_the_data(own_cache: Path) -> None:
    first = finish(part_of(key="one", epochs=1))
    assert [path.name for path in own_cache.rglob("*.safetensors")] == ["one.safetensors"]
    second = part_of(unread, key="one", epochs=1)
    assert second.finished
    ended, published = first.ensemble.state_dict(), second.publish()["dynamics"]
    assert all(torch.equal(ended[name], tensor) for name, tensor in published.items())


def test_a_part_without_a_key_keeps_nothing_and_one_with_another_finds_nothing(own_cache: Path) -> None:
    finish(part_of(epochs=1))
    assert not own_cache.exists()
    finish(part_of(key="one", epochs=1))
    assert not part_of(key="two").finished


def test_a_part_that_takes_the_cache_ignores_the_state_of_an_unfinished_one() -> None:
    early = begun(epochs=1)
    done = finish(part_of(key="one", epochs=1))
    found = part_of(unread, key="one", epochs=1)
    found.load_state(early.state())
    assert found.finished
    assert torch.equal(found.ensemble.weights[0], done.ensemble.weights[0])


@pytest.mark.parametrize("damage", ["cut", "another network", "not finite"])
def test_a_damaged_cache_is_ignored(own_cache: Path, damage: str) -> None:
    finish(part_of(key="one", epochs=1))
    file = own_cache / "dynamics" / "one.safetensors"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        wrong = network(members=5) if damage == "another network" else network()
        wrong.max_log_variance.data.fill_(1.0 if damage == "another network" else float("nan"))
        keep("dynamics", "one", wrong.state_dict())
    part = part_of(key="one", epochs=1)
    assert not part.finished
    finish(part)
    assert part_of(unread, key="one", epochs=1).finished
