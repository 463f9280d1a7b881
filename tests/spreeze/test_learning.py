"""Several updates in a row on the host's path."""

import pytest
import torch

from spreeze.learning import Batches, JointUpdates
from spreeze.means import MetricMeans
from spreeze.transport.store import StoreReader
from tests.spreeze.regression import CPU, STORES, Experience, Regression, assert_equal


def updates_of(part: Regression) -> JointUpdates:
    experience = Experience()
    for _ in range(20):
        experience.write()
    readers = {name: StoreReader(memory) for name, memory in experience.memories.items()}
    return JointUpdates({"net": part}, Batches(readers, STORES, 3), {"net": CPU})


@pytest.mark.parametrize("calls", [[12], [5, 7], [4, 4, 4], [1] * 12])
def test_updates_in_calls_equal_single_updates_to_the_bit(calls: list[int]) -> None:
    one, other = Regression(), Regression()
    in_calls, single = updates_of(one), updates_of(other)
    means, apart = MetricMeans(), MetricMeans()
    for count in calls:
        in_calls.advance(count, means)
    for _ in range(12):
        apart.add(single.step())
    assert in_calls.update == single.update == 12
    assert_equal(one, other)
    assert means.report() == apart.report()


def test_a_call_ends_with_the_update_that_finishes_a_part() -> None:
    part = Regression()
    updates, means = updates_of(part), MetricMeans()
    update = part.update

    def update_and_finish(batches: dict[str, dict[str, torch.Tensor]]) -> object:
        part.finished = updates.update == 5
        return update(batches)

    part.update = update_and_finish  # type: ignore[method-assign,assignment]
    updates.advance(8, means)
    assert updates.update == 5 and updates.finished
