"""What an environment adds to the panel, if it is `Watchable`: buttons with their numbers, charts, pictures."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any

import numpy as np
import viser
from viser import uplot

from spreeze.environment import Control, Overlay, Parameter, Watchable

SHOWN_S = 10.0
"""Simulated time that a chart shows."""
KEPT = 600
"""Moments of it that are kept at most."""
CHART_PX = 130
"""Height of a chart."""
COLOURS = ("#d97706", "#2563eb", "#16a34a", "#9333ea")
"""Of curves, in their order."""
STEPS = 100
"""Of a slider, at least."""

Put = Callable[[Callable[[], object]], None]


class Extras:
    """Of one environment, in the order controls, charts, pictures."""

    def __init__(self, gui: viser.GuiApi, env: Watchable, put: Put) -> None:
        """Controls leave their commands by `put`."""
        for control in env.controls():
            add_control(gui, control, put)
        first = env.overlay()
        self._charts = {title: Chart(gui, title, list(curves)) for title, curves in first.charts.items()}
        self._pictures = {title: gui.add_image(image, label=title) for title, image in first.images.items()}
        self._overlay = first

    def note(self, seconds: float, overlay: Overlay) -> None:
        """Take what is to be seen, `seconds` after the episode began."""
        self._overlay = overlay
        for title, chart in self._charts.items():
            chart.note(seconds, overlay.charts.get(title, {}))

    def show(self) -> None:
        """Refresh charts and pictures."""
        for chart in self._charts.values():
            chart.show()
        for title, picture in self._pictures.items():
            picture.visible = title in self._overlay.images
            if picture.visible:
                picture.image = self._overlay.images[title]


def add_control(gui: viser.GuiApi, control: Control, put: Put) -> None:
    """A slider for each number, and a button; its key does the same."""
    with gui.add_folder(control.name):
        sliders: list[Any] = [add_slider(gui, parameter) for parameter in control.parameters]
        label = f"{control.name} ({control.key})" if control.key else control.name
        button = gui.add_button(label)

    def ask(_: object) -> None:
        put(partial(control.act, *(float(slider.value) for slider in sliders)))

    button.on_click(ask)
    key: Any = control.key or None
    gui.add_command(control.name, description="with the numbers in the panel", hotkey=key).on_trigger(ask)


def add_slider(gui: viser.GuiApi, parameter: Parameter) -> viser.GuiSliderHandle[float]:
    """A slider whose steps are a power of ten."""
    span = parameter.high - parameter.low
    step = 10.0 ** math.floor(math.log10(span / STEPS))
    ends = float(parameter.low), float(parameter.high)
    return gui.add_slider(parameter.name, *ends, step, float(parameter.value))


class Chart:
    """Curves of the last seconds, with their names and last values above."""

    def __init__(self, gui: viser.GuiApi, title: str, curves: list[str]) -> None:
        self._curves, self._moments = curves, deque[tuple[float, ...]](maxlen=KEPT)
        colours = [COLOURS[place % len(COLOURS)] for place in range(len(curves))]
        self._colours = colours
        with gui.add_folder(title):
            self._legend = gui.add_html("")
            lines = (uplot.Series(label=n, stroke=c, width=2) for n, c in zip(curves, colours, strict=True))
            self._plot = gui.add_uplot(
                self._columns(),
                (uplot.Series(label="s"), *lines),
                scales={"x": uplot.Scale(time=False)},
                legend=uplot.Legend(show=False),
                height=CHART_PX,
            )

    def note(self, seconds: float, values: Mapping[str, float]) -> None:
        """Take the values of a moment; one without all of them, or with one that is not finite, is left out."""
        moment = (seconds, *(float(values.get(name, math.nan)) for name in self._curves))
        if self._moments and seconds < self._moments[-1][0]:
            self._moments.clear()
        if np.isfinite(moment).all() and not (self._moments and seconds == self._moments[-1][0]):
            self._moments.append(moment)
        while self._moments and self._moments[0][0] < seconds - SHOWN_S:
            self._moments.popleft()

    def show(self) -> None:
        """Refresh curves and values."""
        last = self._moments[-1][1:] if self._moments else ()
        self._legend.content = legend(self._curves, self._colours, last)
        self._plot.data = self._columns()

    def _columns(self) -> tuple[np.ndarray, ...]:
        rows = list(self._moments) or [(0.0,) * (1 + len(self._curves))]
        return tuple(np.array(rows, float).T.copy())


def legend(names: list[str], colours: list[str], values: tuple[float, ...]) -> str:
    """Names in the colours of their curves, with values if there are any."""
    shown = [f" {value:.2f}" for value in values] or [""] * len(names)
    words = (
        f"<span style='color:{colour};white-space:nowrap;margin-right:1.2em'>{escape(name)}<b>{value}</b></span>"
        for name, colour, value in zip(names, colours, shown, strict=True)
    )
    style = "padding:0 1em;font-size:0.85em;font-variant-numeric:tabular-nums"
    return f"<div style='{style}'>{''.join(words)}</div>"
