"""Looking again at what was chosen, while the run goes on: learner threads are tried anew when the rate has drifted.

Of all sizes, the learner's cores alone can be changed without beginning a stage anew. They matter most when something
else wants the machine, or when an environment's physics becomes dearer as a policy improves.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

DRIFT, PATIENCE = 0.25, 20
"""Share by which updates per second must differ from what they were, by the median of so many looks."""
REFERENCE_LOOKS = 20
"""Looks whose median is what updates per second were."""
SETTLE_LOOKS, TRY_LOOKS = 2, 5
"""Looks after a change that do not count, and those that do."""
GAIN = 1.05
"""By how much another number of cores must be better."""
REST_LOOKS = 120
"""Looks after a decision until the next one."""
MIN_SPAN_S, MAX_SPAN_S, ENOUGH = 1.0, 10.0, 20
"""Seconds between two looks, and the updates that make one exact enough."""


@dataclass
class Candidate:
    """A number of learner cores, and updates per second with it."""

    cores: int
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Median."""
        return statistics.median(self.rates) if self.rates else 0.0


class Drift:
    """Hears updates per second once a second; asks `apply` for other numbers of learner cores when they drift."""

    def __init__(
        self, cores: int, choices: Sequence[int], apply: Callable[[int], None], say: Callable[[str], None]
    ) -> None:
        self.cores = cores
        self._choices, self._apply, self._say = tuple(choices), apply, say
        self._reference, self._last = list[float](), deque[float](maxlen=PATIENCE)
        self._rest = self._skip = 0
        self._trying: list[Candidate] = []
        self._tried: list[Candidate] = []

    def look(self, updates_per_second: float) -> None:
        """Take one look; zero, as before the first update, does not count."""
        if updates_per_second <= 0 or len(self._choices) < 2:
            return
        if self._skip:
            self._skip -= 1
        elif self._trying:
            self._try(updates_per_second)
        elif self._rest:
            self._rest -= 1
        else:
            self._compare(updates_per_second)

    def restarted(self) -> None:
        """The learner begins anew with the cores that it was given first: give it the chosen ones again."""
        self._tried, self._trying = [], []
        self._begin_anew()
        self._change(self.cores)

    def _begin_anew(self) -> None:
        self._reference = []
        self._last.clear()

    def _compare(self, rate: float) -> None:
        if len(self._reference) < REFERENCE_LOOKS:
            self._reference.append(rate)
            return
        self._last.append(rate)
        usual, now = statistics.median(self._reference), statistics.median(self._last)
        if len(self._last) == PATIENCE and abs(now / usual - 1) > DRIFT:
            self._say(f"{now:,.0f} updates/s instead of {usual:,.0f}: trying other numbers of learner cores")
            self._tried, self._trying = [], [Candidate(count) for count in (self.cores, *self._others())]

    def _others(self) -> list[int]:
        """A few other numbers of cores: every one takes some seconds, in which the run may be slower."""
        near = (self.cores - 1, self.cores + 1, self.cores // 2, 2 * self.cores)
        return sorted({count for count in near if count in self._choices and count != self.cores})

    def _try(self, rate: float) -> None:
        candidate = self._trying[0]
        candidate.rates.append(rate)
        if len(candidate.rates) < TRY_LOOKS:
            return
        self._tried.append(self._trying.pop(0))
        if self._trying:
            self._change(self._trying[0].cores)
        else:
            self._decide()

    def _decide(self) -> None:
        before, *others = self._tried
        best = max(others, key=lambda one: one.rate)
        chosen = best if best.rate > GAIN * before.rate else before
        self._change(chosen.cores)
        self.cores, self._rest = chosen.cores, REST_LOOKS
        self._begin_anew()
        found = ", ".join(f"{one.cores}: {one.rate:,.0f}" for one in self._tried)
        self._say(f"learner cores: {chosen.cores} (updates/s by cores: {found})")

    def _change(self, cores: int) -> None:
        self._apply(cores)
        self._skip = SETTLE_LOOKS


class Watch:
    """Makes looks out of a counter: one a second, or as long as it takes to see enough updates."""

    def __init__(self, drift: Drift, updates: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._drift, self._updates, self._clock = drift, updates, clock
        self._seen, self._at = updates(), clock()

    def __call__(self) -> None:
        """Look if it is time."""
        span, made = self._clock() - self._at, self._updates() - self._seen
        if span >= MAX_SPAN_S or (span >= MIN_SPAN_S and made >= ENOUGH):
            self._drift.look(made / span)
            self._seen, self._at = self._seen + made, self._at + span
