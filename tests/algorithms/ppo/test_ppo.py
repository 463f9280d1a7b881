"""PPO's equations on cases computed by hand, and what an update does with segments."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from spreeze.algorithms import ppo
from spreeze.algorithms.ppo import PPOConfig, PPOPart, PPOPolicy, learner
from spreeze.algorithms.ppo.learner import annealed, annealing_steps, clipped, divergence, normalised
from spreeze.contract import EnvironmentSpec, LearnerSetup, Step
from spreeze.errors import UsageError

CPU = torch.device("cpu")
LENGTH, STREAMS = 6, 4
OBSERVATION = Box(-1.0, 1.0, (3,), np.float32)
CONTINUOUS, DISCRETE = EnvironmentSpec(OBSERVATION, Box(-1.0, 1.0, (2,))), EnvironmentSpec(OBSERVATION, Discrete(3))
SMALL = PPOConfig(hidden=(8,), horizon=LENGTH, epochs=2)
Batch = Mapping[str, Tensor]


def part_of(config: PPOConfig = SMALL, spec: EnvironmentSpec = CONTINUOUS, seed: int = 0) -> PPOPart:
    part = learner(spec, config, LearnerSetup({"*": CPU}, seed, {}), 8)["ppo"]
    assert isinstance(part, PPOPart)
    return part


@torch.no_grad()
def played(part: PPOPart, seed: int = 0) -> dict[str, Tensor]:
    """Segments that the part's own policy plays on random observations; the third row of stream 1 is no transition."""
    random = torch.Generator().manual_seed(seed)
    policy, drawing = PPOPolicy(part.actor, random), torch.Generator().manual_seed(seed + 1)
    seen = torch.randn(LENGTH + 1, STREAMS, 3, generator=drawing)
    flags = {name: torch.zeros(LENGTH, STREAMS, dtype=torch.bool) for name in ("terminated", "truncated", "is_first")}
    flags["truncated"][1, 1], flags["is_first"][3, 1], flags["is_first"][0, 2] = True, True, True
    valid, state = torch.ones(LENGTH, STREAMS, dtype=torch.uint8), policy.initial_state(STREAMS)
    valid[2, 1] = 0
    head, rows = {f"state{i}": memory.clone() for i, memory in enumerate(state)}, []
    for observation, first in zip(seen[:-1], flags["is_first"], strict=True):
        _, state, extras = policy.act(Step(observation, torch.zeros(0), torch.zeros(0), first), state, "sample")
        rows.append(extras)
    extras = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    reward = torch.randn(LENGTH, STREAMS, generator=drawing)
    return (
        {"observation": seen[:-1], "next_observation": seen[1:], "reward": reward, "valid": valid}
        | flags
        | extras
        | head
    )


def test_a_ratio_beyond_the_clip_earns_no_more() -> None:
    ratio, advantage = torch.tensor([1.5, 0.5, 1.5, 0.5, 1.1]), torch.tensor([1.0, 1.0, -1.0, -1.0, 2.0])
    assert clipped(ratio, advantage, 0.2).tolist() == pytest.approx([1.2, 0.5, -1.5, -0.8, 2.2])


def test_the_divergence_is_zero_for_equal_policies_and_positive_otherwise() -> None:
    assert float(divergence(torch.zeros(5))) == 0
    ratio = torch.tensor([2.0, 0.5])
    assert float(divergence(ratio.log())) == pytest.approx((2 - 1 - np.log(2) + 0.5 - 1 + np.log(2)) / 2)


def test_advantages_are_normalised_over_a_minibatch() -> None:
    assert normalised(torch.tensor([1.0, 3.0, 5.0])).tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5], rel=1e-5)


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE])
@pytest.mark.parametrize("memory", [0, 5])
def test_the_learner_computes_the_probabilities_that_were_stored(spec: EnvironmentSpec, memory: int) -> None:
    part = part_of(dataclasses.replace(SMALL, memory=memory), spec)
    rollout, _ = part.rollout(played(part))
    _, told = part.loss(rollout)
    assert float(told["policy/divergence"]) == pytest.approx(0, abs=1e-6)
    assert float(told["policy/clipped"]) == 0


def test_rows_without_a_transition_teach_nothing() -> None:
    for memory in (0, 5):
        part = part_of(dataclasses.replace(SMALL, memory=memory))
        batch = played(part)
        rollout, _ = part.rollout(batch)
        assert len(rollout.counted(rollout.advantage)) == LENGTH * STREAMS - 1
        spoiled = dict(batch)
        spoiled["log_probability"] = batch["log_probability"].clone()
        spoiled["log_probability"][2, 1] = 7.0
        again = part_of(dataclasses.replace(SMALL, memory=memory))
        again.update({"segments": spoiled})
        part_of_same = part_of(dataclasses.replace(SMALL, memory=memory))
        part_of_same.update({"segments": batch})
        for one, other in zip(again.weights, part_of_same.weights, strict=True):
            assert torch.equal(one, other)


def test_the_loss_is_the_sum_of_its_terms() -> None:
    part = part_of(dataclasses.replace(SMALL, value_weight=0.3, entropy_weight=0.1))
    rollout, _ = part.rollout(played(part))
    loss, told = part.loss(rollout)
    expected = told["loss/actor"] + 0.3 * told["loss/critic"] - 0.1 * told["policy/entropy"]
    torch.testing.assert_close(loss.detach(), expected)


