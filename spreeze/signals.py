"""How a run hears Ctrl-C and its relatives."""

import os
import signal
from types import FrameType


class Interrupted(Exception):
    """A signal asked the run to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """The first SIGINT, SIGTERM or SIGHUP is noted; a second one ends the process at once, and its children with it."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before = {n: signal.signal(n, self._hear) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            os._exit(128 + number)
        self.number = number

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.number is not None:
            raise Interrupted(self.number)

    def close(self) -> None:
        """Restore the handlers that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
