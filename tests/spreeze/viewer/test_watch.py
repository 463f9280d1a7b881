"""`spreeze watch`: what it says, that it leaves nothing, and that a run does not notice it."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.viewer_client import attach
from spreeze.cli import main
from tests.spreeze.viewer.trained import LIMIT_S, Running
from tests.spreeze.viewer.viewing import Page

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")


class Watch:
    """`spreeze watch` in a process of its own."""

    def __init__(self, run: Path, *options: str) -> None:
        command = [sys.executable, "-m", "spreeze", "watch", str(run), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""

    def address(self) -> str:
        """Wait for the address; return it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := ADDRESS.search(line):
                return found[0]
        raise AssertionError(self.said)

    def end(self, number: int) -> int:
        """End it by a signal; return the exit code."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        return self.process.wait(LIMIT_S)


@pytest.fixture
def started(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Watch]]:
    """What is to be ended after the test."""
    monkeypatch.setenv("PYTHONPATH", str(root))
    watches: list[Watch] = []
    yield watches
    for watch in watches:
        watch.process.kill()
        watch.process.wait()
        assert watch.process.stdout is not None
        watch.process.stdout.close()


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file and folder."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def test_a_finished_run_is_shown_until_ctrl_c_and_stays_as_it_is(own: Path, started: list[Watch]) -> None:
    before = contents(own)
    started.append(watch := Watch(own, "--weights", "best"))
    with urllib.request.urlopen(watch.address(), timeout=10) as page:
        assert b"<html" in page.read()
    assert ": best " in watch.said and "Ctrl-C ends the viewer" in watch.said
    assert psutil.Process(watch.process.pid).nice() == 19
    assert watch.end(signal.SIGINT) == 0 and watch.said.endswith("closed\n")
    assert contents(own) == before


@pytest.mark.slow
def test_a_run_does_not_notice_who_comes_and_goes(tmp_path: Path, root: Path, started: list[Watch]) -> None:
    run = Running(tmp_path / "run", "pendulum", "--visualize", "none", path=str(root))
    try:
        run.await_checkpoint()
        for number, code in (
            (signal.SIGKILL, -signal.SIGKILL),
            (signal.SIGINT, 0),
            (signal.SIGTERM, 128 + signal.SIGTERM),
        ):
            started.append(watch := Watch(run.folder))
            watch.address()
            assert watch.end(number) == code
        run.finish()
    finally:
        run.close()
    kinds = {path.name.partition(".out")[0] for path in run.folder.iterdir()}
    assert kinds == {"config.yaml", "summary.json", "checkpoints", "log.txt", "events", ".lock"}


@pytest.mark.slow
def test_a_push_from_the_page_moves_the_robot(walker: Path, started: list[Watch]) -> None:
    started.append(watch := Watch(walker))
    with attach(watch.address()) as connection:
        page = Page(connection)
        page.until(lambda page: {"Push (P)", "impulse [N s]", "direction [degrees]"} <= page.controls.keys())
        page.until(lambda page: page.values.keys() == {"commanded", "actual"} and len(page.markers) == 2)
        for direction in (0.0, 180.0):
            page.set("impulse [N s]", 0.0)
            page.until(lambda page: abs(page.values["actual"]) < 0.2)
            page.set("impulse [N s]", 30.0)
            page.set("direction [degrees]", direction)
            page.set("Push (P)", True)
            ahead = 1 if direction == 0.0 else -1
            page.until(lambda page, ahead=ahead: ahead * page.values["actual"] > 0.4)  # type: ignore[misc]
        assert page.values["commanded"] == 0.0
        connection.send(b"\xc1")
    assert watch.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("watch nowhere", "'nowhere' is neither a run folder"),
        ("watch latest", "no run in runs/"),
        ("watch {run} --port 0", "--port 0: give 1 to 65535"),
        ("watch {run} --port 70000", "--port 70000"),
        ("watch {run} --seed -1", "--seed -1"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    words: str, complaint: str, hopper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(words.format(run=hopper).split()) == 2
    assert complaint in capsys.readouterr().err


def test_a_run_without_a_policy_is_refused(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "nice", lambda step: 0)  # What it gives up, a process does not get back.
    for file in own.glob("checkpoints/*/bundle-*"):
        file.unlink()
    assert main(["watch", str(own)]) == 5
    assert "holds no policy that can be read" in capsys.readouterr().err


def test_an_environment_that_cannot_be_drawn_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.spreeze.attackable import run_folder

    monkeypatch.setattr(os, "nice", lambda step: 0)
    run = run_folder(tmp_path / "run", "tests.envs.faulty:test/undrawable-v0")
    config = run / "config.yaml"  # Its episodes end before it shows another fault.
    config.write_text(config.read_text().replace("max_episode_steps: null", "max_episode_steps: 2"))
    assert main(["watch", str(run)]) == 2
    assert "pip install brush" in capsys.readouterr().err
