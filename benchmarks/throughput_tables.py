"""What throughput.py shows and writes: a table for each subject, and the bars that the project has set itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Column, Table
from throughput_crew import BenchmarkError, Results
from throughput_sides import LIMIT, OURS
from throughput_statistics import Spread, best_by_group, ratios

ALIKE = 0.1
"""Largest difference of the mean size of actions between two sides, as a share, with which both do the same work."""
UNITS = {"env_steps": "env steps/s", "rows": "rows/s"}


@dataclass(frozen=True)
class Section:
    """One rate of everybody who was measured in turn."""

    part: str
    """sampling, learning, both."""
    subject: str
    """An environment, or a batch size."""
    key: str
    """env_steps or rows."""
    results: Results

    @property
    def rates(self) -> dict[str, list[float]]:
        """Rates by contestant, round by round."""
        return self.results.rates(self.key)

    @property
    def best(self) -> dict[str, str]:
        """The best contestant of each group."""
        return best_by_group(self.rates, self.results.groups())

    def ours(self) -> list[float]:
        """Our rates, of our best setting; empty if we were left out."""
        return self.rates[self.best[OURS]] if OURS in self.best else []

    def over(self, group: str) -> list[float]:
        """Our best over the best of `group`, round by round; empty if one of them was left out."""
        if group not in self.best or not self.ours():
            return []
        return ratios(self.ours(), self.rates[self.best[group]])

    def table(self) -> Table:
        """Everybody in order of the median, the best of each side marked."""
        title = f"{self.part}, {self.subject}: {UNITS[self.key]}"
        table = Table(Column("", no_wrap=True), "median", "spread", "ours over it", "spread", title=title)
        best = set(self.best.values())
        for name, values in sorted(self.rates.items(), key=lambda item: -Spread.of(item[1]).median):
            rate, share = Spread.of(values), Spread.of(ratios(self.ours() or values, values))
            over = (f"{share.median:.2f}", f"{share.low:.2f} to {share.high:.2f}") if self.ours() else ("", "")
            mark = "*" if name in best else " "
            table.add_row(f"{mark} {name}", f"{rate.median:,.0f}", f"{rate.low:,.0f} to {rate.high:,.0f}", *over)
        for name, reason in self.results.left_out.items():
            table.add_row(f"  {name}", "left out", reason[:60])
        return table

    def data(self) -> dict[str, Any]:
        """Everything measured, for a file."""
        groups = [group for group in self.best if group != OURS]
        means = {name: [sample.means for sample in found] for name, found in self.results.samples.items()}
        return {
            "part": self.part,
            "subject": self.subject,
            "key": self.key,
            "rates": self.rates,
            "groups": self.results.groups(),
            "best": self.best,
            "ours_over": {group: self.over(group) for group in groups},
            "means": means,
            "about": self.results.about,
            "left_out": self.results.left_out,
        }


def check_alike(results: Results) -> None:
    """Hold that every side that acts does the same work.

    Raises:
        BenchmarkError: the mean size of the actions differs between two of them.
    """
    sizes = {
        name: sum(sample.means["action"] for sample in samples) / len(samples)
        for name, samples in results.samples.items()
        if samples and "action" in samples[0].means
    }
    if sizes and max(sizes.values()) > (1 + ALIKE) * min(sizes.values()):
        raise BenchmarkError(f"the sides do not act alike; mean sizes of actions: {sizes}")


@dataclass(frozen=True)
class Bar:
    """What has to be shown of some sections, and what is aimed at."""

    what: str
    part: str
    subjects: Sequence[str]
    """Sections it speaks of; none: all of the part."""
    key: str
    measure: Callable[[Section], Sequence[float]]
    """Values round by round; none where it was not measured."""
    required: float
    aim: float

    def rows(self, sections: Iterable[Section]) -> list[dict[str, Any]]:
        """Return what was measured of each subject, with a verdict."""
        found = []
        for section in sections:
            chosen = section.part == self.part and section.key == self.key
            if not chosen or (self.subjects and section.subject not in self.subjects):
                continue
            values = self.measure(section)
            if values:
                median = Spread.of(values).median
                found.append(
                    {
                        "what": self.what,
                        "subject": section.subject,
                        "required": self.required,
                        "aim": self.aim,
                        "measured": median,
                        "met": median >= self.required,
                    }
                )
        return found


def over(group: str) -> Callable[[Section], Sequence[float]]:
    """Our best over the best of a group."""
    return lambda section: section.over(group)


FOUR = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Humanoid-v5")
CHEETAH, LARGE = ("HalfCheetah-v5",), ("HalfCheetah-v5", "Humanoid-v5")
SB3 = "Stable-Baselines3"
BARS = (
    Bar("share of physics alone", "sampling", FOUR, "env_steps", over(LIMIT), 0.75, 0.9),
    Bar("over EnvPool", "sampling", FOUR, "env_steps", over("EnvPool"), 1.0, 1.2),
    Bar("over EnvPool", "sampling", LARGE, "env_steps", over("EnvPool"), 1.2, 1.2),
    Bar("over Gymnasium", "sampling", FOUR, "env_steps", over("Gymnasium"), 1.5, 1.5),
    Bar("rows/s", "learning", ("8192",), "rows", Section.ours, 250_000, 370_000),
    Bar(f"over {SB3}", "learning", ("8192",), "rows", over(SB3), 4.0, 6.0),
    Bar(f"over {SB3}", "learning", ("256",), "rows", over(SB3), 2.4, 4.0),
    Bar("env steps/s", "both", CHEETAH, "env_steps", Section.ours, 28_000, 38_000),
    Bar("rows/s", "both", CHEETAH, "rows", Section.ours, 120_000, 200_000),
)


def bar_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The bars that could be judged."""
    table = Table("what", "of", "required", "aim", "measured", "", title="bars")
    for row in rows:
        numbers = (number(row[key]) for key in ("required", "aim", "measured"))
        table.add_row(row["what"], row["subject"], *numbers, "met" if row["met"] else "missed")
    return table


def number(value: float) -> str:
    """A rate without decimals, a ratio with two."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
