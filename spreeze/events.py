"""Metrics over a run, read from its TensorBoard events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spreeze.curves import RETURN, Point
from spreeze.errors import RunFolderError, UnknownName

PROGRESS = "progress/updates"
"""Updates, written about once a second in every run."""


@dataclass(frozen=True)
class Session:
    """One event file: from the start or the resume of a run to its end."""

    events: Any
    before_s: float
    """Seconds of the sessions before it together."""

    def scalars(self, tag: str) -> list[Any]:
        """Its values of one metric: wall_time, step, value."""
        return list(self.events.Scalars(tag)) if tag in self.events.Tags()["scalars"] else []

    @property
    def begun_s(self) -> float:
        """When it began, on the machine's clock."""
        return float(self.events.FirstEventTimestamp())

    @property
    def first_step(self) -> int:
        """Where it began: at the checkpoint, if it resumed one."""
        return min((event.step for event in self.scalars(PROGRESS)), default=0)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max((event.wall_time for event in self.scalars(PROGRESS)), default=self.begun_s) - self.begun_s

    def points(self, tag: str) -> list[tuple[int, Point]]:
        """Its values of one metric with their steps. Where no environment is stepped, steps are updates."""
        progress = self.scalars(PROGRESS)
        times, updates = [event.wall_time for event in progress], [event.value for event in progress]
        stepping = any(event.step != event.value for event in progress)
        return [
            (event.step, Point(
                seconds=event.wall_time - self.begun_s + self.before_s,
                env_steps=event.step if stepping else None,
                value=float(event.value),
                updates=round(float(np.interp(event.wall_time, times, updates))) if times else None,
            ))
            for event in self.scalars(tag)
        ]  # fmt: skip


def sessions(run: Path) -> Iterator[Session]:
    """Every event file of a run, in order of time."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    before_s = 0.0
    for file in sorted(run.glob("events.out.tfevents.*"), key=_when):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        session = Session(events, before_s)
        if not session.scalars(PROGRESS):  # It ended before it had anything to say.
            continue
        before_s += session.seconds
        yield session


def _when(file: Path) -> tuple[int, int]:
    """When an event file was begun, by its name [s], and last written to [ns]."""
    return int(file.name.split(".")[3]), file.stat().st_mtime_ns


def read_metric(run: Path, tag: str) -> tuple[Point, ...]:
    """Return every value of a metric, in order of time. What a resume took back is left out.

    Raises:
        RunFolderError: the run holds no events.
        UnknownName: none of its metrics is called so.
    """
    found = list(sessions(run))
    if not found:
        raise RunFolderError(f"'{run}' holds no TensorBoard events with '{tag}'; --metric {RETURN} needs none")
    points: list[tuple[int, Point]] = []
    for session in found:
        points = [(step, point) for step, point in points if step < session.first_step] + session.points(tag)
    if not points:
        known = {name for session in found for name in session.events.Tags()["scalars"]}
        raise UnknownName(f"metric of {run}", tag, {*known, RETURN})
    return tuple(point for _, point in points)
