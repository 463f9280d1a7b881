"""Looking again at what was chosen, while the run goes on: learner threads are tried anew when the rate has drifted.

Of all sizes, the learner's cores alone can be changed without beginning a stage anew. They matter most when something
else wants the machine, or when an environment's physics becomes dearer as a policy improves.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

DRIFT, PATIENCE = 0.25, 10
"""Share by which updates per second must differ from what they were, and for how many looks in a row."""
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
        self._reference: list[float] = []
        self._off = self._rest = self._skip = 0
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

    def _compare(self, rate: float) -> None:
        if len(self._reference) < REFERENCE_LOOKS:
            self._reference.append(rate)
            return
        usual = statistics.median(self._reference)
        self._off = self._off + 1 if abs(rate / usual - 1) > DRIFT else 0
        if self._off >= PATIENCE:
            self._say(f"{rate:,.0f} updates/s instead of {usual:,.0f}: trying other numbers of learner cores")
            others = [Candidate(count) for count in self._choices if count != self.cores]
            self._off, self._tried, self._trying = 0, [], [Candidate(self.cores), *others]

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
        self.cores, self._reference, self._rest = chosen.cores, [], REST_LOOKS
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
