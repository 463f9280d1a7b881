"""How a run hears Ctrl-C and its relatives."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal asked the run to stop."""

    def __init__(self, number: int, begun: bool = True) -> None:
        super().__init__(signal.Signals(number).name)
        self.number, self.begun = number, begun


@contextmanager
def stoppable() -> Iterator["Signals"]:
    """Signals, heard from here on; whatever the first one breaks before it is only noted is its doing.

    Raises:
        Interrupted: one came before the run began.
    """
    signals = Signals(at_once=True)
    try:
        yield signals
    except (Exception, SystemExit) as error:
        if signals.at_once and signals.number is not None:
            raise Interrupted(signals.number, begun=False) from error
        raise
    finally:
        signals.close()


class Signals:
    """The first SIGINT, SIGTERM or SIGHUP is noted; a second one ends the process at once, and its children with it.

    While `at_once`, as before there is anything to save, the first one is raised where it comes.
    Outside the main thread, to which alone Python gives signals, nothing is heard.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.number: int | None = None
        self.at_once = at_once
        heard = HEARD if threading.current_thread() is threading.main_thread() else ()
        self._before = {number: signal.signal(number, self._hear) for number in heard}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            os._exit(128 + number)
        self.number = number
        if self.at_once:
            raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.number is not None:
            raise Interrupted(self.number)

    def raise_at_once(self) -> None:
        """From here on; one that has been noted already is raised here."""
        self.at_once = True
        self.check()

    def close(self) -> None:
        """Restore the handlers that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
