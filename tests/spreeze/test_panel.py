"""The panel: nothing is lost or garbled at any size."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from spreeze.panel.charts import bar, curve, in_words, number, spark
from spreeze.panel.layout import fitted, one_line
from spreeze.panel.usage import Usage
from spreeze.panel.view import TRACE, Line, Trace, View

SIZES = ((220, 60), (132, 40), (100, 45), (100, 24), (80, 24), (72, 30), (60, 30), (48, 40), (40, 60))
LINES = (
    Line("time", "3 min 24 s", "34% of 1,000,000 steps, 6 min 12 s left", 0.34, kind="goal"),
    Line("return", "1,204", "best 1,893, 13 evaluations", kind="goal"),
    Line("env steps", "2,640/s", "93% of 2,830 tuned; 341,024 in all", 0.93),
    Line("sampler-0", "waits 71%", "for the learner, 2,640 steps/s", 0.71, kind="wait"),
    Line("evaluator", "silent", "for 7 s", kind="alarm"),
    Line("memory", "1.9 GB", "and 0.4 shared; 21.3 of 24.1 GB free"),
)
METRICS = tuple(Line(f"critic/metric_{i}", f"{i}.25", trace=[float(k % 7) for k in range(90)]) for i in range(6))
CURVE = tuple((15.0 * k, 100.0 * k) for k in range(1, 14))
VIEW = View("sac on hopper", "sac-hopper-20260101-120000", LINES, METRICS, CURVE)


def drawn(shown: Any, width: int, height: int = 99) -> list[str]:
    """The lines that a terminal without colours is given."""
    console = Console(file=io.StringIO(), width=width, height=height, soft_wrap=True)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def words(text: str) -> list[str]:
    return re.findall(r"[\w/%.,-]*\w[\w/%.,-]*", text)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_every_number_is_shown_at_every_size_within_the_terminal(width: int, height: int, ascii_only: bool) -> None:
    lines = drawn(fitted(VIEW, width, height, ascii_only), width)
    shown = words(" ".join(lines))
    assert [word for word in words(one_line(VIEW)) if word not in shown] == []
    assert max(map(len, lines)) <= width and len(lines) <= height


@pytest.mark.parametrize(("width", "height"), [(40, 9), (80, 5), (20, 20), (1, 1)])
def test_a_terminal_too_small_for_all_numbers_gets_no_panel(width: int, height: int) -> None:
    assert fitted(VIEW, width, height) is None


def test_the_curve_stands_above_the_numbers_beside_them_or_not_at_all() -> None:
    at = {size: drawn(fitted(VIEW, *size), size[0]) for size in ((80, 30), (160, 30), (80, 12))}
    assert "1,300 │" in at[80, 30][1] and "time" not in at[80, 30][1]
    assert "1,300 │" in at[160, 30][1] and "time" in at[160, 30][1]
    assert not any("│⣀" in line or "1,300" in line for line in at[80, 12])


def test_metrics_show_their_course_where_there_is_room_for_it() -> None:
    tall, low = ("\n".join(drawn(fitted(VIEW, 80, height), 80)) for height in (40, 14))
    assert "█" in tall.split("critic/metric_0")[1] and "critic/metric_0 0.25  critic/metric_1 1.25" in low


def test_a_terminal_without_unicode_is_given_ascii() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    assert console.options.ascii_only
    console.print(fitted(VIEW, 80, 40, console.options.ascii_only))
    file.flush()
    assert b"critic/metric_5" in file.buffer.getvalue()


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(0.5, 8) == "━━━━────" and bar(0.5, 8, ascii_only=True) == "####...."
    assert bar(-1.0, 4) == "────" and bar(7.0, 4) == "━━━━"
    assert bar(0.375, 4) == "━╸──"


def test_a_sparkline_goes_from_the_least_to_the_greatest() -> None:
    assert spark([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert spark([0.0, 0.0, 1.0, 1.0], 2, ascii_only=True) == "_@"
    assert spark([3.0, 3.0], 5) == "▁▁" and spark([], 5) == ""


def test_a_curve_rises_with_its_points() -> None:
    assert curve([0, 1], [0, 1], 4, 2) == ["  ⣠⠞", "⣠⠞⠁ "]
    high, _, low = curve([0, 1, 1.001, 2], [0, 0, 9, 9], 10, 3, ascii_only=True)
    assert (high, low) == ("     *****", "******    ")
    assert curve([0, 1], [5, 5], 3, 2, ascii_only=True) == ["   ", "***"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (97200, "1 d 03 h")],
)
def test_durations_are_said_in_words(seconds: float, text: str) -> None:
    assert in_words(seconds) == text


def test_numbers_keep_four_digits_or_all_before_the_point() -> None:
    assert [number(v) for v in (1234567.8, 812.25, 0.123456, -3.0)] == ["1,234,568", "812.2", "0.1235", "-3"]


def test_the_course_of_a_metric_is_thinned_out_as_it_grows() -> None:
    trace = Trace()
    for value in range(10 * TRACE):
        trace.add(float(value))
    assert TRACE / 2 <= len(trace.values) <= TRACE
    assert trace.values == sorted(trace.values) and trace.values[0] == 0.0 and trace.values[-1] > 9 * TRACE
    assert {b - a for a, b in zip(trace.values, trace.values[1:], strict=False)} == {16.0}


def test_memory_is_that_of_living_processes_without_what_they_share() -> None:
    usage = Usage()
    own = usage.own_bytes([])
    assert 10e6 < own < usage.total
    assert usage.own_bytes([0, 2**22 + 1]) == pytest.approx(own, rel=0.1)
    assert 0 < usage.free() <= usage.total
