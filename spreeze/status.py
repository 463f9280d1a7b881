"""The status line of a run: live on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console
from rich.live import Live
from rich.table import Table

from spreeze.journal import Journal

PLAIN_EVERY_S = 10.0


class Status:
    """Shows a journal's numbers once a second, or a line every ten seconds where there is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.journal: Journal | None = None
        self._live: Live | None = None
        self._next_s = 0.0

    def say(self, text: str) -> None:
        """Print a line above the status."""
        self.console.print(text, markup=False)

    def show(self) -> None:
        """Refresh the numbers."""
        if self.journal is None:
            return
        if not self.console.is_terminal:
            if time.monotonic() >= self._next_s:
                self._next_s = time.monotonic() + PLAIN_EVERY_S
                self.say("  ".join(f"{name} {value}" for name, value in self.numbers(self.journal)))
            return
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self.table(self.journal), refresh=True)

    @staticmethod
    def numbers(journal: Journal) -> list[tuple[str, str]]:
        """Name and value of everything shown."""
        rates, sizes = journal.rates(), journal.sizes
        waits = [f"{k.removeprefix('waited/')} {v:.0%}" for k, v in rates.items() if k.startswith("waited/")]
        best = f"{journal.best:.1f}" if journal.best is not None else "-"
        last = f"{sum(e[-1]['returns']) / len(e[-1]['returns']):.1f}" if (e := journal.evaluations) else "-"
        told = ", ".join(f"{name} {value:.4g}" for name, value in journal.metrics.items())
        if journal.stages and not rates["env_steps"] and not journal.evaluations:
            name = journal.stages[-1]["name"]
            rate = f"{journal.updates:,} ({rates['updates']:,.0f}/s)"
            return [("time", f"{journal.seconds:.0f} s"), ("stage", name), ("updates", rate), ("metrics", told or "-")]
        return [
            ("time", f"{journal.seconds:.0f} s"),
            ("steps", f"{journal.env_steps:,} ({rates['env_steps']:,.0f}/s)"),
            ("updates", f"{journal.updates:,} ({rates['updates']:,.0f}/s of {sizes.batch_size if sizes else 0} rows)"),
            ("update frame rate", f"{rates['rows']:,.0f} rows/s"),
            ("ratio", f"{rates['ratio']:.1f}"),
            ("policy lag", f"{rates['lag']:.0f} updates"),
            ("return", f"{last} (best {best})"),
            ("waiting", ", ".join(waits) or "-"),
        ]

    def table(self, journal: Journal) -> Table:
        """The live table."""
        table = Table.grid(padding=(0, 2))
        table.add_row(f"[bold]{journal.settings.algo}[/] on {journal.settings.env}", str(journal.folder.name))
        for name, value in self.numbers(journal):
            table.add_row(f"[dim]{name}[/]", value)
        return table

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None
