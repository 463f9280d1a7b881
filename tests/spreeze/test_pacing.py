"""Pacing: an account that holds the ratio whoever is slow, and a bound on the lag."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spreeze import journal
from spreeze.cli import main
from spreeze.pacing import Every, FreePace, LagPace, RatioPace, slack_rows, wait_until
from spreeze.transport.counters import ENV_STEPS, ROWS, TAKEN, VERSION, WAITED, Counters
from spreeze.transport.layout import COMMIT, CONSUMED, WORDS

ROLES = ("sampler-0", "sampler-1", "learner")
BATCH, BLOCK, RATIO, WARMUP = 64, 32, 4.0, 1000
SLACK = slack_rows(RATIO, BATCH, 2 * BLOCK)


@pytest.fixture
def counters() -> Counters:
    return Counters.create(ROLES)


def ratio_pace(counters: Counters) -> RatioPace:
    return RatioPace(counters, WARMUP, RATIO, SLACK)


def test_without_a_pace_only_the_warm_up_is_waited_for(counters: Counters) -> None:
    pace = FreePace(counters, WARMUP)
    assert pace.sampler_may_step() and not pace.learner_may_update()
    counters.row("sampler-0")[ENV_STEPS], counters.row("sampler-1")[ENV_STEPS] = 600, 400
    assert pace.sampler_may_step() and pace.learner_may_update()


def test_no_update_is_made_before_the_warm_up_nor_in_debt_for_it(counters: Counters) -> None:
    pace = ratio_pace(counters)
    for steps in (0, 999, 1000):
        counters.row("sampler-0")[ENV_STEPS] = steps
        assert pace.sampler_may_step() and not pace.learner_may_update()
    counters.row("sampler-0")[ENV_STEPS] = 1001
    assert pace.balance() == RATIO
    assert pace.learner_may_update()


def test_the_learner_waits_for_what_is_not_earned_and_samplers_for_what_is_not_consumed(counters: Counters) -> None:
    pace = ratio_pace(counters)
    counters.row("sampler-0")[ENV_STEPS] = WARMUP + 1000
    earned, learner = int(1000 * RATIO), counters.row("learner")
    learner[ROWS] = earned
    assert not pace.learner_may_update() and pace.sampler_may_step()
    learner[ROWS] = earned - 1
    assert pace.learner_may_update()
    learner[ROWS] = earned - int(SLACK)
    assert not pace.sampler_may_step()
    learner[ROWS] += 1
    assert pace.sampler_may_step()


@given(st.integers(0, 10**6), st.integers(0, 10**8))
def test_one_of_the_two_may_always_go_on(steps: int, rows: int) -> None:
    counters = Counters.create(ROLES)
    counters.row("sampler-0")[ENV_STEPS], counters.row("learner")[ROWS] = steps, rows
    pace = ratio_pace(counters)
    assert pace.sampler_may_step() or pace.learner_may_update()


def test_forgiving_begins_the_account_anew(counters: Counters) -> None:
    pace = ratio_pace(counters)
    counters.row("sampler-0")[ENV_STEPS], counters.row("learner")[ROWS] = 5000, 7
    counters.forgive()
    assert pace.balance() == 0
    counters.row("sampler-1")[ENV_STEPS] += 10
    assert pace.balance() == 10 * RATIO


def test_forgiving_during_the_warm_up_does_not_shorten_it(counters: Counters) -> None:
    pace = ratio_pace(counters)
    counters.row("sampler-0")[ENV_STEPS] = 500
    counters.forgive()
    counters.row("sampler-0")[ENV_STEPS] = 999
    assert pace.balance() == 0 and not pace.learner_may_update()


@given(st.lists(st.booleans(), min_size=200, max_size=600))
def test_whatever_the_order_the_ratio_is_held_within_the_slack(turns: list[bool]) -> None:
    counters = Counters.create(ROLES)
    counters.row("sampler-0")[ENV_STEPS] = WARMUP
    pace = ratio_pace(counters)
    for sampler in turns:
        if sampler and pace.sampler_may_step():
            counters.row("sampler-0")[ENV_STEPS] += BLOCK
        elif not sampler and pace.learner_may_update():
            counters.row("learner")[ROWS] += BATCH
        assert -BATCH < pace.balance() < SLACK + RATIO * BLOCK


def test_the_slack_covers_two_batches_and_two_blocks() -> None:
    assert slack_rows(8.0, 64, 32) == 2 * 64 + 2 * 8 * 32


@pytest.mark.parametrize(
    ("queued", "under_way", "may"), [(0, 0, True), (2, 0, True), (1, 1, True), (3, 0, False), (2, 1, False)]
)
def test_a_segment_is_begun_only_if_it_will_be_fresh_enough(
    queued: int, under_way: int, may: bool, counters: Counters
) -> None:
    words, stride = np.zeros(WORDS, np.int64), 17
    words[CONSUMED], words[COMMIT] = 4 * stride, (4 + queued) * stride
    counters.row("learner")[[TAKEN, VERSION]] = 10 + under_way, 10
    assert LagPace(counters, 0, 2, words, stride).sampler_may_step() is may


def test_waiting_is_counted_and_not_waiting_is_not(counters: Counters) -> None:
    row = counters.row("sampler-0")
    assert wait_until(lambda: True, row, lambda: True)
    assert row[WAITED] == 0
    begin = time.monotonic()
    assert wait_until(lambda: time.monotonic() - begin > 0.1, row, lambda: True)
    assert 0.05e9 < row[WAITED] <= (time.monotonic() - begin) * 1e9


def test_waiting_ends_when_the_role_is_told_to_stop(counters: Counters) -> None:
    lives = iter([True, True, False])
    assert not wait_until(lambda: False, counters.row("sampler-0"), lambda: next(lives))


def test_an_interval_is_true_once_and_first_after_its_length() -> None:
    now = [0.0]
    every = Every(2.0, lambda: now[0])
    heard = []
    for moment in (0.0, 1.9, 2.0, 2.1, 3.9, 4.0, 20.0, 21.9, 22.0):
        now[0] = moment
        heard.append(every())
    assert heard == [False, False, True, False, False, True, True, False, True]


class Look(NamedTuple):
    """One of the journal's looks at the counters."""

    moment_s: float
    steps: int
    rows: int


