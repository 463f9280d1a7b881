"""Predictors: causal, the same step by step, and of what they are made."""

from typing import Any

import pytest
import torch
from torch import Tensor

from spreeze.algorithms.heightmap.predictors import Predictor
from tests.algorithms.heightmap.scene import modules, observations, senses

KINDS = ["lstm", "lstm_no_state", "transformer", "memoryless"]
LENGTH, STREAMS = 11, 3
every_kind = pytest.mark.parametrize("kind", KINDS)


def predictor_of(kind: str, **changes: Any) -> Predictor:
    """One whose refiner has begun to refine."""
    [predictor] = modules("predictor", predictor=kind, **changes)
    if predictor.refiner is not None:
        torch.nn.init.constant_(predictor.refiner.last.weight, 0.5)
    return predictor.requires_grad_(False)  # type: ignore[no-any-return]


def predicted(predictor: Predictor, seen: Tensor, is_first: Tensor) -> Tensor:
    found: Tensor = predictor(seen, is_first, predictor.initial_state(seen.shape[1]))[1]
    return found


def begins(row: int = 5, stream: int = 1) -> Tensor:
    """Flags of streams whose episodes go on, but for one that begins in a row."""
    is_first = torch.zeros(LENGTH, STREAMS, dtype=torch.bool)
    is_first[row, stream] = True
    return is_first


@every_kind
def test_a_map_does_not_depend_on_what_comes_later(kind: str) -> None:
    predictor, seen = predictor_of(kind), observations(LENGTH, STREAMS)
    later = seen.clone()
    later[7:] = observations(LENGTH - 7, STREAMS, seed=1)
    one, other = (predicted(predictor, inputs, begins()) for inputs in (seen, later))
    torch.testing.assert_close(one[:7], other[:7])
    assert not torch.allclose(one[7:], other[7:])


@every_kind
def test_a_whole_history_gives_what_single_steps_give(kind: str) -> None:
    predictor, seen, is_first = predictor_of(kind), observations(LENGTH, STREAMS), begins()
    whole = predictor(seen, is_first, predictor.initial_state(STREAMS))
    state, steps = predictor.initial_state(STREAMS), []
    for observation, first in zip(seen, is_first, strict=True):
        _, found, state = predictor(observation[None], first[None], state)
        steps.append(found)
    torch.testing.assert_close(torch.cat(steps), whole[1])
    for one, other in zip(state, whole[2], strict=True):
        torch.testing.assert_close(one, other)


@every_kind
def test_a_history_goes_on_where_another_ended(kind: str) -> None:
    predictor, seen, is_first = predictor_of(kind), observations(LENGTH, STREAMS), begins()
    whole = predicted(predictor, seen, is_first)
    _, first, state = predictor(seen[:6], is_first[:6], predictor.initial_state(STREAMS))
    _, second, _ = predictor(seen[6:], is_first[6:], state)
    torch.testing.assert_close(torch.cat((first, second)), whole)


@every_kind
def test_an_episode_begins_without_the_one_before(kind: str) -> None:
    predictor, seen = predictor_of(kind), observations(LENGTH, STREAMS)
    whole = predicted(predictor, seen, begins(5, 1))
    anew = predicted(predictor, seen[5:], torch.zeros(LENGTH - 5, STREAMS, dtype=torch.bool))
    torch.testing.assert_close(whole[5:, 1], anew[:, 1])


@every_kind
def test_what_a_predictor_looks_at(kind: str) -> None:
    predictor, seen, never = predictor_of(kind), observations(LENGTH, STREAMS), begins() & False
    found = predicted(predictor, seen, never)
    for name in ("state", "map", "clean_map", "privileged", "collision", "motion", "depth"):
        changed = senses().put(seen, name, torch.zeros_like(senses().take(seen, name)))
        looks = name == "depth" or (name == "motion" and kind != "lstm_no_state")
        assert torch.equal(predicted(predictor, changed, never), found) is not looks, name


@pytest.mark.parametrize(("kind", "reach"), [("memoryless", 1), ("transformer", 4), ("lstm", LENGTH)])
def test_how_far_a_predictor_looks_back(kind: str, reach: int) -> None:
    predictor, seen = predictor_of(kind), observations(LENGTH, STREAMS)
    other = seen.clone()
    other[0] += 1
    one, two = (predicted(predictor, inputs, begins() & False) for inputs in (seen, other))
    differs = [not torch.equal(a, b) for a, b in zip(one, two, strict=True)]
    assert differs == [index < reach for index in range(LENGTH)]


def test_the_refiner_teaches_the_coarse_map_nothing() -> None:
    [predictor] = modules("predictor")
    _, found, _ = predictor(observations(3, 2), torch.zeros(3, 2, dtype=torch.bool), predictor.initial_state(2))
    found.sum().backward()
    assert predictor.refiner.last.weight.grad is not None
    assert predictor.coarse[0].weight.grad is None


def test_without_refinement_the_coarse_map_is_the_final_one() -> None:
    predictor = predictor_of("lstm", refine=False)
    coarse, found, _ = predictor(observations(3, 2), begins()[:3, :2], predictor.initial_state(2))
    assert torch.equal(coarse, found)
