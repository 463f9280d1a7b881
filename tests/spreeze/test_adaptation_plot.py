"""Pictures of adaptation: every form of family and belief is drawn, and ellipses are the Gaussians meant."""

import stat
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import Circle, RegularPolygon

from spreeze.adaptation_plot import along, draw_in_plane, ellipses, principal_plane, spread, write_png
from spreeze.cli import main
from spreeze.environment import Sketch
from spreeze.errors import RunFolderError
from spreeze.evaluation import Adaptation, Trail
from tests.spreeze.attackable import run_folder

GOALS = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [3.0, 1.0], [4.0, 1.0]])
PLANE = Sketch(("x", "y"), lambda seen: seen[..., :2], GOALS, 0.5, places={"pond": ((0.0, -1.0), 0.25)})
LINE = Sketch(("speed [m/s]",), lambda seen: seen[..., 2:], GOALS[:, :1], 0.5)
STEPS, TASKS = 4, np.array([1, 2, 3, 4, 5])


def adaptation(sketch: Sketch | None, latent: int | None) -> Adaptation:
    """Two episodes that were told and one that was not, of five tasks that observe three numbers."""
    random, count = np.random.default_rng(0), len(TASKS)
    trails = [
        Trail(title, random.normal(size=(STEPS + final, count, 3)), random.uniform(size=(STEPS, count)), told)
        for title, final, told in (("one", 1, True), ("two", 0, True), ("last", 1, False))
    ]
    if latent is None:
        return Adaptation(TASKS, trails, None, sketch)
    mean = random.normal(size=(2 * STEPS + 1, count, latent))
    return Adaptation(TASKS, trails, (mean, np.exp(random.normal(size=mean.shape))), sketch)


@pytest.mark.parametrize("sketch", [PLANE, LINE, None])
@pytest.mark.parametrize("latent", [None, 1, 5])
def test_every_form_is_drawn_into_a_private_file(sketch: Sketch | None, latent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    write_png(adaptation(sketch, latent), "heading", path)
    assert imread(path).std() > 0.01
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="choose another --out"):
        write_png(adaptation(None, None), "heading", tmp_path / "none" / "picture.png")


def test_tasks_are_ordered_along_their_goals_and_those_shown_are_spread_over_all() -> None:
    assert TASKS[along(adaptation(PLANE, None))].tolist() == [3, 2, 1, 4, 5]
    assert along(adaptation(None, None)).tolist() == [0, 1, 2, 3, 4]
    assert spread(np.arange(20)).tolist() == [2, 7, 12, 17]
    assert spread(np.arange(2)).tolist() == [0, 1]


def test_a_goal_is_drawn_as_wide_as_its_reward_reaches() -> None:
    def patches(sketch: Sketch) -> Axes:
        axes = Figure().add_subplot()
        draw_in_plane(axes, sketch, GOALS[1], np.zeros((3, 2)))
        return axes

    goal, place = patches(PLANE).patches
    assert isinstance(goal, Circle) and (*goal.center, goal.radius) == (2.0, 1.0, 0.5)
    assert isinstance(place, Circle) and (*place.center, place.radius) == (0.0, -1.0, 0.25)
    goal, *_ = patches(Sketch(PLANE.labels, PLANE.track, GOALS, 0.5, taxicab=True)).patches
    corners = goal.get_patch_transform().transform(goal.get_path().vertices)
    assert isinstance(goal, RegularPolygon)
    np.testing.assert_allclose(abs(corners - GOALS[1]).sum(axis=1), 0.5)


def test_an_ellipse_is_one_standard_deviation_seen_in_the_plane() -> None:
    plane = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
    middle, half, angle = ellipses(np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 2.0, 3.0]]), plane)
    np.testing.assert_allclose(middle, [[1.0, 3.6]])
    np.testing.assert_allclose(half, [[0.5, np.hypot(1.2, 2.4)]])
    assert abs(angle[0]) % 180 == pytest.approx(0)


def test_the_plane_is_that_in_which_the_points_differ_most() -> None:
    points = np.random.default_rng(0).normal(size=(100, 4)) * [0.1, 3.0, 0.1, 9.0] + 7.0
    plane, center = principal_plane(points)
    np.testing.assert_allclose(abs(plane[0]), [0, 0, 0, 1], atol=0.1)
    np.testing.assert_allclose(abs(plane[1]), [0, 1, 0, 0], atol=0.1)
    np.testing.assert_allclose(center, points.mean(axis=0))


def test_nearness_to_a_place_is_counted_by_distance() -> None:
    seen = np.array([[0.0, -0.8, 9.0], [0.2, -1.2, 9.0], [0.0, 0.0, 9.0]])
    assert PLANE.near(seen, "pond").tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--plot", "does not"),
        ("--plot --attack random", "--plot draws"),
        ("--plot --seed -1", "--seed -1"),
        ("--plot --radius 0.1", "--radius and --out belong"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    options: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_folder(tmp_path / "run")
    assert main(["eval", str(run), *options.split()]) == 2
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))
