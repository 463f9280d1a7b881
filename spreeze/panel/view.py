"""What a run shows, as plain data: the same lines for a panel, a paragraph and a log."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from spreeze.journal import Journal
from spreeze.panel.charts import in_words, number
from spreeze.panel.usage import Usage
from spreeze.stage_memory import StageMemory
from spreeze.transport.counters import BEAT, PID

GB = 1e9
SILENT_S = 5.0
"""Without a sign of life after which a role is called silent."""
MANY = 4
"""Samplers beyond which they share a line."""
PEAK_LOOKS = 12
"""Looks at a stage until its rates are those of whole windows."""
TRACE = 256
"""Values kept of a metric; when there are more, every second one goes."""


@dataclass(frozen=True)
class Line:
    """One name and its value, with what may be drawn beside it."""

    name: str
    value: str
    note: str = ""
    share: float | None = None
    """In [0, 1], drawn as a bar."""
    trace: Sequence[float] = ()
    """Drawn as a sparkline."""
    kind: Literal["rate", "goal", "wait", "alarm"] = "rate"
    """What it tells, for its colour."""


@dataclass(frozen=True)
class View:
    """Everything shown at one moment."""

    title: str
    folder: str
    lines: Sequence[Line]
    metrics: Sequence[Line] = ()
    """Of the learner."""
    curve: Sequence[tuple[float, float]] = ()
    """(seconds, mean return) of every evaluation."""


@dataclass
class Trace:
    """The course of one number, thinned out as it grows."""

    values: list[float] = field(default_factory=list)
    every: int = 1
    seen: int = 0

    def add(self, value: float) -> None:
        """Take one more value."""
        if self.seen % self.every == 0 and math.isfinite(value):
            self.values.append(value)
        self.seen += 1
        if len(self.values) > TRACE:
            self.values, self.every = self.values[::2], 2 * self.every


class Lookout:
    """Makes views of a journal; remembers the best rates of a stage and the course of its metrics."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.stage_names: Sequence[str] = ()
        """Of all stages of the run, where that is known."""
        self._clock, self._usage = clock, Usage()
        self._memory: StageMemory | None = None
        self._looks, self._peaks, self._traces = 0, dict[str, float](), dict[str, Trace]()

    def look(self, journal: Journal, memory: StageMemory) -> View:
        """What is to be shown now."""
        if memory is not self._memory:
            self._memory, self._looks, self._peaks, self._traces = memory, 0, {}, {}
        rates = journal.rates()
        self._remember(journal, rates)
        settings = journal.settings
        lines = (
            *place(memory, self.stage_names),
            progress(journal, memory, rates),
            returns(journal, memory),
            *self._rates(journal, memory, rates),
            *roles(journal, memory, rates, self._clock()),
            self._memory_line(memory),
        )
        metrics = [Line(name, number(v), trace=self._traces[name].values) for name, v in journal.metrics.items()]
        points = [(entry["seconds"], mean(entry["returns"])) for entry in journal.evaluations]
        return View(f"{settings.algo} on {settings.env}", journal.folder.name, lines, metrics, points)

    def _remember(self, journal: Journal, rates: Mapping[str, float]) -> None:
        self._looks += 1
        for name in ("env_steps", "updates"):
            if self._looks > PEAK_LOOKS:
                self._peaks[name] = max(self._peaks.get(name, 0.0), rates[name])
        for name, value in journal.metrics.items():
            self._traces.setdefault(name, Trace()).add(value)

    def _rates(self, journal: Journal, memory: StageMemory, rates: Mapping[str, float]) -> Iterator[Line]:
        sizes, samples = memory.sizes, memory.stage.make_source is not None
        if samples:
            yield self._rate("env steps", "env_steps", rates, journal, journal.env_steps)
        yield self._rate("updates", "updates", rates, journal, journal.updates)
        if rates["rows"]:
            queued = any(store.kind == "queue" for store in memory.stage.stores.values())
            note = "rows of segments, before epochs" if queued else f"rows of batches, {sizes.batch_size} each"
            yield Line("update frames", f"{rates['rows']:,.0f}/s", note)
        if samples:
            most = memory.stage.pace.max_lag
            lag = f"policy lag {rates['lag']:.0f} updates" + (f", at most {most}" if most is not None else "")
            held = sizes.replay_ratio is not None
            note = f"held at {sizes.replay_ratio:g}; {lag}" if held else lag
            yield Line("replay ratio", f"{rates['ratio']:.2f}" if held else "free", note)

    def _rate(self, name: str, key: str, rates: Mapping[str, float], journal: Journal, total: int) -> Line:
        """A rate beside what the tuner's trial of these sizes reached, or else beside the best of this stage."""
        now, tuned = rates[key], getattr(journal.tuned, key, 0.0)
        best, whose = (tuned, "tuned") if tuned else (self._peaks.get(key, 0.0), "at best")
        value, note = f"{rate(now)}/s", f"{total:,} in all"
        if not best:
            return Line(name, value, note)
        return Line(name, value, f"{now / best:.0%} of {rate(best)} {whose}; {note}", min(now / best, 1.0))

    def _memory_line(self, memory: StageMemory) -> Line:
        own = self._usage.own_bytes(int(memory.counters.row(role)[PID]) for role in memory.roles)
        shared, free, total = memory.shared_bytes, self._usage.free(), self._usage.total
        note = f"and {shared / GB:.1f} shared; {free / GB:.1f} of {total / GB:.1f} GB free"
        return Line("memory", f"{own / GB:.1f} GB", note, kind="alarm" if free < total / 20 else "rate")


