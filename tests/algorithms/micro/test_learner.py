"""The critic and the actor of the policy stage: targets, what they depend on, and what every option changes."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spreeze.algorithms import _passes, sac
from spreeze.algorithms.micro import MICRO, EliteModel, Operator, make_parts
from spreeze.algorithms.micro.learner import PLAIN, ActorPart, CriticPart, mixed
from spreeze.algorithms.mobile import MOBILE
from spreeze.algorithms.sac import SACConfig
from spreeze.contract import EnvironmentSpec, LearnerSetup
from tests.algorithms.micro.toys import (
    ACTIONS,
    CPU,
    OBSERVATIONS,
    ROWS,
    Batch,
    batch_of,
    copy_of,
    ensemble_of,
    micro,
    parts_of,
    setup_of,
)
from tests.algorithms.test_sac import SPACES, make_constant

BATCHES: Mapping[str, Batch] = {"logged": batch_of(1), "imagined": batch_of(2)}


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values in float32 on every processor."""
    monkeypatch.setattr(_passes, "fast_bfloat16", lambda: False)


def target_of(part: CriticPart, batches: Mapping[str, Batch] = BATCHES) -> Tensor:
    return part.target(mixed(batches), batches.get("imagined"))[0]


def target_with(operator: Operator = MICRO, termination: Any = None, **options: Any) -> Tensor:
    return target_of(parts_of(micro(**options), operator=operator, termination=termination)[0])


def gap_by_hand(part: CriticPart, samples: int, reduce: Callable[[Tensor], Tensor] = torch.mean) -> Tensor:
    """U of the imagined rows, row by row and elite by elite, with the noise that the part is about to draw."""
    assert part.model is not None
    rows, ensemble, nets, draw = BATCHES["imagined"], part.model.ensemble, part.networks, copy_of(part.generator)
    torch.randn(2 * ROWS, ACTIONS, generator=draw)  # for the next actions of the whole batch
    noise = torch.randn(samples, len(ensemble.elites), ROWS, OBSERVATIONS, generator=draw)
    jitter = torch.randn(samples, len(ensemble.elites), ROWS, ACTIONS, generator=draw)
    mean, std = ensemble.predict(rows["observation"], rows["action"])
    gaps = []
    for row in range(ROWS):
        q = []
        for place, member in enumerate(ensemble.elites):
            values = []
            for n in range(samples):
                state = (mean[member, row] + std[member, row] * torch.cat((noise[n, place, row], torch.zeros(1))))[:-1]
                center, log_std = nets.actor(state[None])
                values.append(nets.target(state[None], torch.tanh(center + log_std.exp() * jitter[n, place, row])))
            q.append(reduce(torch.stack([value.amin() for value in values])))
        gaps.append(torch.stack(q).mean() - torch.stack(q).min())
    return torch.stack(gaps).detach()


@pytest.mark.parametrize(("reduction", "reduce"), [("mean", torch.mean), ("min", torch.amin)])
def test_the_penalty_is_the_gap_between_the_elites_values_of_sampled_next_states(
    reduction: Any, reduce: Callable[[Tensor], Tensor]
) -> None:
    critic, _ = parts_of(micro(beta=0.5, sample_reduction=reduction))
    critic.networks.critic.load_state_dict({n: -t for n, t in critic.networks.target.state_dict().items()})
    expected = gap_by_hand(critic, 3, reduce)
    _, penalty = critic.target(mixed(BATCHES), BATCHES["imagined"])
    assert torch.equal(penalty[:ROWS], torch.zeros(ROWS))
    torch.testing.assert_close(penalty[ROWS:], expected, rtol=1e-4, atol=1e-6)
    assert expected.min() > 0


@pytest.mark.parametrize("operator", [MICRO, MOBILE])
def test_targets_of_logged_rows_are_independent_of_beta(operator: Operator) -> None:
    plain, some, full = (target_with(operator, beta=beta) for beta in (0.0, 0.3, 1.0))
    assert torch.equal(plain[:ROWS], some[:ROWS])
    assert torch.equal(plain[:ROWS], full[:ROWS])
    assert (plain >= some).all()
    assert (some >= full).all()


