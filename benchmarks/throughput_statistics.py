"""What is made of rates measured in turn: medians, spreads, ratios by round, the best setting of a group."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some values, with the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        return cls(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours over theirs, round by round: what disturbs the machine in a round disturbs both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def best(rates: Mapping[str, Sequence[float]]) -> str:
    """Return the name with the largest median; of equal ones, the first."""
    return max(rates, key=lambda name: statistics.median(rates[name]))


def best_by_group(rates: Mapping[str, Sequence[float]], groups: Mapping[str, str]) -> dict[str, str]:
    """Return for each group the best of its members that were measured; `groups` names the group of each."""
    members: dict[str, dict[str, Sequence[float]]] = {}
    for name, values in rates.items():
        members.setdefault(groups[name], {})[name] = values
    return {group: best(found) for group, found in members.items()}


def summed(answers: Iterable[Mapping[str, object]], key: str) -> float:
    """Return the sum over processes of what each did per second of its own clock."""
    return sum(answer["counts"][key] / answer["seconds"] for answer in answers)  # type: ignore[index]


def averaged(answers: Sequence[Mapping[str, object]], key: str) -> float:
    """Return the mean over processes of what each saw."""
    return statistics.fmean(answer["means"][key] for answer in answers)  # type: ignore[index]
