"""Signals: raised where they come while nothing was begun, noted afterwards, and never lost."""

import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from spreeze.cli import main
from spreeze.errors import UsageError
from spreeze.signals import Interrupted, Signals, stoppable

pytestmark = pytest.mark.alone


def test_a_signal_before_the_run_is_raised_where_it_comes() -> None:
    with pytest.raises(Interrupted) as raised, stoppable():
        os.kill(os.getpid(), signal.SIGHUP)
        pytest.fail("it was not raised")
    assert raised.value.number == signal.SIGHUP


def test_whoever_swallows_it_or_calls_it_something_else_does_not_hide_it() -> None:
    with pytest.raises(Interrupted) as raised, stoppable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception as error:
            raise UsageError("the plug-in cannot be imported") from error
    assert raised.value.number == signal.SIGTERM and not raised.value.begun


def test_once_the_run_began_it_is_noted_and_an_error_stays_what_it_is() -> None:
    with pytest.raises(UsageError), stoppable() as signals:
        signals.at_once = False
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.number == signal.SIGTERM
        raise UsageError("no room")


def test_handlers_that_were_there_before_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    signals = Signals()
    signals.close()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_another_thread_hears_nothing_and_leaves_the_handlers_alone() -> None:
    before, found = signal.getsignal(signal.SIGINT), list[int | None]()

    def work() -> None:
        with stoppable() as signals:
            found.append(signals.number)
            assert signal.getsignal(signal.SIGINT) is before

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None] and signal.getsignal(signal.SIGINT) is before


def test_a_signal_while_the_folder_is_claimed_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted_flock(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        os.kill(os.getpid(), signal.SIGTERM)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", interrupted_flock)
    code = main(["run", "--algo", "sac", "--env", "pendulum", "--serial", "--out", str(tmp_path / "run")])
    assert code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM before the run began" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
