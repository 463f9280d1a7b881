"""Means of metrics between two reports."""

import pytest
import torch

from spreeze.contract import Metrics
from spreeze.errors import LearnerFault
from spreeze.means import MetricMeans, totals_of

CPU = torch.device("cpu")


def found(update: int) -> Metrics:
    """What one update gives; every second gives one metric more."""
    own = {"second": torch.tensor(10.0 * update)} if update % 2 == 0 else {}
    return {"every": float(update), "tensor": torch.tensor(update), **own}


MEANS = {"every": 2.5, "tensor": 2.5, "second": 30.0}


def test_a_metric_is_averaged_over_the_updates_that_gave_it() -> None:
    means = MetricMeans()
    for update in range(1, 5):
        means.add(found(update))
    assert means.report() == MEANS


@pytest.mark.parametrize("calls", [[[1, 2, 3, 4]], [[1], [2, 3], [4]], [[1, 2], [3, 4]]])
def test_totals_of_calls_give_the_same_means(calls: list[list[int]]) -> None:
    means = MetricMeans()
    for updates in calls:
        totals = totals_of([found(update) for update in updates], CPU)
        assert totals.updates == len(updates)
        means.add_totals(totals)
        assert totals.sums is not None
        totals.sums.fill_(-1)  # As the next replay may overwrite them.
    assert means.report() == MEANS


def test_a_report_begins_anew() -> None:
    means = MetricMeans()
    means.add({"loss": 1.0})
    means.add_totals(totals_of([{"loss": torch.tensor(1.0)}], CPU))
    means.report()
    assert means.report() == {}
    means.add({"loss": 3.0})
    assert means.report() == {"loss": 3.0}


def test_updates_without_metrics_are_accounted() -> None:
    totals = totals_of([{}, {}], CPU)
    assert (totals.updates, totals.sums) == (2, None)
    means = MetricMeans()
    means.add_totals(totals)
    assert means.report() == {}


def test_a_metric_that_is_not_finite_is_a_fault() -> None:
    for value in (float("nan"), float("inf")):
        means = MetricMeans()
        means.add_totals(totals_of([{"fine": 1.0, "loss": torch.tensor(value)}], CPU))
        with pytest.raises(LearnerFault, match="loss"):
            means.report()
