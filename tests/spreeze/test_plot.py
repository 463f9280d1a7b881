"""Figures: panels, lines, legends, axes, formats."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from spreeze.curves import AXES, Curve, Point
from spreeze.plot import COLOURS, default_axes, draw_panel, looks_of, unit_of, write_figure

BOTH = [AXES["seconds"], AXES["steps"]]


def curve(
    label: str = "ours", environment: str = "Hopper-v5", seed: int = 0, steps: int = 100, count: int = 4
) -> Curve:
    """Evaluations at every minute, whose return is minute + seed."""
    points = (Point(60.0 * k, steps * k, float(k + seed), 2 * k) for k in range(1, count))
    return Curve(label, environment, seed, tuple(points))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, in place of their files."""
    found: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: found.append(figure))
    return found


def test_the_panels_show_minutes_steps_seeds_and_their_mean(drawn: list[Figure], tmp_path: Path) -> None:
    write_figure([curve(seed=0, count=8), curve(seed=2, count=8)], BOTH, tmp_path / "x.png")
    time, steps = drawn[0].axes
    assert (time.get_xlabel(), steps.get_xlabel()) == ("wall clock [min]", "environment steps")
    assert steps.get_ylabel() == "" and time.get_ylabel() == "return, mean of an evaluation"
    assert time.get_legend_handles_labels()[1] == ["ours (2 seeds)"]
    *seeds, thick = time.lines
    x, y = (np.asarray(values) for values in thick.get_data())
    np.testing.assert_allclose([x, y], [range(1, 8), range(2, 9)])
    assert len(seeds) == 2 and thick.get_linewidth() > seeds[0].get_linewidth()
    assert not time.collections, "two seeds have no interval"
    assert steps.get_xscale() == "linear"


def test_three_seeds_have_a_band(drawn: list[Figure], tmp_path: Path) -> None:
    write_figure([curve(seed=seed) for seed in range(3)], BOTH, tmp_path / "x.png")
    (band,) = drawn[0].axes[0].collections
    box = band.get_paths()[0].get_extents()
    assert (box.y0, box.y1) == (1.0, 5.0)
    (legend,) = drawn[0].legends
    assert "95 % bootstrap interval" in legend.get_title().get_text()


def test_a_single_seed_is_one_thick_line(drawn: list[Figure], tmp_path: Path) -> None:
    write_figure([curve()], BOTH, tmp_path / "x.png")
    time, _ = drawn[0].axes
    assert len(time.lines) == 1 and not time.collections
    assert drawn[0].legends[0].get_title().get_text() == ""


def test_seeds_of_different_length_go_on_alone(drawn: list[Figure], tmp_path: Path) -> None:
    write_figure([curve(count=3), curve(seed=1, count=9)], BOTH, tmp_path / "x.png")
    ends = [float(np.max(line.get_xdata())) for line in drawn[0].axes[0].lines]
    assert ends == [2.0, 8.0, 2.0]


def test_every_environment_has_its_panels(drawn: list[Figure], tmp_path: Path) -> None:
    curves = [curve(label, name) for label in ("ours", "theirs") for name in ("Hopper-v5", "Ant-v5")]
    write_figure(curves, BOTH, tmp_path / "x.png", title="both")
    titles = [axes.get_title() for axes in drawn[0].axes]
    assert titles == ["Hopper-v5", "Hopper-v5", "Ant-v5", "Ant-v5"]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["ours (1 seed)", "theirs (1 seed)"]
    assert drawn[0].get_suptitle() == "both"


def test_with_one_axis_environments_stand_side_by_side(drawn: list[Figure], tmp_path: Path) -> None:
    write_figure([curve(environment=f"Toy-v{k}") for k in range(4)], BOTH[1:], tmp_path / "x.png", metric="loss/critic")
    first, *_, last = drawn[0].axes
    grid = first.get_gridspec()
    assert grid is not None and (grid.nrows, grid.ncols) == (2, 3)
    assert (first.get_ylabel(), last.get_title()) == ("loss/critic", "Toy-v3")


def test_runs_of_very_different_length_stand_on_a_logarithmic_axis() -> None:
    slow, fast = curve("slow"), curve("fast", steps=10_000)
    left, right = Figure().subplots(1, 2)
    for axes, axis in ((left, "seconds"), (right, "steps")):
        draw_panel(axes, [slow, fast], AXES[axis], looks_of([slow, fast]))
    assert (left.get_xscale(), right.get_xscale()) == ("linear", "log")
    assert right.xaxis.get_major_formatter()(10_000) == "10k"


@pytest.mark.parametrize(("seconds", "unit"), [(40.0, "s"), (299.0, "s"), (900.0, "min"), (20_000.0, "h")])
def test_the_unit_of_time_fits_the_longest_run(seconds: float, unit: str) -> None:
    runs = [Curve("a", "Toy-v0", 0, (Point(end, 0, 0.0),)) for end in (1.0, seconds)]
    assert unit_of(runs)[1] == unit


def test_runs_without_steps_are_drawn_against_updates() -> None:
    offline = Curve("a", "Toy-v0", 0, (Point(1.0, 0, 0.0, 10),))
    assert [axis.name for axis in default_axes([offline])] == ["seconds", "updates"]
    assert [axis.name for axis in default_axes([offline, curve()])] == ["seconds", "steps"]


def test_every_label_of_a_crowded_figure_has_a_look_of_its_own() -> None:
    looks = looks_of([curve(str(index)) for index in range(3 * len(COLOURS))]).values()
    assert len({(look.colour, look.dashes) for look in looks}) == 3 * len(COLOURS)


def test_the_legend_counts_seeds_over_all_environments() -> None:
    looks = looks_of([curve(), curve(seed=1), curve(environment="Ant-v5"), curve("theirs")])
    assert [look.text for look in looks.values()] == ["ours (1 to 2 seeds)", "theirs (1 seed)"]


def test_a_png_is_a_picture_of_some_size(tmp_path: Path) -> None:
    write_figure([curve(seed=seed) for seed in range(3)], BOTH, tmp_path / "new" / "x.png")
    picture = (tmp_path / "new" / "x.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n") and len(picture) > 10_000


def test_an_svg_holds_its_words_and_is_always_the_same(tmp_path: Path) -> None:
    for name in ("one.svg", "other.svg"):
        write_figure([curve(seed=seed) for seed in range(3)], BOTH, tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "other.svg").read_text()
    words = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert {"Hopper-v5", "ours (3 seeds)", "wall clock [s]", "environment steps"} <= set(words)
