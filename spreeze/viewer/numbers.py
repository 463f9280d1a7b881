"""What a viewer says of the run: its summary.json, which a run replaces every ten seconds, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spreeze.run_folder import read_summary

LOOK_EVERY_S = 2.0
SILENT_S = 60.0
"""A run that says nothing for longer is probably dead."""

Rows = list[tuple[str, str]]


class RunNumbers:
    """Name and value of what is worth knowing about a run, read again only when it is due and has changed."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._file, self._looked_s, self._version = run / "summary.json", float("-inf"), (0.0, 0)
        self._before: Mapping[str, Any] = {}
        self._summary: Mapping[str, Any] = {}

    def rows(self) -> Rows:
        """The numbers of this moment; only a line that says so while there are none."""
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            self._look()
        if not self._summary:
            return [("run", "no summary.json yet")]
        try:
            return rows_of(self._summary, self._before, time.time() - self._version[0])
        except (KeyError, TypeError, ValueError, IndexError):
            return [("run", "summary.json is of another version")]

    def _look(self) -> None:
        try:
            found = self._file.stat()
        except OSError:
            return
        if (found.st_mtime, found.st_ino) != self._version:
            self._version = found.st_mtime, found.st_ino
            self._before, self._summary = self._summary, read_summary(self.run)


def rows_of(summary: Mapping[str, Any], before: Mapping[str, Any], age_s: float) -> Rows:
    """Name and value of each number; rates since the summary `before`, or over the whole run without one."""
    since = before if before and before["wall_seconds"] < summary["wall_seconds"] else {}
    span = summary["wall_seconds"] - since.get("wall_seconds", 0.0)

    def counted(name: str) -> str:
        total = summary[name]
        return f"{total:,} ({(total - since.get(name, 0)) / max(span, 1e-9):,.0f}/s)"

    evaluations = summary["evaluations"]
    return [
        ("run", state_of(summary["exit_reason"], age_s)),
        ("time", clock_of(summary["wall_seconds"])),
        ("steps", counted("env_steps")),
        ("updates", counted("updates")),
        ("rows", counted("rows")),
        ("replay ratio", f"{summary['replay_ratio']:.2f}"),
        ("policy lag", f"{summary['policy_lag']:.0f} updates"),
        ("evaluated", mean_of(evaluations[-1]["returns"]) if evaluations else "-"),
        ("best", "-" if summary["best_return"] is None else f"{summary['best_return']:.1f}"),
    ]


def state_of(reason: str, age_s: float) -> str:
    """Whether a run goes on, with the age of what is known."""
    if reason != "running":
        return reason
    return f"running, as of {age_s:.0f} s ago" if age_s < SILENT_S else f"silent for {clock_of(age_s)}; it was killed?"


def mean_of(returns: list[float]) -> str:
    """The mean return of one evaluation."""
    return f"{sum(returns) / len(returns):.1f}"


def clock_of(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
