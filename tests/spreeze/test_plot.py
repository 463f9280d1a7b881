import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spreeze.errors import RunFolderError
from spreeze.plot import COLOURS, Curve, Point, grouped, line_styles, on_common_grid, plot, read_curve, write_png

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def evaluation(seconds: float, env_steps: int, returns: list[float], **more: Any) -> dict[str, Any]:
    return {"seconds": seconds, "env_steps": env_steps, "returns": returns, "lengths": [10] * len(returns), **more}


def run_folder(folder: Path, evaluations: list[dict[str, Any]], **more: Any) -> Path:
    summary = {"format": 1, "algorithm": "sac", "environment": "Pendulum-v1", "seed": 0, "evaluations": evaluations}
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(summary | more))
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_evaluation_is_one_line_of_the_csv(tmp_path: Path) -> None:
    first = evaluation(30.0, 1000, [1.0, 2.0, 6.0], updates=400)
    second = evaluation(60.0, 2000, [10.0, 20.0])
    run = run_folder(tmp_path / "run", [second, first], seed=3)
    files = plot([run], tmp_path / "figure.png")
    assert rows_of(files.csv) == [
        {
            "label": "sac",
            "environment": "Pendulum-v1",
            "seed": "3",
            "seconds": "30.0",
            "env_steps": "1000",
            "updates": "400",
            "mean_return": "3.0",
            "min_return": "1.0",
            "max_return": "6.0",
            "episodes": "3",
        },
        {
            "label": "sac",
            "environment": "Pendulum-v1",
            "seed": "3",
            "seconds": "60.0",
            "env_steps": "2000",
            "updates": "",
            "mean_return": "15.0",
            "min_return": "10.0",
            "max_return": "20.0",
            "episodes": "2",
        },
    ]


@pytest.mark.parametrize("name", ["figure", "figure.png", "figure.csv", "new/figure", "v1.2"])
def test_both_files_share_the_name_that_is_asked_for(tmp_path: Path, name: str) -> None:
    run = run_folder(tmp_path / "run", [evaluation(1.0, 10, [0.0])])
    files = plot([run], tmp_path / name, title="a title")
    stem = name.removesuffix(".png").removesuffix(".csv")
    assert (files.png, files.csv) == (tmp_path / f"{stem}.png", tmp_path / f"{stem}.csv")
    assert files.png.read_bytes().startswith(PNG_SIGNATURE)


