"""`--visualize browser`: runs whose visualizer shows the newest policy, or cannot, and finish all the same."""

import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.viewer_client import attach
from tests.spreeze.viewer.trained import Running
from tests.spreeze.viewer.viewing import Page, look

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, root: Path) -> Iterator[Start]:
    """Starts a run that is to be shown; it is ended after the test."""
    started: list[Running] = []

    def begin(env: str, *options: str, before: str = "") -> Running:
        options = ("--visualize", "browser", *options)
        started.append(Running(tmp_path / "run", env, *options, path=f"{before}{os.pathsep}{root}".strip(os.pathsep)))
        return started[-1]

    yield begin
    for run in started:
        run.close()


def test_the_newest_policy_is_shown_while_the_run_learns(start: Start) -> None:
    run = start("halfcheetah")
    url = run.hear(r"visualizer: the newest policy is shown at http://127\.0\.0\.1:\d+/").split()[-1]
    with urllib.request.urlopen(url, timeout=60) as page:
        assert b"<html" in page.read()
    seen = look(url, until=lambda seen: seen.frames > 20 and "live, update" in seen.texts and "running" in seen.texts)
    assert seen.kinds >= {"GuiUpdateMessage", "SceneNodeUpdateMessage"}
    run.finish()


@pytest.mark.slow
def test_what_a_page_does_to_the_robot_that_it_sees_does_not_hurt_the_run(start: Start) -> None:
    run = start("rabbit-joints")
    url = run.hear(r"visualizer: the newest policy is shown at http://127\.0\.0\.1:\d+/").split()[-1]
    with attach(url) as connection:
        page = Page(connection)
        page.until(lambda page: "Push (P)" in page.controls and "actual" in page.values and len(page.markers) == 1)
        for frame in (b"", b"\xc1", "text", b"\x80", b"\xff" * 1000):
            connection.send(frame)
        page.set("impulse [N s]", 1e300)
        page.set("direction [degrees]", float("nan"))
        page.until(lambda page: page.pressed("Push (P)") and page.values["actual"] > 1.5)
    run.finish()


def test_a_missing_library_is_said_and_the_run_goes_on(start: Start, tmp_path: Path) -> None:
    (tmp_path / "viser.py").write_text("raise ImportError('no such library here')")
    run = start("pendulum", before=str(tmp_path))
    run.hear("visualizer: no viewer: ImportError: no such library here")
    run.await_checkpoint()
    run.finish()


@pytest.mark.slow
def test_an_environment_that_cannot_be_drawn_is_said_and_the_run_goes_on(start: Start) -> None:
    run = start("tests.envs.faulty:test/undrawable-v0", "--max-episode-steps", "2")
    run.hear("visualizer: no viewer: UsageError: cannot render environment .*pip install brush")
    run.finish()


@pytest.mark.slow
def test_a_port_that_does_not_exist_is_said_and_the_run_goes_on(start: Start) -> None:
    run = start("pendulum", "--viewer-port", "65536")
    run.hear("visualizer: no viewer: SpreezeError: no port from 65536 on is free")
    run.finish()
