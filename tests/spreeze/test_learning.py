"""Means of metrics between two reports."""

import pytest
import torch

from spreeze.errors import LearnerFault
from spreeze.learning import MetricMeans


def test_a_metric_is_averaged_over_the_updates_that_gave_it() -> None:
    means = MetricMeans()
    for update in range(1, 5):
        means.add({"every": float(update)} | ({"second": torch.tensor(10.0 * update)} if update % 2 == 0 else {}))
    assert means.report() == {"every": 2.5, "second": 30.0}


def test_a_report_begins_anew() -> None:
    means = MetricMeans()
    means.add({"loss": 1.0})
    means.report()
    assert means.report() == {}
    means.add({"loss": 3.0})
    assert means.report() == {"loss": 3.0}


def test_a_metric_that_is_not_finite_is_a_fault() -> None:
    means = MetricMeans()
    means.add({"loss": torch.tensor(float("nan"))})
    with pytest.raises(LearnerFault, match="loss"):
        means.report()
