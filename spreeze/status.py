"""The status of a run: a live panel on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console, RenderableType
from rich.live import Live

from spreeze.journal import Journal
from spreeze.panel.layout import fitted, one_line
from spreeze.panel.view import Lookout
from spreeze.stage_memory import StageMemory

PLAIN_EVERY_S = 10.0


class Status:
    """Shows a run once a second, or as a line every ten seconds where no panel can be drawn or has room.

    1. What is said goes above the panel and stays; the last panel stays when the run ends.
    2. Pipes, files, terminals that cannot move their cursor, and those too small for all numbers get plain lines.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.journal: Journal | None = None
        self.lookout = Lookout()
        self._live: Live | None = None
        self._next_s = 0.0
        self._size = self.console.size

    def say(self, text: str) -> None:
        """Print a line above the status."""
        self.console.print(text, markup=False)

    def show(self, memory: StageMemory) -> None:
        """Refresh what is shown of the stage that plays in `memory`."""
        if self.journal is None:
            return
        view = self.lookout.look(self.journal, memory)
        shown = None
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            width, height = self.console.size
            shown = fitted(view, width, height - 1, self.console.options.ascii_only)
        if shown is not None:
            self._refresh(shown)
            return
        self.close()
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PLAIN_EVERY_S
            self.say(one_line(view))

    def _refresh(self, shown: RenderableType) -> None:
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        if self.console.size != self._size:  # The terminal has wrapped what stood there: nobody knows where.
            self._size = self.console.size
            self.console.clear()
        self._live.update(shown, refresh=True)

    def close(self) -> None:
        """Leave what was shown last, and the cursor below it."""
        if self._live is not None:
            self._live.stop()
            self._live = None
