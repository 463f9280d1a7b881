"""What networks are given of vectors, numbers and dictionaries."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, Space
from gymnasium.spaces.utils import flatten

from spreeze.algorithms._observations import Observations
from spreeze.errors import UnsupportedSpace
from spreeze.spaces import observation_field

MASKED = Dict({"zone": Discrete(2), "action_mask": Box(0, 1, (3,), np.int8), "agent": Box(-1, 1, (2,), np.float32)})
OBSERVATION = {"zone": 1, "action_mask": np.array([1, 0, 1], np.int8), "agent": np.array([0.5, -0.5], np.float32)}


def test_a_vector_is_given_as_it_is() -> None:
    found, stored = Observations.of(Box(-1, 1, (4,)), "PPO"), torch.randn(2, 3, 4)
    assert found.size == 4
    assert found.seen(stored) is stored
    assert found.allowed(stored) is None


def test_a_number_becomes_one_of_many() -> None:
    found = Observations.of(Discrete(3), "PPO")
    assert found.seen(torch.tensor([[2, 0]])).tolist() == [[[0, 0, 1], [1, 0, 0]]]


def test_numbers_may_begin_anywhere_and_a_box_may_hold_integers() -> None:
    found = Observations.of(Discrete(3, start=-1), "PPO")
    assert found.seen(torch.tensor([-1, 1])).tolist() == [[1, 0, 0], [0, 0, 1]]
    pixels = Observations.of(Box(0, 255, (2,), np.uint8), "PPO")
    assert pixels.seen(torch.tensor([[7, 255]], dtype=torch.uint8)).dtype is torch.float32


def test_the_mask_of_a_dictionary_is_parted_from_what_is_seen() -> None:
    found = Observations.of(MASKED, "PPO")
    stored = torch.from_numpy(np.asarray(flatten(MASKED, OBSERVATION), np.float32))[None]
    assert found.field == observation_field(MASKED)
    assert stored.shape == (1, *found.field.shape)
    assert found.seen(stored).tolist() == [[0.5, -0.5, 0, 1]]
    assert found.size == 4
    allowed = found.allowed(stored)
    assert allowed is not None
    assert allowed.tolist() == [[True, False, True]]


def test_a_dictionary_without_a_mask_allows_everything() -> None:
    found = Observations.of(Dict({"a": Discrete(2), "b": Box(0, 1, (3,))}), "PPO")
    assert (found.size, found.mask) == (5, None)


@pytest.mark.parametrize("space", [Box(0, 255, (8, 8, 3), np.uint8)])
def test_a_space_that_is_not_served_is_named_with_what_to_do(space: Space[Any]) -> None:
    with pytest.raises(UnsupportedSpace, match=r"PPO needs observations .*FlattenObservation"):
        Observations.of(space, "PPO")
