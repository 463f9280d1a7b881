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


class Records:
    """Outcomes by row, kept in a JSON file after every trial."""

    def __init__(self, file: Path) -> None:
        self.file = file
        known = json.loads(file.read_text()) if file.exists() else {}
        self.rows: dict[str, list[dict[str, Any]]] = known.get("rows", {})

    def tried(self, row: str) -> int:
        """How many trials of a row there are."""
        return len(self.rows.get(row, ()))

    def forget(self, rows: Iterable[str]) -> None:
        """Remove the trials of these rows."""
        for row in rows:
            self.rows.pop(row, None)
        self._write()

    def add(self, plan: FaultPlan, outcome: Outcome) -> None:
        """Keep the outcome of a trial."""
        numbers = {"recovery_s": outcome.recovery_s, "throughput": outcome.throughput}
        kept = {name: round(value, 3) for name, value in numbers.items() if value is not None}
        failure = {"failure": outcome.failure} if outcome.failure else {}
        self.rows.setdefault(plan.row, []).append({"seed": plan.seed, "trial": plan.trial, **kept, **failure})
        self._write()

    def failures(self) -> list[str]:
        """The rows in which a trial failed."""
        return [row for row, trials in self.rows.items() if any("failure" in trial for trial in trials)]

    def _write(self) -> None:
        content = {"machine": machine(), "versions": versions(), "rows": self.rows}
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(content, indent=1) + "\n")
        part.replace(self.file)


def table(records: Records) -> str:
    """The matrix in Markdown, in the order of `ROWS`; rows that were never tried are named below it."""
    tried = [row for row in ROWS if records.tried("/".join(row))]
    missing = ["/".join(row) for row in ROWS if row not in tried]
    lines = [HEAD, *(line(row, records.rows["/".join(row)]) for row in tried)]
    return "\n".join(lines) + (f"\n\nNot tried: {', '.join(missing)}." if missing else "")


def line(row: Sequence[str], trials: Sequence[Mapping[str, Any]]) -> str:
    """One row of the table."""
    passed = sum("failure" not in trial for trial in trials)
    times = [trial["recovery_s"] for trial in trials if "recovery_s" in trial]
    rates = [trial["throughput"] for trial in trials if "throughput" in trial]
    took = f"{statistics.median(times):.1f} ({max(times):.1f})" if times else ""
    rate = f"{statistics.median(rates):.0%}" if rates else ""
    return f"| {' | '.join(row)} | {passed} / {len(trials)} | {took} | {rate} |"


def write_table(records: Records, page: Path) -> None:
    """Put the matrix between its marks in a page; a page without them is left alone."""
    text = page.read_text() if page.exists() else ""
    if BEGIN in text and END in text:
        before, _, rest = text.partition(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{table(records)}\n\n{END}{rest.partition(END)[2]}")