def test_an_update_counts_its_version_and_tells_how_old_its_data_are() -> None:
    part = part_of()
    batch = played(part)
    assert float(part.update({"segments": batch})["policy/lag"]) == 0
    assert float(part.actor.version) == 1
    assert float(part.update({"segments": batch})["policy/lag"]) == 1


def test_what_was_seen_is_normalised_from_the_next_update_on() -> None:
    part = part_of()
    batch = played(part)
    part.update({"segments": batch})
    rows = batch["observation"][batch["valid"].bool()]
    torch.testing.assert_close(part.actor.normaliser.mean, rows.mean(0))
    assert "normaliser.mean" in part.publish()["policy"]
    plain = part_of(dataclasses.replace(SMALL, normalise_observations=False))
    plain.update({"segments": batch})
    assert float(plain.actor.normaliser.count) == 0


def test_every_epoch_goes_through_every_row_once() -> None:
    part = part_of()
    rollout, _ = part.rollout(played(part))
    parts = list(part._minibatches(rollout))
    assert sorted(torch.cat(parts).tolist()) == list(range(rollout.size[1]))
    assert {len(one) for one in parts} == {7, 8}


def test_an_update_ends_early_when_the_policy_has_moved_too_far() -> None:
    moved = []
    for limit in (None, 1e-12):
        part = part_of(dataclasses.replace(SMALL, epochs=20, target_kl=limit))
        batch, before = played(part), part.weights[0].detach().clone()
        part.update({"segments": batch})
        moved.append(float((part.weights[0].detach() - before).norm()))
    assert moved[1] < moved[0] / 5


def test_the_policy_clips_what_it_tells_the_environment_alone() -> None:
    part = part_of(dataclasses.replace(SMALL, initial_log_std=2.0))
    policy = PPOPolicy(part.actor.requires_grad_(False), torch.Generator().manual_seed(0))
    step = Step(torch.randn(50, 3), torch.zeros(50, 2), torch.zeros(50), torch.ones(50, dtype=torch.bool))
    action, _, extras = policy.act(step, (), "sample")
    assert float(action.abs().max()) == 1
    assert float(extras["choice"].abs().max()) > 3
    assert torch.equal(action, extras["choice"].clamp(-1, 1))
    meant, _, none = policy.act(step, (), "mean")
    assert none == {}
    assert torch.equal(meant, policy.act(step, (), "mean")[0])


def test_the_step_size_falls_to_a_twentieth() -> None:
    assert [annealed(1e-3, taken, 100) for taken in (0, 50, 100, 500)] == pytest.approx([1e-3, 5e-4, 5e-5, 5e-5])
    assert annealed(1e-3, 500, 0) == 1e-3


@pytest.mark.parametrize(
    ("anneal", "env_steps", "expected"), [(0, 100, 0), (1, 100, 100), (0.5, 100, 50), (0.5, None, 0), (70, 100, 70)]
)
def test_step_sizes_fall_over_a_share_of_the_stage_or_a_number_of_steps(
    anneal: float, env_steps: int | None, expected: float
) -> None:
    assert annealing_steps(anneal, env_steps) == expected


def test_a_run_of_another_length_has_another_fall_of_the_step_size() -> None:
    setup = LearnerSetup({"*": CPU}, 0, {}, env_steps=3_000)
    [part] = learner(CONTINUOUS, dataclasses.replace(SMALL, anneal=0.5), setup).values()
    assert isinstance(part, PPOPart) and part.config.anneal == 1_500


def test_rows_taken_anneal_the_step_size_and_are_remembered() -> None:
    part = part_of(dataclasses.replace(SMALL, anneal=1_000))
    batch = played(part)
    taken = int(batch["valid"].sum())
    for _ in range(2):
        part.update({"segments": batch})
    other = part_of(dataclasses.replace(SMALL, anneal=1_000))
    other.load_state(part.state())
    other.update({"segments": batch})
    assert [one.optimizer.param_groups[0]["lr"] for one in (part, other)] == pytest.approx(
        [annealed(SMALL.learning_rate, taken, 1_000), annealed(SMALL.learning_rate, 2 * taken, 1_000)]
    )


def test_equal_seeds_learn_alike() -> None:
    one, same, other = (part_of(seed=seed) for seed in (1, 1, 2))
    batch = played(one)
    for part in (one, same, other):
        part.update({"segments": batch})
    assert all(torch.equal(a, b) for a, b in zip(one.weights, same.weights, strict=True))
    assert not torch.equal(one.weights[0], other.weights[0])


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (PPOConfig(epochs=0), "--epochs 0"),
        (PPOConfig(horizon=1), "--horizon 1: at least 2"),
        (PPOConfig(hidden=()), "--hidden : give at least one width"),
        (PPOConfig(discount=1.5), "--discount 1.5"),
        (PPOConfig(target_kl=0.0), "--target-kl 0"),
        (PPOConfig(max_lag=-1), "--max-lag -1"),
        (PPOConfig(clip=0.0), "--clip 0"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(config: PPOConfig, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ppo.ALGORITHM.stages(CONTINUOUS, config, 64)