def test_a_folder_as_target_holds_the_files(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", [evaluation(1.0, 10, [0.0])])
    assert plot([run], tmp_path).png == tmp_path / "curves.png"


def test_several_seeds_labels_and_environments_are_drawn_together(tmp_path: Path) -> None:
    runs = [
        run_folder(
            tmp_path / f"{label}-{environment}-{seed}",
            [evaluation(30.0 * k, 100 * k * speed, [float(k + seed), float(k)]) for k in range(5)],
            label=label,
            environment=environment,
            seed=seed,
        )
        for label, speed in (("ours", 50), ("theirs", 1))
        for environment in ("Hopper-v5", "Ant-v5")
        for seed in range(3)
    ]
    files = plot(runs, tmp_path / "all")
    assert files.png.stat().st_size > 10_000
    assert len(rows_of(files.csv)) == len(runs) * 5


def test_a_label_takes_the_place_of_the_algorithm(tmp_path: Path) -> None:
    evaluations = [evaluation(1.0, 10, [0.0])]
    named = read_curve(run_folder(tmp_path / "named", evaluations, label="peer, defaults"))
    plain = read_curve(run_folder(tmp_path / "plain", evaluations))
    assert list(grouped([named, plain], lambda curve: curve.label)) == ["peer, defaults", "sac"]


def test_a_short_environment_name_joins_the_versioned_one(tmp_path: Path) -> None:
    names = ["hopper", "Hopper-v5", "ant", "Hopper-v4"]
    runs = [run_folder(tmp_path / name, [evaluation(1.0, 10, [0.0])], environment=name) for name in names]
    rows = rows_of(plot(runs, tmp_path / "figure").csv)
    assert [row["environment"] for row in rows] == ["Hopper-v5", "Hopper-v5", "ant", "Hopper-v4"]


def test_the_mean_of_seeds_is_exact_where_their_evaluations_differ_in_time() -> None:
    one = (np.array([0.0, 10.0, 20.0]), np.array([0.0, 10.0, 20.0]))
    two = (np.array([5.0, 15.0, 25.0]), np.array([105.0, 115.0, 125.0]))
    grid, values = on_common_grid([one, two])
    np.testing.assert_array_equal(grid, [5.0, 10.0, 15.0, 20.0])
    np.testing.assert_allclose(values.mean(axis=0), grid + 50.0)
    np.testing.assert_allclose(values.min(axis=0), grid)
    np.testing.assert_allclose(values.max(axis=0), grid + 100.0)


def test_seeds_that_never_overlap_have_no_mean() -> None:
    grid, values = on_common_grid([(np.array([0.0, 1.0]), np.zeros(2)), (np.array([2.0, 3.0]), np.ones(2))])
    assert grid.size == 0
    assert values.shape == (2, 0)


def test_the_panels_show_minutes_steps_mean_and_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    points = [tuple(Point(60.0 * k, 100 * k, float(k + seed)) for k in range(1, 4)) for seed in (0, 2)]
    write_png([Curve("ours", "Hopper-v5", seed, p) for seed, p in enumerate(points)], tmp_path / "x.png")
    time, steps = drawn[0].axes
    assert (time.get_xlabel(), steps.get_xlabel()) == ("wall clock [min]", "environment steps")
    assert time.get_legend_handles_labels()[1] == ["ours (2 seeds)"]
    x, y = (np.asarray(values) for values in time.lines[-1].get_data())
    np.testing.assert_allclose(x, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(y, [2.0, 3.0, 4.0])
    assert steps.lines[-1].get_linewidth() > steps.lines[0].get_linewidth()
    assert len(time.collections) == 1
    assert steps.get_xscale() == "linear"


def test_steps_of_very_different_runs_stand_on_a_logarithmic_axis(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    from spreeze.plot import draw_row

    slow = Curve("slow", "Hopper-v5", 0, (Point(0.0, 0, 0.0), Point(60.0, 1_000, 1.0)))
    fast = Curve("fast", "Hopper-v5", 0, (Point(0.0, 0, 0.0), Point(60.0, 100_000, 1.0)))
    left, right = Figure().subplots(1, 2)
    draw_row(left, right, "Hopper-v5", [slow, fast], line_styles([slow, fast]))
    assert (left.get_xscale(), right.get_xscale()) == ("linear", "log")


def test_a_return_that_is_not_a_number_leaves_a_gap(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", [evaluation(1.0, 1, [0.0]), evaluation(2.0, 2, [math.nan])])
    assert math.isnan(float(rows_of(plot([run, run], tmp_path / "figure").csv)[1]["mean_return"]))


def test_every_label_of_a_crowded_figure_has_a_look_of_its_own() -> None:
    styles = line_styles(Curve(str(index), "Ant-v5", 0, ()) for index in range(3 * len(COLOURS)))
    assert len(set(styles.values())) == 3 * len(COLOURS)


def test_a_run_without_evaluations_is_left_out_with_a_note(tmp_path: Path) -> None:
    empty = run_folder(tmp_path / "empty", [])
    unfinished = run_folder(tmp_path / "unfinished", [evaluation(1.0, 10, [])])
    good = run_folder(tmp_path / "good", [evaluation(1.0, 10, [0.0])])
    files = plot([empty, good, unfinished], tmp_path / "figure")
    assert [note.partition(":")[0] for note in files.notes] == [str(empty), str(unfinished)]
    assert len(rows_of(files.csv)) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_draw_is_an_error(tmp_path: Path, count: int) -> None:
    runs = [run_folder(tmp_path / str(index), []) for index in range(count)]
    with pytest.raises(RunFolderError, match=f"none of the {count} runs"):
        plot(runs, tmp_path / "figure")


def test_a_folder_without_summary_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"elsewhere' holds no summary\.json"):
        plot([tmp_path / "elsewhere"], tmp_path / "figure")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"algorithm": "sac"}', '{"algorithm":"a","evaluations":[{"returns":[1]}]}', "\xff"]
)
def test_a_damaged_summary_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunFolderError, match=r"summary\.json' is damaged or no summary"):
        plot([tmp_path], tmp_path / "figure")


def test_a_target_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", [evaluation(1.0, 10, [0.0])])
    with pytest.raises(RunFolderError, match="cannot write"):
        plot([run], run / "summary.json" / "figure")
