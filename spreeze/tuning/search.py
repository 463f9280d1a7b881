"""The rule by which settings are compared, and the search for the best one."""

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class Step(NamedTuple):
    """A change of one kind, that may help whoever limits a run."""

    kind: str
    change: Mapping[str, Any]


def steps_for(limit: str, choice: Choice, space: Space, factor: int = 2, idle: float = 0.0) -> Iterator[Step]:
    """Changes that may help whoever limits a run, in the order of their promise; sizes grow and fall by `factor`.

    A learner that waits for the share `idle` of its time could make 1 / (1 - idle) times as many updates. At a held
    ratio these are of so many times fewer rows, which is sure to gain, whatever else limits the samplers.
    """
    batch, cores, envs, split = (
        choice.batch_size,
        choice.learner_cores,
        choice.envs_per_sampler,
        choice.devices == space.split,
    )
    if limit == "learner":
        yield Step("larger batch", {"batch_size": min(factor * batch, int(space.batch.maximum))})
        calls = {"updates_per_call": min(2 * factor * choice.updates_per_call, space.max_calls)}
        yield Step("more updates a call", calls)
        if cores < space.cores and not split:
            fewer = max(min(choice.samplers, space.cores - cores - 1), 1)
            yield Step("one more learner core", {"learner_cores": cores + 1, "samplers": fewer})
            yield Step("all cores for the learner", {"learner_cores": space.cores})
        if space.split and not split:
            fewer = max(min(choice.samplers, space.cores - 2), 1)
            yield Step("parts apart", {"devices": space.split, "learner_cores": 2, "samplers": fewer})
        yield Step("more environments", {"envs_per_sampler": factor * envs})
    else:
        if idle > 0.5:
            spare = 2 ** int(math.log2(1 / max(1 - idle, 1e-3)))
            yield Step("smaller batch", {"batch_size": max(batch // spare, int(space.batch.minimum))})
        yield Step("more environments", {"envs_per_sampler": factor * envs})
        yield Step("one more sampler", {"samplers": choice.samplers + 1})
        if cores > 1:
            yield Step("a core for samplers", {"learner_cores": cores - 1, "samplers": choice.samplers + 1})
        yield Step("more samplers", {"samplers": factor * choice.samplers})
        yield Step("smaller batch", {"batch_size": max(batch // factor, int(space.batch.minimum))})
        yield Step("fewer environments", {"envs_per_sampler": envs // factor})
        yield Step("fewer updates a call", {"updates_per_call": max(choice.updates_per_call // (2 * factor), 1)})


def neighbours(
    choice: Choice, limit: str, space: Space, factor: int = 2, idle: float = 0.0
) -> Iterator[tuple[str, Choice]]:
    """Kinds of steps and where they lead: those that help whoever limits, then those that would help the other."""
    other = "samplers" if limit == "learner" else "learner"
    for who in (limit, other):
        for kind, change in steps_for(who, choice, space, factor, idle):
            allowed = {name: value for name, value in change.items() if name in space.free}
            found = dataclasses.replace(choice, **allowed)
            if found != choice and all(space.holds(*option) for option in allowed.items()):
                yield kind, found


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
        self._failures, self._liked, self._factor = Counter[str](), "", 2

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
        tried = {trial.choice for trial in self.trials}
        for kind, choice in self._in_order(best):
            if choice in tried:
                continue
            tried.add(choice)
            trial = self._try(choice)
            if trial.progress > GAIN * best.progress:
                self._factor = 2 * self._factor if kind == self._liked else 4
                self._liked = kind
                return trial
            self._failures[kind] += 1
            if not self._time_for(3):
                return None
        return None

    def _in_order(self, best: Trial) -> list[tuple[str, Choice]]:
        """What helped last comes first, and farther; of the others, what has failed less often."""
        assert best.rates is not None, "failed trials are never the best"
        limit, space = best.rates.limit, self.space
        farther = [n for n in neighbours(best.choice, limit, space, self._factor) if n[0] == self._liked]
        steps = neighbours(best.choice, limit, space, idle=best.rates.learner_waits)
        return farther + sorted(steps, key=lambda step: (step[0] != self._liked, self._failures[step[0]]))

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
