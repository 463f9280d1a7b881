"""The blind policy, what a modulator adds to it, and what both are shown."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from spreeze.algorithms.heightmap.networks import BlindActor, Modulator
from spreeze.algorithms.heightmap.policy import MEAN, SAMPLE, WalkingPolicy
from spreeze.algorithms.heightmap.walking import WalkingPart
from spreeze.contract import LearnerSetup
from tests.algorithms.heightmap.scene import NOBODY, first_step, modules, observations, senses, stages

STREAMS = 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def walk(policy: WalkingPolicy, seen: Tensor, mode: str = MEAN) -> tuple[Tensor, list[Mapping[str, Tensor]]]:
    """Actions (L, N, A) and extras at observations (L, N, O) of episodes that begin with the first."""
    state, actions, told = policy.initial_state(seen.shape[1]), [], []
    for index, observation in enumerate(seen):
        action, state, extras = policy.act(first_step(observation, index == 0), state, mode)
        actions.append(action)
        told.append(extras)
    return torch.stack(actions), told


def handed_on(seed: int = 0) -> tuple[BlindActor, Modulator]:
    """A blind policy, and a modulator as its stage begins with it."""
    [blind] = modules("blind", seed=seed)
    inherited = {"blind": blind.state_dict()}
    part = stages()[1].make_learner(LearnerSetup(NOBODY.devices, seed, inherited))["walk"]
    assert isinstance(part, WalkingPart)
    assert isinstance(part.actor, Modulator)
    return blind, part.actor


def test_without_modulation_the_action_is_the_blind_policys_exactly() -> None:
    blind, modulator = handed_on()
    seen = observations(5, STREAMS)
    alone, _ = walk(WalkingPolicy(generator(), blind), seen)
    modulated, _ = walk(WalkingPolicy(generator(), blind, modulator), seen)
    assert torch.equal(alone, modulated)
    assert torch.equal(alone[..., 6:], torch.zeros(5, STREAMS, 3)), "the clock goes on as it does"
    assert alone[..., :6].abs().min() > 0


def test_a_modulation_is_added_to_the_blind_action() -> None:
    blind, modulator = handed_on()
    seen, added = observations(5, STREAMS), 0.1 * torch.arange(9) - 0.4
    alone, _ = walk(WalkingPolicy(generator(), blind), seen)
    with torch.no_grad():
        modulator.head.linear.bias.copy_(added)
    modulated, _ = walk(WalkingPolicy(generator(), blind, modulator), seen)
    torch.testing.assert_close(modulated, (alone + added).clamp(-1, 1))


def test_the_blind_policy_sees_nothing_but_the_state() -> None:
    [blind] = modules("blind")
    seen, other = observations(4, STREAMS, seed=1), observations(4, STREAMS, seed=2)
    other = senses().put(other, "state", senses().take(seen, "state"))
    policy = WalkingPolicy(generator(), blind)
    assert torch.equal(walk(policy, seen)[0], walk(policy, other)[0])


@pytest.mark.parametrize("vision", [True, False])
def test_the_modulator_sees_the_map_unless_it_is_without_vision(vision: bool) -> None:
    blind, modulator = modules("blind", "modulator", vision=vision)
    seen = observations(3, STREAMS)
    higher = senses().put(seen, "map", senses().take(seen, "map") + 0.3)
    policy = WalkingPolicy(generator(), blind, modulator)
    assert torch.equal(walk(policy, seen)[0], walk(policy, higher)[0]) is not vision
    privileged = senses().put(seen, "privileged", torch.zeros(3, STREAMS, 29))
    assert torch.equal(walk(policy, seen)[0], walk(policy, privileged)[0])


def test_without_a_learned_clock_its_actions_are_0() -> None:
    blind, modulator = modules("blind", "modulator", learned_clock=False)
    actions, _ = walk(WalkingPolicy(generator(), blind, modulator), observations(3, STREAMS), SAMPLE)
    assert torch.equal(actions[..., 6:], torch.zeros(3, STREAMS, 3))
    assert actions[..., :6].std() > 0


def test_by_prediction_the_predicted_map_takes_the_place_of_the_told_one() -> None:
    blind, modulator, predictor = modules("blind", "modulator", "predictor")
    seen = observations(4, STREAMS)
    by_prediction, told = walk(WalkingPolicy(generator(), blind, modulator, predictor, True), seen)
    predicted = senses().put(seen, "map", torch.stack([extras["map"] for extras in told]))
    by_map, _ = walk(WalkingPolicy(generator(), blind, modulator), predicted)
    assert torch.equal(by_prediction, by_map)
    beside, _ = walk(WalkingPolicy(generator(), blind, modulator, predictor), seen)
    assert torch.equal(beside, walk(WalkingPolicy(generator(), blind, modulator), seen)[0])


def test_a_sampled_action_is_stored_with_its_probability_and_the_blind_action() -> None:
    blind, modulator = modules("blind", "modulator")
    policy = WalkingPolicy(generator(), blind, modulator)
    action, _, extras = policy.act(first_step(observations(STREAMS)), policy.initial_state(STREAMS), SAMPLE)
    assert torch.equal(action, extras["choice"].clamp(-1, 1))
    assert extras["blind"].shape == (STREAMS, 6)
    assert extras["log_probability"].shape == extras["version"].shape == (STREAMS,)
