"""The viewer, a frame at a time: as the visualizer of a run and `spreeze watch` have it."""

from __future__ import annotations

import threading
import time
from typing import Any

import gymnasium

from spreeze import registry
from spreeze.config import Settings
from spreeze.environment import Overlay, Watchable
from spreeze.errors import SpreezeError
from spreeze.viewer.numbers import RunNumbers
from spreeze.viewer.panel import Panel
from spreeze.viewer.scene import open_scene
from spreeze.viewer.server import HOST, close_server, open_server
from spreeze.viewer.session import Session
from spreeze.viewer.weights import Weights, Which

FRAME_S = 1 / 30
"""Between two frames."""
SHOW_EVERY_S = 0.25
"""Between two refreshments of the numbers."""
IDLE_S = 0.2
"""Between two looks for somebody who is connected."""


class Viewer:
    """A session, shown to whoever is connected; nothing happens while nobody is."""

    def __init__(
        self, env: gymnasium.Env[Any, Any], session: Session, numbers: RunNumbers, heading: str, port: int | None
    ) -> None:
        self.env, self.session, self._numbers = env, session, numbers
        self.server = open_server(port, "spreeze")
        inner: Any = env.unwrapped
        self._watchable: Watchable | None = inner if isinstance(inner, Watchable) else None
        try:
            self._scene = open_scene(self.server, env)
            self.panel = Panel(self.server, session, heading, self._scene.has_camera, self._watchable)
        except BaseException:
            close_server(self.server)
            raise
        self._arrived = threading.Event()
        self.server.on_client_connect(lambda _: self._arrived.set())
        self._watched, self._began = False, -1
        self._last_s = self._next_frame_s = self._next_show_s = 0.0

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server.get_port()}/"

    def tick(self) -> None:
        """Make one frame if somebody is there to see it, and wait until the next is due."""
        if not self.server.get_clients():
            self._watched = False
            self._arrived.wait(IDLE_S)
            self._arrived.clear()
            return
        now = time.monotonic()
        if not self._watched:  # What was left off may be hours old.
            self._watched, self._last_s = True, now
            self.session.begin()
        elapsed, self._last_s = now - self._last_s, now
        asked = self.panel.obey()
        if self.session.advance(elapsed) | asked or self.session.episodes != self._began:
            self._draw()
        if asked or now >= self._next_show_s:
            self._next_show_s = now + SHOW_EVERY_S
            self.panel.show(self._numbers.rows())
        self._next_frame_s = max(self._next_frame_s + FRAME_S, time.monotonic())
        time.sleep(min(max(self._next_frame_s - time.monotonic(), 0.0), FRAME_S))

    def _draw(self) -> None:
        if self.session.episodes != self._began:
            self._began = self.session.episodes
            self._scene.begin()
        overlay = Overlay() if self._watchable is None else self._watchable.overlay()
        self._scene.draw(self.panel.follow, overlay.markers)
        self.panel.note(overlay)

    def close(self) -> None:
        """Stop listening and release the environment."""
        close_server(self.server)
        self.env.close()


def open_viewer(
    settings: Settings, weights: Weights, numbers: RunNumbers, which: Which, seed: int, port: int | None
) -> Viewer:
    """A viewer of the environment of `settings`.

    Raises:
        SpreezeError: the environment cannot be drawn, or there is no port.
    """
    env = registry.environment(settings.env).make_rendered(settings.environment)
    try:
        env.reset(seed=seed)
        heading = f"{settings.algo} on {settings.env}, {numbers.run.resolve().name}"
        return Viewer(env, Session(env, weights, which, seed), numbers, heading, port)
    except SpreezeError:
        env.close()
        raise
    except Exception as error:  # whatever a graphics library raises
        env.close()
        raise SpreezeError(f"environment '{settings.env}' cannot be shown: {error}") from error
