"""Controls and texts beside the picture; controls leave commands, which the viewer carries out between two frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from queue import SimpleQueue
from typing import Any

import numpy as np
import viser
from viser import uplot

from spreeze.environment import Overlay, Watchable
from spreeze.viewer.extras import Extras
from spreeze.viewer.numbers import Rows
from spreeze.viewer.session import Finished, Session
from spreeze.viewer.weights import Which

SPEEDS = {"1/8": 0.125, "1/4": 0.25, "1/2": 0.5, "1": 1.0, "2": 2.0, "4": 4.0}
FOLLOW, FREE = "follow", "free"
PAUSE, PLAY, STEP, RESET = "Pause", "Play", "Step", "Reset"
CURVE_PX = 130
"""Height of the chart."""
BEHIND = 0.9
"""Share of the chosen speed below which it is said what is reached."""
MOST_COMMANDS = 256
"""That wait for the next frame."""

Command = Callable[[], object]


class Panel:
    """The panel of one session."""

    def __init__(
        self,
        server: viser.ViserServer,
        session: Session,
        heading: str,
        has_camera: bool,
        watchable: Watchable | None = None,
    ) -> None:
        self._session = session
        self.commands: SimpleQueue[Command] = SimpleQueue()
        gui = server.gui
        self._heading = gui.add_html(
            f"<div style='padding:0 1em 0.6em;font-size:0.95em'><b>{escape(heading)}</b></div>"
        )
        self._time = gui.add_button_group("Time", [PAUSE, STEP, RESET], hint="Step: pause, and take one step")
        self._speed = gui.add_dropdown("Speed", list(SPEEDS), initial_value="1", hint="Simulated per real time")
        self._camera = gui.add_dropdown(
            "Camera", [FOLLOW, FREE], visible=has_camera, hint="free: stay where the episode began"
        )
        self._weights: Any = gui.add_dropdown("Weights", ["newest", "best"], initial_value=session.which)
        self._seed = gui.add_number("Seed", session.seed, min=0, step=1, hint="Begin an episode with it")
        self._extras = None if watchable is None else Extras(gui, watchable, self._put)
        with gui.add_folder("Episode"):
            self._episode = gui.add_html("")
        with gui.add_folder("Run"):
            self._run = gui.add_html("")
        self._curve = gui.add_uplot(
            *_curve([], []),
            title="returns of past episodes",
            scales={"x": uplot.Scale(time=False)},
            legend=uplot.Legend(show=False),
            height=CURVE_PX,
        )
        self._last: Finished | None = None
        self._connect()

    def _connect(self) -> None:
        """Have every control leave a command."""
        session, put = self._session, self._put
        self._time.on_click(lambda event: put(partial(self._press, event.target.value)))
        self._speed.on_update(lambda _: put(lambda: setattr(session, "speed", SPEEDS[self._speed.value])))
        self._camera.on_update(lambda _: put(lambda: None))
        self._weights.on_update(lambda _: put(self._choose))
        self._seed.on_update(lambda _: put(lambda: session.begin_with(int(self._seed.value))))

    def _put(self, command: Command) -> None:
        """Leave a command; who leaves hundreds between two frames is not heard."""
        if self.commands.qsize() < MOST_COMMANDS:
            self.commands.put(command)

    @property
    def follow(self) -> bool:
        """Whether the camera follows the robot."""
        return self._camera.value == FOLLOW

    def _press(self, button: str) -> None:
        """Carry out a button; what holds time while time goes on lets it go on again."""
        if button == RESET:
            self._session.begin()
            return
        self._session.paused = button in (PAUSE, STEP)
        self._time.options = (PLAY if self._session.paused else PAUSE, STEP, RESET)
        if button == STEP:
            self._session.step()

    def _choose(self) -> None:
        wanted: Which = "best" if self._weights.value == "best" else "newest"
        if not self._session.choose(wanted):
            self._weights.value = self._session.which

    def obey(self) -> bool:
        """Carry out what was asked for; return whether anything was."""
        asked = self.commands.qsize()
        for _ in range(asked):
            self.commands.get()()
        return asked > 0

    def note(self, overlay: Overlay) -> None:
        """Take what the environment shows at this moment."""
        if self._extras is not None:
            self._extras.note(self._session.seconds, overlay)

    def show(self, run: Rows) -> None:
        """Refresh all numbers."""
        self._episode.content = table(episode_rows(self._session))
        self._run.content = table(run)
        if self._extras is not None:
            self._extras.show()
        ends = list(self._session.finished)
        if ends and ends[-1] is not self._last:
            self._last = ends[-1]
            self._curve.data = _curve([end.number for end in ends], [end.total for end in ends])[0]


def episode_rows(session: Session) -> Rows:
    """Name and value of what is said of the episode and of those before it."""
    player, acting, ends = session.player, session.acting, list(session.finished)
    if player is None or acting is None:
        return [("", "waiting for the first weights")]
    reached = session.reached_speed
    behind = not session.paused and 0 < reached < BEHIND * session.speed
    state = (
        "paused"
        if session.paused
        else "over"
        if player.done
        else f"{reached:.2f} of real time"
        if behind
        else "playing"
    )
    past = "-"
    if ends:
        mean, length = (float(np.mean([getattr(end, name) for end in ends])) for name in ("total", "length"))
        past = f"{len(ends)}, mean {mean:.1f} in {length:.0f} steps"
    return [
        ("state", state),
        ("return", f"{player.total:.1f}"),
        ("length", f"{player.length:,} steps, {session.seconds:.1f} s"),
        ("episode", f"{session.episodes}, seed {session.seed - 1}"),
        ("past episodes", past),
        ("weights", acting.label),
    ]


def table(rows: Rows) -> str:
    """Names and values as HTML."""
    name, value = (
        "padding:0.1em 0.8em 0.1em 0;opacity:0.65;white-space:nowrap",
        "text-align:right;word-break:break-word",
    )
    lines = "".join(
        f"<tr><td style='{name}'>{escape(key)}</td><td style='{value}'>{escape(text)}</td></tr>" for key, text in rows
    )
    style = "width:100%;font-size:0.85em;line-height:1.3;font-variant-numeric:tabular-nums"
    return f"<div style='padding:0 1em 0.5em'><table style='{style}'>{lines}</table></div>"


def _curve(numbers: list[int], returns: list[float]) -> tuple[tuple[np.ndarray, ...], Any]:
    """What the chart of returns is made of."""
    series = (uplot.Series(label="episode"), uplot.Series(label="return", stroke="#2563eb", width=2))
    return (np.array(numbers or [0], float), np.array(returns or [0.0], float)), series
