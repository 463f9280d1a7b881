"""What came of every trial, on the disk, and as the table of the documentation."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spreeze.journal import machine, versions
from tests.faults.plan import ROWS, FaultPlan, Outcome

BEGIN, END = "<!-- matrix: written by tools/faults -->", "<!-- end of the matrix -->"
HEAD = (
    "| what | to whom | in a run of | passed / tried | recovery, median (longest) [s] | updates/s afterwards |\n"
    "|---|---|---|---|---|---|"
)

Row = dict[str, Any]
NOTHING: Mapping[str, Any] = {"tried": 0, "recovery_s": [], "throughput": [], "failures": []}
"""A row of which there is no trial: what is kept of one."""


class Records:
    """Outcomes by row, kept in a JSON file after every trial."""

    def __init__(self, file: Path) -> None:
        self.file = file
        known = json.loads(file.read_text()) if file.exists() else {}
        self.rows: dict[str, Row] = known.get("rows", {})

    def tried(self, row: str) -> int:
        """How many trials of a row there are."""
        return int(self.rows.get(row, NOTHING)["tried"])

    def forget(self, rows: Iterable[str]) -> None:
        """Remove the trials of these rows."""
        for row in rows:
            self.rows.pop(row, None)
        self._write()

    def add(self, plan: FaultPlan, outcome: Outcome) -> None:
        """Keep the outcome of a trial."""
        row = self.rows.setdefault(plan.row, {name: 0 if value == 0 else [] for name, value in NOTHING.items()})
        row["tried"] += 1
        for name, value in (("recovery_s", outcome.recovery_s), ("throughput", outcome.throughput)):
            row[name] += [] if value is None else [round(value, 2)]
        if outcome.failure:
            row["failures"].append({"trial": plan.trial, "seed": plan.seed, "why": outcome.failure})
        self._write()

    def failures(self) -> list[str]:
        """The rows in which a trial failed."""
        return [name for name, row in self.rows.items() if row["failures"]]

    def _write(self) -> None:
        about = {"machine": machine(), "versions": versions()}
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(self.rows.items()))
        heads = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in about.items())
        part = self.file.with_suffix(".part")
        part.write_text(f'{{{heads},\n"rows": {{\n{rows}\n}}}}\n')
        part.replace(self.file)


def table(records: Records) -> str:
    """The matrix in Markdown, in the order of `ROWS`; rows that were never tried are named below it."""
    tried = [row for row in ROWS if records.tried("/".join(row))]
    missing = ["/".join(row) for row in ROWS if row not in tried]
    lines = [HEAD, *(line(row, records.rows["/".join(row)]) for row in tried)]
    return "\n".join(lines) + (f"\n\nNot tried: {', '.join(missing)}." if missing else "")


def line(row: Sequence[str], kept: Row) -> str:
    """One row of the table."""
    tried, times, rates = kept["tried"], kept["recovery_s"], kept["throughput"]
    passed = tried - len(kept["failures"])
    took = f"{statistics.median(times):.1f} ({max(times):.1f})" if times else ""
    rate = f"{statistics.median(rates):.0%}" if rates else ""
    return f"| {' | '.join(row)} | {passed} / {tried} | {took} | {rate} |"


def write_table(records: Records, page: Path) -> None:
    """Put the matrix between its marks in a page; a page without them is left alone."""
    text = page.read_text() if page.exists() else ""
    if BEGIN in text and END in text:
        before, _, rest = text.partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{table(records)}\n\n{END}{rest.partition(END)[2]}")