def watch(monkeypatch: pytest.MonkeyPatch) -> list[Look]:
    """Have the journal's looks recorded from the first update on."""
    looks: list[Look] = []
    sample: Callable[[journal.Journal], None] = journal.Journal.sample

    def sample_and_record(self: journal.Journal) -> None:
        sample(self)
        if self.counters is not None and self.counters.rows_consumed:
            steps, rows = self.counters.env_steps, self.counters.rows_consumed
            looks.append(Look(time.monotonic(), steps, rows))

    monkeypatch.setattr(journal.Journal, "sample", sample_and_record)
    return looks


def play_slowed(folder: Path, phase_s: float, tune: str, looks: list[Look]) -> dict[str, float]:
    """A run whose sampler is three times slower in its first phase, and its learner in the second."""
    words = (
        f"run --algo tests.faults.plugins:ALGORITHM --env tests.faults.plugins:ENVIRONMENT --out {folder} --samplers 1 "
        f"--envs-per-sampler 16 --batch-size {BATCH} --replay-ratio {RATIO} --visualize none --capacity 200000 "
        f"--steps 100000000 --slow-sampler-at 0 --slow-learner-at {phase_s} --slow-for {phase_s} --end {folder}.end "
        f"--tune {tune} --tune-seconds 5"
    )

    def end() -> None:
        deadline = time.monotonic() + 60 + 2 * phase_s
        while time.monotonic() < deadline and not (
            looks and looks[-1].moment_s - looks[0].moment_s > 2 * phase_s - 0.5
        ):
            time.sleep(0.05)
        Path(f"{folder}.end").touch()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(end)
        assert main(words.split()) == 0
    error: dict[str, float] = json.loads((folder / "summary.json").read_text())["replay_ratio_error"]
    return error


@pytest.mark.alone
@pytest.mark.parametrize(
    ("window_s", "phase_s", "tolerance", "tune"),
    [
        (2.0, 3.0, 0.1, "off"),
        pytest.param(2.0, 3.0, 0.1, "again", marks=pytest.mark.slow),
        pytest.param(10.0, 15.0, 0.05, "again", marks=pytest.mark.slow),
    ],
)
def test_the_ratio_is_held_in_every_window_while_sampler_or_learner_are_three_times_slower(
    window_s: float,
    phase_s: float,
    tolerance: float,
    tune: str,
    tmp_path: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setattr(journal, "WINDOW_S", window_s)
    looks = watch(monkeypatch)
    error = play_slowed(tmp_path / "run", phase_s, tune, looks)
    assert error["windows"] >= 2 * phase_s - window_s - 2
    assert error["max"] < tolerance
    bound = slack_rows(RATIO, BATCH, BLOCK) + BATCH + RATIO * BLOCK
    for one, two in combinations(looks, 2):
        assert abs(two.rows - one.rows - RATIO * (two.steps - one.steps)) <= bound
    assert looks[-1].moment_s - looks[0].moment_s > 1.5 * phase_s, "both phases were seen"