def test_targets_of_imagined_rows_fall_with_beta_except_of_terminal_ones_with_mobile_of_these_too() -> None:
    going_on = BATCHES["imagined"]["terminated"] == 0
    for operator, expected in ((MICRO, going_on), (MOBILE, torch.ones(ROWS, dtype=torch.bool))):
        less = target_with(operator, beta=0.0)[ROWS:] - target_with(operator, beta=1.0)[ROWS:]
        assert torch.equal(less > 1e-5, expected)


@pytest.mark.parametrize("operator", [PLAIN, MICRO, MOBILE])
def test_with_beta_zero_the_target_is_that_of_sac_for_the_same_noise(operator: Operator) -> None:
    fair = SACConfig(hidden=(16,), discount=0.95, initial_temperature=0.3)
    theirs = sac.learner(EnvironmentSpec(SPACES.observation, SPACES.action), fair, setup_of(4), 2 * ROWS)["critic"]
    assert isinstance(theirs, sac.CriticPart)
    critic, _ = parts_of(micro(beta=0.0, discount=0.95, initial_temperature=0.3), seed=4, operator=operator)
    assert torch.equal(target_of(critic), theirs.target(mixed(BATCHES)))


def test_members_that_are_no_elites_do_not_matter_and_elites_do() -> None:
    def changed(member: int) -> Tensor:
        ensemble = ensemble_of()
        with torch.no_grad():
            [weight[member].mul_(-2.0) for weight in ensemble.weights]
        return target_of(parts_of(micro(beta=1.0), model=EliteModel(ensemble))[0])

    untouched = target_with(beta=1.0)
    assert ensemble_of().elites.tolist() == [1, 2, 3]
    assert torch.equal(changed(0), untouched)
    assert all(not torch.allclose(changed(member), untouched) for member in (1, 2, 3))


def test_masked_ends_count_as_zero_in_the_penalty() -> None:
    ends = {bound: partial(beyond, bound) for bound in (-math.inf, 0.0, math.inf)}
    all_end, some_end, none_ends = (target_with(MICRO, end, beta=1.0, mask_ends=True) for end in ends.values())
    assert torch.equal(all_end, target_with(beta=0.0))
    assert torch.equal(none_ends, target_with(beta=1.0))
    assert not torch.allclose(some_end, all_end)
    assert not torch.allclose(some_end, none_ends)
    assert torch.equal(target_with(MICRO, ends[-math.inf], beta=1.0), target_with(beta=1.0))


def beyond(bound: float, seen: Tensor) -> Tensor:
    return seen[..., 0] > bound


def test_a_batch_without_logged_rows_has_a_penalty_in_every_row() -> None:
    critic, actor = parts_of(micro(beta=1.0))
    only = {"imagined": BATCHES["imagined"]}
    _, penalty = critic.target(mixed(only), only["imagined"])
    assert penalty.min() > 0
    assert {"value/imagined", "penalty/mean"} < set(critic.update(only))
    assert actor.update(only)


def test_a_batch_without_imagined_rows_has_none() -> None:
    critic, _ = parts_of(micro(beta=1.0))
    only = {"logged": BATCHES["logged"]}
    assert torch.equal(critic.target(mixed(only), None)[1], torch.zeros(ROWS))
    assert {"loss/critic", "value/logged"} == set(critic.update(only))


VARIANTS: list[dict[str, Any]] = [
    {"sample_reduction": "min"},
    {"deterministic_backup": True},
    {"target_floor": 0.0},
    {"common_noise": True},
    {"samples": 4},
    {"beta": 0.4},
    {"discount": 0.9},
    {"initial_temperature": 0.5},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=[next(iter(variant)) for variant in VARIANTS])
def test_every_variant_changes_the_target(variant: dict[str, Any]) -> None:
    assert not torch.allclose(target_with(**variant), target_with())


def test_the_floor_is_the_least_target() -> None:
    free, bounded = target_with(), target_with(target_floor=-0.25)
    assert free.min() < -0.25
    assert torch.equal(bounded, free.clamp(min=-0.25))


def test_a_deterministic_backup_is_the_smaller_value_alone() -> None:
    critic, _ = parts_of(micro(beta=0.0, deterministic_backup=True, discount=0.9))
    make_constant(critic.networks.target, (3.0, 2.0))
    rows = mixed(BATCHES)
    torch.testing.assert_close(target_of(critic), rows["reward"] + 0.9 * (1 - rows["terminated"]) * 2.0)


