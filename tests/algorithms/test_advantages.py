"""Generalised advantages on segments computed by hand."""

import pytest
import torch
from torch import Tensor

from spreeze.algorithms._advantages import advantages

DISCOUNT, DECAY = 0.5, 0.8


def found(reward: list[float], value: list[float], last: float, terminated: list[int], ended: list[int]) -> Tensor:
    columns = (reward, terminated, ended, value)
    gain, over, cut, expected = (torch.tensor(column, dtype=torch.float32)[:, None] for column in columns)
    return advantages(gain, over, cut, expected, torch.tensor([last]), DISCOUNT, DECAY)[:, 0]


def test_advantages_are_decayed_sums_of_what_was_better_than_expected() -> None:
    """Last: 3 + 0.5 x 8 - 4 = 3. Before: 2 + 0.5 x 4 - 2 + 0.4 x 3 = 3.2. First: 1 + 0.5 x 2 - 1 + 0.4 x 3.2 = 2.28."""
    assert found([1, 2, 3], [1, 2, 4], 8, [0, 0, 0], [0, 0, 0]).tolist() == pytest.approx([2.28, 3.2, 3.0])


def test_a_terminated_episode_has_no_future() -> None:
    """The second step ends: 2 - 2 = 0, whatever follows; the first then is 1 + 0.5 x 2 - 1 + 0.4 x 0 = 1."""
    assert found([1, 2, 3], [1, 2, 4], 8, [0, 1, 0], [0, 1, 0])[:2].tolist() == pytest.approx([1.0, 0.0])


def test_a_truncated_episode_keeps_the_value_of_its_final_state() -> None:
    """The row after the end has the final state, of value 4: 2 + 0.5 x 4 - 2 = 2; before: 1 + 1 - 1 + 0.4 x 2 = 1.8."""
    assert found([1, 2, 0], [1, 2, 4], 8, [0, 0, 0], [0, 1, 0])[:2].tolist() == pytest.approx([1.8, 2.0])


def test_streams_do_not_touch_each_other() -> None:
    one, other = [torch.randn(5, 1, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    nothing, last = torch.zeros(5, 1), torch.zeros(1)
    reward, value, neither = torch.cat((one, other), 1), torch.cat((other, one), 1), torch.zeros(5, 2)
    both = advantages(reward, neither, neither, value, torch.zeros(2), DISCOUNT, DECAY)
    torch.testing.assert_close(both[:, :1], advantages(one, nothing, nothing, other, last, DISCOUNT, DECAY))
    torch.testing.assert_close(both[:, 1:], advantages(other, nothing, nothing, one, last, DISCOUNT, DECAY))
