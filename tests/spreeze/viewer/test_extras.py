"""What environments add to the panel, and what pages cannot do to it: a real server, and a page's side of its wire."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium
import msgspec
import numpy as np
import pytest
import torch
from websockets.exceptions import ConnectionClosed

from benchmarks.viewer_client import CAMERA, attach
from spreeze.episodes import UniformPolicy
from spreeze.viewer.extras import SHOWN_S, Chart
from spreeze.viewer.incoming import MOST_BYTES, admitted
from spreeze.viewer.numbers import RunNumbers
from spreeze.viewer.server import close_server, open_server
from spreeze.viewer.session import Session
from spreeze.viewer.viewer import Viewer
from spreeze.viewer.weights import Acting, Which
from tests.spreeze.viewer.viewing import Page
from tests.spreeze.viewer.watched import Plain, Sled


class Anyhow:
    """Weights of a policy that acts at random."""

    def __init__(self, env: gymnasium.Env) -> None:
        self._acting = Acting(UniformPolicy(env.action_space, torch.Generator()), "random", "anyhow")

    def fetch(self, which: Which) -> Acting | None:
        return self._acting


@contextmanager
def shown(env: gymnasium.Env, run: Path) -> Iterator[Viewer]:
    """A viewer of an environment that ticks in a thread; whatever it raises is raised here."""
    env.reset(seed=0)
    viewer, stop, raised = Viewer(env, Session(env, Anyhow(env)), RunNumbers(run), "test", None), threading.Event(), []

    def tick() -> None:
        try:
            while not stop.is_set():
                viewer.tick()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield viewer
    finally:
        stop.set()
        thread.join()
        viewer.close()
    assert raised == []


@contextmanager
def page(viewer: Viewer) -> Iterator[Page]:
    """A page of a viewer that knows its controls."""
    with attach(viewer.address) as connection:
        opened = Page(connection)
        opened.until(lambda page: {"Seed", "Weights"} <= page.controls.keys() and "GuiUplotMessage" in page.kinds)
        yield opened


def test_controls_charts_and_pictures_of_an_environment_are_shown_and_act(tmp_path: Path) -> None:
    env = Sled()
    with shown(env, tmp_path) as viewer, page(viewer) as looking:
        looking.until(lambda page: {"Kick", "Kick (K)", "Halt", "how fast", "eye"} <= page.controls.keys())
        looking.until(lambda page: page.values.get("velocity") == 0.0)
        looking.set("Kick (K)", True)
        looking.until(lambda page: page.values.get("velocity") == 1.0)
        looking.set("how fast", -2)
        looking.until(lambda page: page.pressed("Kick (K)") and page.values.get("velocity") == -2.0)
        looking.send(type="CommandTriggerMessage", uuid=looking.controls["Halt"])
        looking.set("Halt", True)
        looking.until(lambda page: page.values.get("velocity") == 0.0)
    assert {kick for [kick] in env.kicks} == {1.0, -2.0}


def test_the_key_does_what_the_button_does(tmp_path: Path) -> None:
    env = Sled()
    with shown(env, tmp_path) as viewer, page(viewer) as looking:
        looking.until(lambda page: "Kick" in page.controls)
        [command] = [c for c in viewer.server.gui._command_handle_from_uuid.values() if c.label == "Kick"]
        assert command.hotkey == "K"
        looking.send(type="CommandTriggerMessage", uuid=command._impl.uuid)
        looking.until(lambda page: page.values.get("velocity") == 1.0)


def test_numbers_are_moved_into_their_limits(tmp_path: Path) -> None:
    env = Sled()
    with shown(env, tmp_path) as viewer, page(viewer) as looking:
        for asked, taken in ((1e300, 5.0), (-7, -5.0)):
            looking.set("how fast", asked)
            looking.until(lambda page, v=taken: page.pressed("Kick (K)") and page.values.get("velocity") == v)  # type: ignore[misc]
    assert {kick for [kick] in env.kicks} <= {1.0, 5.0, -5.0}


def test_an_environment_without_extras_shows_none(tmp_path: Path) -> None:
    with shown(Plain(), tmp_path) as viewer, page(viewer) as looking:
        looking.until(lambda page: "GuiUpdateMessage" in page.kinds)
        known = {"Time", "Speed", "Camera", "Weights", "Seed", "Episode", "Run", "environment"}
        assert {label for label in looking.controls if label} <= known
        assert not looking.kinds & {"RegisterCommandMessage", "GuiSliderMessage", "GuiButtonMessage"}


def malformed(looking: Page) -> Iterator[bytes | str]:
    """What no page would send."""
    draw, known = random.Random(0), list(looking.controls.values())
    yield from ("", "text", b"", b"\x00", b"\xc1", b"\xdf\xff\xff\xff\xff", b"\x9f" * 100, b"\x81" * 2000)
    yield from (draw.randbytes(draw.randrange(1, 200)) for _ in range(200))
    camera = msgspec.msgpack.encode(CAMERA)
    for _ in range(200):
        broken = bytearray(camera)
        broken[draw.randrange(len(camera))] = draw.randrange(256)
        yield bytes(broken)
    values: tuple[object, ...] = (
        None,
        [],
        {},
        "",
        "x",
        -1,
        1e308,
        float("nan"),
        float("inf"),
        True,
        2**63,
        b"x",
        [[[]]],
        "a" * 1000,
    )
    names = ("value", "update_cb", "sync_cb", "props", "gui_api", "removed", "__class__", "_impl", "", "is_button")
    for control in [*known, "", 5, None]:
        for value in values:
            named = draw.choice(names)
            yield from (update(control, {"value": value}), update(control, {named: value, "value": value}))
            yield update(control, {named: value}) if named != "value" else update(control, value)
    for kind in (
        "ShareUrlRequest",
        "FileTransferStartUpload",
        "GuiFormDirtyMessage",
        "GuiUpdateMessage",
        "Message",
        "x",
        5,
    ):
        yield msgspec.msgpack.encode({"type": kind})
        yield msgspec.msgpack.encode({"type": kind, "uuid": known[0], "updates": 5})


def update(control: object, updates: object) -> bytes:
    return msgspec.msgpack.encode({"type": "GuiUpdateMessage", "uuid": control, "updates": updates})


def test_malformed_messages_do_no_harm(tmp_path: Path) -> None:
    env = Sled()
    with shown(env, tmp_path) as viewer:
        with page(viewer) as hostile:
            hostile.until(lambda page: "how fast" in page.controls)
            for frame in malformed(hostile):
                hostile.connection.send(frame)
            hostile.until(lambda page: bool(page.values))
        with page(viewer) as looking:
            looking.until(lambda page: "how fast" in page.controls)
            looking.set("Time", "Play")
            looking.set("how fast", 3)
            looking.until(lambda page: page.pressed("Kick (K)") and page.values.get("velocity") == 3.0)
            assert viewer.session.seed >= 0 and viewer.session.speed in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
    assert all(-5.0 <= kick <= 5.0 for [kick] in env.kicks)


def test_a_huge_message_ends_the_connection_that_sent_it_and_no_other(tmp_path: Path) -> None:
    with shown(Sled(), tmp_path) as viewer, page(viewer) as looking:
        with attach(viewer.address) as hostile, pytest.raises(ConnectionClosed):
            hostile.send(b"\x00" * (MOST_BYTES + 1))
            while True:
                hostile.recv(timeout=60)
        looking.set("how fast", 2)
        looking.until(lambda page: page.pressed("Kick (K)") and page.values.get("velocity") == 2.0)


class Limits:
    min, max, options = -2, 3, ("a", "b")


@pytest.mark.parametrize(
    ("current", "value", "taken"), [(0, 9, 3), (0.0, -9.5, -2), (1, 2, 2), ("a", "b", "b"), (False, True, True)]
)
def test_what_a_control_takes(current: object, value: object, taken: object) -> None:
    assert admitted(current, Limits, value) == taken


@pytest.mark.parametrize(
    ("current", "value"),
    [
        (0, "1"),
        (0, True),
        (0, float("nan")),
        (0.0, float("inf")),
        (0, None),
        ("a", "c"),
        ("a", 1),
        (False, 1),
        (None, 1),
    ],
)
def test_what_a_control_does_not_take(current: object, value: object) -> None:
    with pytest.raises(ValueError, match="instead of"):
        admitted(current, Limits, value)


def test_a_chart_keeps_the_last_seconds_of_an_episode() -> None:
    server = open_server(None, "test")
    try:
        chart = Chart(server.gui, "title", ["one", "two"])
        for step in range(200):
            chart.note(step * 0.1, {"one": step, "two": float("nan") if step == 150 else 0.0})
        chart.show()
        seconds, one, _ = chart._plot.data
        assert seconds[0] == pytest.approx(19.9 - SHOWN_S, abs=0.11) and seconds[-1] == pytest.approx(19.9)
        assert 150 not in one and one[-1] == 199
        chart.note(0.0, {"one": 1.0, "two": 2.0})
        chart.show()
        np.testing.assert_array_equal(np.ravel(chart._plot.data), [0.0, 1.0, 2.0])
    finally:
        close_server(server)
