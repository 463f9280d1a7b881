"""Who must wait for whom: the account that holds the replay ratio, and the bound on the policy lag."""

import time
from collections.abc import Callable

import numpy as np

from spreeze.transport.counters import FORGIVEN_ROWS, FORGIVEN_STEPS, TAKEN, VERSION, WAITED, Counters
from spreeze.transport.layout import COMMIT, CONSUMED

NAP_S = 0.0005
"""Between two looks at the counters while waiting."""


class FreePace:
    """Nobody waits, except the learner for `warmup` stored steps."""

    def __init__(self, counters: Counters, warmup: int) -> None:
        self.counters, self.warmup = counters, warmup

    def sampler_may_step(self) -> bool:
        """Whether a sampler may store one more block."""
        return True

    def learner_may_update(self) -> bool:
        """Whether the learner may perform one more update."""
        return self.counters.env_steps >= self.warmup


class RatioPace(FreePace):
    """Holds rows consumed per new row at `ratio`, by letting whoever is ahead wait.

    credit = ratio (steps - warmup), debit = rows consumed, both since the account was last forgiven. The learner
    waits while debit >= credit; samplers wait while credit - debit >= `slack_rows`.
    """

    def __init__(self, counters: Counters, warmup: int, ratio: float, slack_rows: float) -> None:
        super().__init__(counters, warmup)
        self.ratio, self.slack_rows = ratio, slack_rows

    def balance(self) -> float:
        """Rows that the learner may still consume (negative: it is ahead)."""
        run = self.counters.run
        steps = self.counters.env_steps - max(int(run[FORGIVEN_STEPS]), self.warmup)
        return self.ratio * max(steps, 0) - (self.counters.rows_consumed - int(run[FORGIVEN_ROWS]))

    def sampler_may_step(self) -> bool:
        """Whether the learner is near enough behind."""
        return self.balance() < self.slack_rows

    def learner_may_update(self) -> bool:
        """Whether samplers have earned one more update."""
        return super().learner_may_update() and self.balance() > 0


class LagPace(FreePace):
    """Bounds the updates between the weights that collect a segment and the update that consumes it.

    A segment begun while w segments of its lane wait and p updates are under way is consumed by weights that are
    w + p updates ahead: it may begin only if w + p <= `max_lag`.
    """

    def __init__(self, counters: Counters, warmup: int, max_lag: int, words: np.ndarray, stride: int) -> None:
        super().__init__(counters, warmup)
        self.max_lag, self._words, self._stride = max_lag, words, stride

    def sampler_may_step(self) -> bool:
        """Whether a segment begun with the newest weights will be fresh enough."""
        waiting = (int(self._words[COMMIT]) - int(self._words[CONSUMED])) // self._stride
        learner = self.counters.row(next(role for role in self.counters.roles if role.startswith("learner")))
        under_way = int(learner[TAKEN]) - int(learner[VERSION])
        return waiting + under_way <= self.max_lag


def slack_rows(ratio: float, batch_rows: int, block_rows: int) -> float:
    """The distance that avoids waiting for the sake of granularity alone: two batches and two blocks."""
    return 2.0 * batch_rows + 2.0 * ratio * block_rows


def wait_until(ready: Callable[[], bool], row: np.ndarray, alive: Callable[[], bool]) -> bool:
    """Sleep until `ready`, counting the time; return False when `alive` says that it is over before."""
    if ready():
        return True
    while alive():
        begin = time.monotonic_ns()
        time.sleep(NAP_S)
        row[WAITED] += time.monotonic_ns() - begin
        if ready():
            return True
    return False


class Every:
    """True once per `interval_s`, first after one interval."""

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s, self._clock = interval_s, clock
        self._next = clock() + interval_s

    def __call__(self) -> bool:
        """Whether the interval has passed since the last True."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + self._interval_s
        return True