def place(memory: StageMemory, names: Sequence[str]) -> Iterator[Line]:
    """The stage, where there are several."""
    if len(names) > 1:
        yield Line("stage", memory.stage.name, f"{memory.index + 1} of {len(names)}", kind="goal")


def progress(journal: Journal, memory: StageMemory, rates: Mapping[str, float]) -> Line:
    """How long the run has lasted, how near its ends are, and how long that takes."""
    seconds, until, counters = journal.settings.run.seconds, memory.stage.until, memory.counters
    found = []
    if until.env_steps is not None:
        found.append(goal(counters.env_steps, until.env_steps, rates["env_steps"], f"{until.env_steps:,} steps"))
    if until.updates is not None:
        found.append(goal(counters.updates, until.updates, rates["updates"], f"{until.updates:,} updates"))
    if seconds is not None:
        found.append(goal(journal.seconds, seconds, 1.0, in_words(seconds)))
    notes = "; ".join(note for _, note in found) or "until the learner has learned enough"
    share = max((share for share, _ in found), default=None)
    return Line("time", in_words(journal.seconds), notes, share, kind="goal")


def goal(done: float, wanted: float, per_second: float, name: str) -> tuple[float, str]:
    """The share of a limit that is reached, and that in words."""
    left = f", {in_words(max(wanted - done, 0) / per_second)} left" if per_second > 0 else ""
    return min(done / wanted, 1.0), f"{done / wanted:.0%} of {name}{left}"


def returns(journal: Journal, memory: StageMemory) -> Line:
    """Returns of the evaluations, and of the episodes that samplers finished."""
    wanted, count, notes = journal.settings.run.until_return, len(journal.evaluations), list[str]()
    if journal.best is not None:
        notes.append(f"best {number(journal.best)}")
    if memory.stage.evaluate is None:
        notes.append("this stage evaluates nothing")
    else:
        notes.append(f"{count} evaluation{'s' * (count != 1)}")
    if journal.episode_return is not None:
        notes.append(f"{number(journal.episode_return)} while collecting")
    if wanted is not None:
        notes.append(f"ends at {number(wanted)}")
    value = number(mean(journal.evaluations[-1]["returns"])) if count else "-"
    return Line("return", value, ", ".join(notes), kind="goal")


def roles(journal: Journal, memory: StageMemory, rates: Mapping[str, float], now_s: float) -> Iterator[Line]:
    """Who waits for whom, who is starting or silent, and who was started anew."""
    samplers = [role for role in memory.roles if role.startswith("sampler")]
    if len(samplers) > MANY:
        yield together(samplers, rates, journal.restarts)
    for role in memory.roles:
        if role not in samplers or len(samplers) <= MANY:
            beat_s = float(memory.counters.row(role)[BEAT]) / 1e9
            silent_s = 0.0 if journal.settings.run.serial else now_s - beat_s
            yield role_line(role, rates, journal.restarts.get(role, 0), math.inf if not beat_s else silent_s, samplers)


def role_line(role: str, rates: Mapping[str, float], restarts: int, silent_s: float, samplers: Sequence[str]) -> Line:
    """One role; `silent_s` since its last sign of life, infinite before the first."""
    notes = [f"restarted {restarts} time{'s' * (restarts > 1)}"] if restarts else []
    if silent_s > SILENT_S:
        if silent_s == math.inf:
            return Line(role, "starting", ", ".join(notes), kind="wait")
        return Line(role, "silent", ", ".join([f"for {in_words(silent_s)}", *notes]), kind="alarm")
    waits = rates.get(f"waited/{role}")
    if waits is None or not role.startswith(("sampler", "learner")):
        return Line(role, "works", ", ".join(notes), kind="wait")
    if role in samplers:
        notes = ["for the learner", f"{rates.get(f'steps/{role}', 0.0):,.0f} steps/s", *notes]
    elif samplers:
        notes = ["for samplers", *notes]
    return Line(role, f"waits {waits:.0%}", ", ".join(notes), min(waits, 1.0), kind="wait")


def together(samplers: Sequence[str], rates: Mapping[str, float], restarts: Mapping[str, int]) -> Line:
    """Many samplers in one line."""
    waits = [rates.get(f"waited/{role}", 0.0) for role in samplers]
    steps = [rates.get(f"steps/{role}", 0.0) for role in samplers]
    anew = sum(restarts.get(role, 0) for role in samplers)
    notes = [f"for the learner ({min(waits):.0%} to {max(waits):.0%})",
             f"{min(steps):,.0f} to {max(steps):,.0f} steps/s each"]  # fmt: skip
    notes += [f"restarted {anew} time{'s' * (anew > 1)}"] if anew else []
    return Line(f"{len(samplers)} samplers", f"wait {mean(waits):.0%}", ", ".join(notes), mean(waits), kind="wait")


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def rate(value: float) -> str:
    """A rate: one digit behind the point where that counts."""
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"
