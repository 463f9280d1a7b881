"""`ActionLog` against plain lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spreeze.envs._actions import ActionLog

STEPS = st.lists(st.sets(st.integers(0, 2)), max_size=300)
"""For every step, the environments whose episodes begin after it."""


def filled(steps: list[set[int]]) -> tuple[ActionLog, list[list[int]]]:
    """A log of three environments whose actions are step and index in one number, and the same as lists."""
    log, lists = ActionLog(3, (), np.dtype(np.int64)), [list[int]() for _ in range(3)]
    for step, beginning in enumerate(steps):
        log.append(np.arange(3) + 10 * step)
        for index, episode in enumerate(lists):
            episode.append(index + 10 * step)
        for index in beginning:
            log.begin(index)
            lists[index].clear()
    return log, lists


@given(STEPS)
def test_a_log_holds_what_was_done_since_each_episode_began(steps: list[set[int]]) -> None:
    log, lists = filled(steps)
    assert [log.of(index).tolist() for index in range(3)] == lists
    assert [log.length(index) for index in range(3)] == [len(episode) for episode in lists]


@given(STEPS, STEPS)
def test_a_loaded_log_goes_on_as_the_one_that_was_saved(before: list[set[int]], after: list[set[int]]) -> None:
    log, _ = filled(before)
    heir = ActionLog(3, (), np.dtype(np.int64))
    heir.load_state(**log.state())
    for step, beginning in enumerate(after):
        for one in (log, heir):
            one.append(np.arange(3) - 10 * step)
            for index in beginning:
                one.begin(index)
    assert [heir.of(index).tolist() for index in range(3)] == [log.of(index).tolist() for index in range(3)]


def test_memory_is_bounded_by_the_longest_episode() -> None:
    log, _ = filled([{0, 1, 2} if step % 40 == 39 else {step % 3} for step in range(5000)])
    assert log._rows.shape[0] <= 128
