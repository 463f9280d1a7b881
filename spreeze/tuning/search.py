"""The rule by which settings are compared, and the search for the best one."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spreeze.contract import Range
from spreeze.tuning.trial import Rates, TrialError

USUAL_S = 2.0
"""Of a trial, before one shows how long it takes here."""
GAIN = 1.02
"""By how much a step must better the progress, since trials scatter."""


@dataclass(frozen=True)
class Choice:
    """What the tuner may choose, under the names of the options."""

    samplers: int
    envs_per_sampler: int
    learner_cores: int
    batch_size: int
    updates_per_call: int
    devices: str

    def options(self, names: frozenset[str]) -> dict[str, Any]:
        """The options named, as they replace those of a run."""
        return {name: value for name, value in vars(self).items() if name in names}


@dataclass(frozen=True)
class Space:
    """Within which limits settings may lie."""

    free: frozenset[str]
    """Options that may be changed."""
    cores: int
    batch: Range
    split: str = ""
    """The `devices` with which every part has a place of its own; empty: they cannot be parted."""
    max_envs: int = 1024
    max_samplers: int = 64
    max_calls: int = 1
    """Greatest number of updates per call; 1 where there is no GPU."""

    def holds(self, name: str, value: Any) -> bool:
        """Whether an option may have this value."""
        limits = {
            "samplers": (1, self.max_samplers),
            "envs_per_sampler": (1, self.max_envs),
            "learner_cores": (1, self.cores),
            "batch_size": (self.batch.minimum, self.batch.maximum),
            "updates_per_call": (1, self.max_calls),
        }
        least, greatest = limits.get(name, (value, value))
        return bool(least <= value <= greatest)


@dataclass(frozen=True)
class Trial:
    """A setting and what came of it."""

    choice: Choice
    progress: float
    rates: Rates | None = None
    problem: str = ""


def progress(updates: float, batch: int, critical_batch: float | None) -> float:
    """P = U B / (B + B*): updates per second, each worth 1 / (1 + B* / B) of one with unlimited rows.

    The form is that of McCandlish et al., arXiv 1812.06162. Without a critical batch, updates per second.
    """
    return updates if critical_batch is None else updates * batch / (batch + critical_batch)


def steps_for(limit: str, choice: Choice, space: Space) -> Iterator[Mapping[str, Any]]:
    """Changes that may help whoever limits a run, in the order of their promise."""
    batch, cores, split = choice.batch_size, choice.learner_cores, choice.devices == space.split
    if limit == "learner":
        yield {"batch_size": 2 * batch}
        yield {"updates_per_call": min(4 * choice.updates_per_call, space.max_calls)}
        if cores < space.cores and not split:
            yield {"learner_cores": cores + 1, "samplers": max(min(choice.samplers, space.cores - cores - 1), 1)}
            yield {"learner_cores": space.cores}
        if space.split and not split:
            yield {
                "devices": space.split,
                "learner_cores": 2,
                "samplers": max(min(choice.samplers, space.cores - 2), 1),
            }
        yield {"envs_per_sampler": 2 * choice.envs_per_sampler}
    else:
        yield {"envs_per_sampler": 2 * choice.envs_per_sampler}
        yield {"samplers": choice.samplers + 1}
        if cores > 1:
            yield {"learner_cores": cores - 1, "samplers": choice.samplers + 1}
        yield {"samplers": 2 * choice.samplers}
        yield {"batch_size": batch // 2}
        yield {"envs_per_sampler": choice.envs_per_sampler // 2}
        yield {"updates_per_call": max(choice.updates_per_call // 4, 1)}


def neighbours(choice: Choice, limit: str, space: Space) -> Iterator[Choice]:
    """Settings one step away: those that help whoever limits, then those that would help the other."""
    other = "samplers" if limit == "learner" else "learner"
    for who in (limit, other):
        for change in steps_for(who, choice, space):
            allowed = {name: value for name, value in change.items() if name in space.free}
            found = dataclasses.replace(choice, **allowed)
            if found != choice and all(space.holds(*option) for option in allowed.items()):
                yield found


class Search:
    """Climbs from a first setting; `measure` tries one."""

    def __init__(
        self,
        space: Space,
        measure: Callable[[Choice], Rates],
        critical_batch: float | None,
        heard: Callable[[Trial], None],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.space, self.trials = space, list[Trial]()
        self._measure, self._critical, self._heard, self._clock = measure, critical_batch, heard, clock
        self._deadline, self._longest = clock() + seconds, 0.0
        # Longest of the trials after the first, which may have compiled what later ones find.

    def run(self, first: Choice, enough: Callable[[Rates], bool] = lambda rates: False) -> Trial:
        """Return the best setting found, with its mean progress if it was measured again; the first if it is `enough`.

        Raises:
            TrialError: the first setting cannot be run.
        """
        begun = best = self._try(first)
        if begun.rates is None:
            raise TrialError(begun.problem)
        if enough(begun.rates):
            return begun
        while self._time_for(3) and (better := self._step(best)):
            best = better
        return self._confirmed(begun, best)

    def _step(self, best: Trial) -> Trial | None:
        assert best.rates is not None, "failed trials are never the best"
        tried = {trial.choice for trial in self.trials}
        for choice in neighbours(best.choice, best.rates.limit, self.space):
            if choice in tried:
                continue
            tried.add(choice)
            trial = self._try(choice)
            if trial.progress > GAIN * best.progress:
                return trial
            if not self._time_for(3):
                return None
        return None

    def _confirmed(self, first: Trial, best: Trial) -> Trial:
        """The better of the two, each measured once more: the luckiest of many trials looks better than it is."""
        if best is first:
            return first
        again = [self._try(trial.choice) if self._time_for(1) else trial for trial in (best, first)]
        means = [
            dataclasses.replace(trial, progress=(trial.progress + more.progress) / 2) if more.rates else trial
            for trial, more in zip((best, first), again, strict=True)
        ]
        return max(means, key=lambda trial: trial.progress)

    def _try(self, choice: Choice) -> Trial:
        begun = self._clock()
        try:
            rates = self._measure(choice)
            trial = Trial(choice, progress(rates.updates, choice.batch_size, self._critical), rates)
        except TrialError as error:
            trial = Trial(choice, 0.0, problem=str(error))
        if self.trials:
            self._longest = max(self._longest, self._clock() - begun)
        self.trials.append(trial)
        self._heard(trial)
        return trial

    def _time_for(self, count: int) -> bool:
        return self._clock() + count * max(self._longest, USUAL_S) < self._deadline
