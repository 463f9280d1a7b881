"""Views as text: a panel where there is room, a paragraph where there is little, one line elsewhere."""

import textwrap
from collections.abc import Sequence

from rich.box import ROUNDED
from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from spreeze.panel.charts import bar, curve, in_words, number, spark
from spreeze.panel.view import Line, View

COLOURS = {"rate": "cyan", "goal": "green", "wait": "yellow", "alarm": "bold red"}
LEAST_PANEL, TWO_COLUMNS, LEAST_NUMBERS = 60, 132, 84
"""Columns of the narrowest panel, of one whose curve stands beside the numbers, and of the numbers there."""
LEAST_CHART, MOST_CHART, AXIS = 3, 12, 2
"""Lines of the lowest and of the highest curve, and of what is written beneath."""
BAR, LEAST_NOTE = 14, 24
"""Columns of a bar, which is left out where a note would have fewer than these."""
FRAME, BORDERS, GAP = 4, 2, 3
"""Columns and lines that the frame takes, and columns between curve and numbers."""


def one_line(view: View) -> str:
    """Every name and value, one after the other."""
    return "  ".join(map(in_text, (*view.lines, *view.metrics)))


def in_text(line: Line) -> str:
    """One name and its value."""
    return f"{line.name} {line.value}" + (f" ({line.note})" if line.note else "")


def fitted(view: View, width: int, height: int, ascii_only: bool = False) -> RenderableType | None:
    """The view for a terminal of this size, all its numbers included; None if they do not fit."""
    if width >= LEAST_PANEL:
        body = lines_of_panel(view, width - FRAME, height - BORDERS, ascii_only)
        if len(body) <= height - BORDERS:
            return framed(view, body, width)
    if width < LEAST_NOTE:
        return None
    items = [view.title, *(part for line in (*view.lines, *view.metrics) for part in wrapped(line, width))]
    paragraph = textwrap.wrap(f"{view.title}: {one_line(view)}", width)
    shown = items if len(items) <= height else paragraph
    return Text("\n".join(shown)) if len(shown) <= height else None


def wrapped(line: Line, width: int) -> list[str]:
    """One name and its value in lines of this width."""
    return textwrap.wrap(in_text(line), width, subsequent_indent="  ")


def framed(view: View, body: Sequence[Text], width: int) -> Panel:
    """The panel around these lines."""
    folder = f"  {view.folder}" if len(view.title + view.folder) + 2 * FRAME < width else ""
    title = Text.assemble((view.title, "bold"), folder)
    text = Text("\n", no_wrap=True, overflow="ignore").join(body)  # One text is drawn in half the time of many.
    return Panel(text, title=title, title_align="left", box=ROUNDED, border_style="dim", width=width)


def lines_of_panel(view: View, width: int, height: int, ascii_only: bool) -> list[Text]:
    """The curve and the numbers; metrics with their course where there is room for that, else one after the other."""
    if width + FRAME >= TWO_COLUMNS and len(view.curve) > 1:
        numbers = max(width // 2, LEAST_NUMBERS)
        rows = rows_of(view, numbers, height, ascii_only)
        left = width - numbers - GAP
        drawn = chart(view.curve, left, len(rows) - AXIS, ascii_only)
        drawn += [Text(" " * left)] * (len(rows) - len(drawn))
        return [Text.assemble(a, " " * GAP, b) for a, b in zip(drawn, rows, strict=True)]
    room = LEAST_CHART + AXIS if len(view.curve) > 1 else 0
    rows = rows_of(view, width, height - room, ascii_only)
    return chart(view.curve, width, min(height - len(rows) - AXIS, MOST_CHART), ascii_only) + rows


def rows_of(view: View, width: int, height: int, ascii_only: bool) -> list[Text]:
    """Everything but the curve."""
    rows = table([*view.lines, *view.metrics], width, ascii_only)
    if len(rows) <= height:
        return rows
    metrics = "  ".join(map(in_text, view.metrics))
    return table(view.lines, width, ascii_only) + [Text(part, "dim") for part in textwrap.wrap(metrics, width)]


def chart(points: Sequence[tuple[float, float]], width: int, height: int, ascii_only: bool) -> list[Text]:
    """The return curve between its least and greatest value, and time beneath; [] where that cannot be drawn."""
    if len(points) < 2 or height < LEAST_CHART:
        return []
    x, y = zip(*points, strict=True)
    labels = {0: number(max(y)), height - 1: number(min(y))}
    margin, edge = max(map(len, labels.values())), "|" if ascii_only else "│"
    drawn = enumerate(curve(x, y, width - margin - 2, height, ascii_only))
    lines = [Text.assemble((f"{labels.get(i, ''):>{margin}} {edge}", "dim"), (text, "green")) for i, text in drawn]
    first, last = in_words(x[0]), in_words(x[-1])
    axis = f"{first}{'return'.center(width - margin - 2 - len(first) - len(last))}{last}"
    return [*lines, Text(" " * (margin + 2) + axis, "dim"), Text(" " * width)]


def table(lines: Sequence[Line], width: int, ascii_only: bool) -> list[Text]:
    """Rows of name, value, bar or course, and note, which is wrapped."""
    names, values = max(len(line.name) for line in lines), max(len(line.value) for line in lines)
    lead = names + values + 3
    drawing = BAR if width - lead - BAR - 1 >= LEAST_NOTE else 0
    indent = lead + drawing + (drawing > 0)
    if width - indent < LEAST_NOTE:
        return [Text(part) for line in lines for part in wrapped(line, width)]
    return [row for line in lines for row in columns(line, names, values, drawing, width - indent, ascii_only)]


def columns(line: Line, names: int, values: int, drawing: int, room: int, ascii_only: bool) -> list[Text]:
    """One line in columns of these widths; a note begins where a bar would if there is none."""
    if not drawing or (line.share is None and not line.trace):
        drawn, room = "", room + drawing + (drawing > 0)
    elif line.share is None:
        drawn = spark(line.trace, drawing, ascii_only).ljust(drawing + 1)
    else:
        drawn = bar(line.share, drawing, ascii_only) + " "
    colour, (note, *others) = COLOURS[line.kind], textwrap.wrap(line.note, room) or [""]
    value = (line.value.rjust(values), colour if line.kind == "alarm" else "bold")
    first = Text.assemble((line.name.ljust(names), "dim"), "  ", value, " ", (drawn, colour), note)
    indent = " " * (len(first.plain) - len(note))
    return [first, *(Text(indent + other) for other in others)]