def test_the_critics_loss_is_the_mean_squared_distance_of_both_to_the_target() -> None:
    critic, _ = parts_of(micro(beta=0.0, discount=0.0))
    make_constant(critic.networks.critic, (1.0, 4.0))
    reward = mixed(BATCHES)["reward"]
    expected = 0.5 * ((1 - reward).square().mean() + (4 - reward).square().mean())
    assert float(critic.update(BATCHES)["loss/critic"]) == pytest.approx(float(expected), rel=1e-5)


def test_an_update_moves_the_targets_by_the_polyak_rate() -> None:
    critic, _ = parts_of(micro(polyak_rate=0.25))
    before = [p.clone() for p in critic.networks.target.parameters()]
    critic.update(BATCHES)
    now = zip(before, critic.networks.target.parameters(), critic.networks.critic.parameters(), strict=True)
    for old, target, source in now:
        torch.testing.assert_close(target, 0.75 * old + 0.25 * source.detach())


@pytest.mark.parametrize(("updates", "share"), [(0, 1.0), (500, 0.5), (1000, 0.0), (2000, 0.0)])
def test_the_actors_step_size_falls_to_zero_by_half_a_cosine(updates: int, share: float) -> None:
    _, actor = parts_of(micro(updates=1000, actor_learning_rate=0.01))
    actor.updates = updates
    assert actor.learning_rate() == pytest.approx(0.01 * share, abs=1e-9)
    before = actor.networks.actor.state_dict()["net.0.weight"].clone()
    actor.update(BATCHES)
    moved = float((actor.networks.actor.state_dict()["net.0.weight"] - before).abs().max())
    assert moved == pytest.approx(0.01 * share, rel=1e-2, abs=1e-9)  # Adam's first step is its step size


def temperature_after(entropy: float, updates: int = 300, **options: Any) -> float:
    _, actor = parts_of(micro(temperature_learning_rate=0.1, **options))
    for _ in range(updates):
        actor.move_temperature(torch.tensor(entropy))
    return float(actor.networks.temperature())


def test_the_temperature_rises_to_one_at_most_and_falls_while_the_policy_is_too_random() -> None:
    assert temperature_after(-50.0, initial_temperature=0.5) == 1.0
    assert temperature_after(-50.0, updates=1, initial_temperature=0.5) > 0.5
    assert temperature_after(50.0, initial_temperature=0.5) < 0.01


@pytest.mark.parametrize(("automatic", "moves"), [(True, True), (False, False)])
def test_the_temperature_moves_only_if_it_is_automatic(automatic: bool, moves: bool) -> None:
    _, actor = parts_of(micro(automatic_temperature=automatic, initial_temperature=0.5))
    actor.update(BATCHES)
    assert (float(actor.networks.temperature()) != 0.5) is moves


def test_an_update_of_the_actor_leaves_the_critic_without_a_gradient() -> None:
    _, actor = parts_of()
    actor.update(BATCHES)
    assert all(parameter.grad is None for parameter in actor.networks.critic.parameters())


def parts_on(devices: Mapping[str, torch.device]) -> dict[str, CriticPart | ActorPart]:
    config, model = micro(beta=0.5), EliteModel(ensemble_of())
    made = make_parts((OBSERVATIONS, ACTIONS), config, {}, LearnerSetup(devices, 3, {}), MICRO, model)
    return dict(made)  # type: ignore[arg-type]


def test_a_learner_on_two_devices_equals_a_joint_one() -> None:
    joint, split = parts_on({"*": CPU}), parts_on({"*": CPU, "actor": torch.device("cpu", 0)})
    assert joint["critic"].reads["actor"] is joint["actor"].owns["actor"]
    assert split["critic"].reads["actor"] is not split["actor"].owns["actor"]
    for update in range(20):
        batches = {"logged": batch_of(2 * update), "imagined": batch_of(2 * update + 1)}
        for name, partner in (("critic", "actor"), ("actor", "critic")):
            exchange(split[name].reads, split[partner].owns)
            joint[name].update(batches)
            split[name].update(batches)
    for name, part in joint.items():
        ended, other = part.state(), split[name].state()
        assert [key for key, tensor in ended.items() if not torch.equal(tensor, other[key])] == []


def exchange(reads: Mapping[str, nn.Module], owned: Mapping[str, nn.Module]) -> None:
    for name, module in reads.items():
        module.load_state_dict(owned[name].state_dict())
