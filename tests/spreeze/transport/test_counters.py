"""The page of numbers: totals that never run backwards, whoever dies."""

import numpy as np
import pytest

from spreeze.transport.counters import (
    BEAT,
    ENV_STEPS,
    FORGIVEN_ROWS,
    FORGIVEN_STEPS,
    INCARNATION,
    ROWS,
    STOP,
    TAKEN,
    UPDATES,
    VERSION,
    VERSION_INCARNATION,
    Counters,
)

ROLES = ("sampler-0", "sampler-1", "learner-critic", "learner-actor", "evaluator")


def test_totals_are_the_sum_over_samplers_and_the_first_part_of_a_learner() -> None:
    counters = Counters.create(ROLES)
    for index, role in enumerate(ROLES):
        counters.row(role)[[ENV_STEPS, UPDATES, ROWS]] = 10 + index, 100 + index, 1000 + index
    assert (counters.env_steps, counters.updates, counters.rows_consumed) == (21, 102, 1002)


def test_a_run_without_samplers_or_learners_counts_none() -> None:
    counters = Counters.create(["evaluator"])
    assert (counters.env_steps, counters.updates, counters.rows_consumed, counters.policy_lag) == (0, 0, 0, 0.0)


def test_rows_are_live_in_every_process_that_maps_the_page() -> None:
    counters = Counters.create(ROLES)
    other = Counters(counters.memory, ROLES)
    other.row("sampler-1")[ENV_STEPS] += 5
    assert counters.env_steps == 5


def test_each_role_has_a_row_of_its_own() -> None:
    counters = Counters.create(ROLES)
    for index, role in enumerate(ROLES):
        counters.row(role)[:] = index + 1
    assert counters.run.sum() == 0
    assert [counters.row(role)[BEAT] for role in ROLES] == [1, 2, 3, 4, 5]


def test_an_unknown_role_has_no_row() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Counters.create(ROLES).row("sampler-2")


def test_forgiving_begins_the_account_at_the_present_totals_and_changes_none() -> None:
    counters = Counters.create(ROLES)
    counters.row("sampler-0")[ENV_STEPS] = 30
    counters.row("learner-critic")[ROWS] = 64
    counters.forgive()
    assert (counters.run[FORGIVEN_STEPS], counters.run[FORGIVEN_ROWS]) == (30, 64)
    assert (counters.env_steps, counters.rows_consumed) == (30, 64)


def test_the_policy_lag_ignores_samplers_with_weights_of_a_dead_learner() -> None:
    counters = Counters.create(ROLES)
    learner = counters.row("learner-critic")
    learner[[INCARNATION, TAKEN]] = 2, 100
    counters.row("sampler-0")[[VERSION_INCARNATION, VERSION]] = 2, 90
    counters.row("sampler-1")[[VERSION_INCARNATION, VERSION]] = 1, 5000
    assert counters.policy_lag == 10.0


def test_everybody_sees_that_the_run_is_stopping() -> None:
    counters = Counters.create(ROLES)
    assert not counters.stopping
    counters.run[STOP] = 1
    assert Counters(counters.memory, ROLES).stopping


def test_every_word_is_a_signed_64_bit_number() -> None:
    row = Counters.create(ROLES).row("evaluator")
    row[BEAT] = 2**62
    assert row.dtype == np.int64 and row[BEAT] == 2**62
