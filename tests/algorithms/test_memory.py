"""Memories: equal to a plain unrolling, and blind to what came before an episode."""

import pytest
import torch

from spreeze.algorithms._memory import GRUMemory, LSTMMemory, NoMemory, memory_of

every_unit = pytest.mark.parametrize("kind", [GRUMemory, LSTMMemory])


def test_without_units_features_are_what_is_seen() -> None:
    memory, seen = memory_of(3, 0), torch.randn(4, 2, 3)
    assert isinstance(memory, NoMemory)
    assert memory.initial_state(2) == ()
    features, state = memory(seen, torch.zeros(4, 2, dtype=torch.bool), ())
    assert torch.equal(features, seen)
    assert state == ()


def test_with_units_a_gated_unit_remembers() -> None:
    assert isinstance(memory_of(3, 5), GRUMemory)


@every_unit
def test_an_episode_begins_without_memory_and_segments_go_on_where_others_ended(
    kind: type[GRUMemory] | type[LSTMMemory],
) -> None:
    memory = kind(3, 5)
    seen, never = torch.randn(8, 2, 3), torch.zeros(8, 2, dtype=torch.bool)
    whole, end = memory(seen, never, memory.initial_state(2))
    assert whole.shape == (8, 2, memory.features)
    assert torch.equal(whole[..., :3], seen)
    first, between = memory(seen[:5], never[:5], memory.initial_state(2))
    second, last = memory(seen[5:], never[5:], between)
    torch.testing.assert_close(torch.cat((first, second)), whole)
    torch.testing.assert_close(last, end)
    begins = never.clone()
    begins[5, 1] = True
    broken, _ = memory(seen, begins, memory.initial_state(2))
    anew, _ = memory(seen[5:], never[5:], memory.initial_state(2))
    torch.testing.assert_close(broken[5:, 1], anew[:, 1])
    torch.testing.assert_close(broken[:, 0], whole[:, 0])


@every_unit
def test_single_steps_are_those_of_a_whole_segment(kind: type[GRUMemory] | type[LSTMMemory]) -> None:
    memory = kind(3, 5)
    seen, begins = torch.randn(6, 2, 3), torch.zeros(6, 2, dtype=torch.bool)
    begins[3, 1] = True
    whole, end = memory(seen, begins, memory.initial_state(2))
    state, steps = memory.initial_state(2), []
    for observation, first in zip(seen, begins, strict=True):
        features, state = memory(observation[None], first[None], state)
        steps.append(features)
    torch.testing.assert_close(torch.cat(steps), whole)
    torch.testing.assert_close(state, end)
