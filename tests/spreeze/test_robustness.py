"""Robustness of a linear policy on a linear system: every condition, what follows from it, and its files."""

import json
from pathlib import Path

import numpy as np
import pytest

from spreeze.errors import CheckpointError, UsageError
from spreeze.measure import load_policy
from spreeze.robustness import Plan, Spread, robustness
from spreeze.robustness_plot import write_png
from spreeze.robustness_record import RADII, UNMOVED, Cell, Robustness, area, write_json
from tests.spreeze.attackable import REFERENCE, SPREAD, run_folder

PLAN = Plan(("random", "action-diff", "min-q"), (0.0, 0.1, 0.4), episodes=4)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Robustness:
    """Three attacks on the best policy of the line."""
    return robustness(run_folder(tmp_path_factory.mktemp("line") / "run"), PLAN)


@pytest.mark.parametrize(
    ("radii", "means", "expected"),
    [
        ((0.0, 0.2), (10.0, 0.0), 5.0),
        ((0.0, 0.1, 0.2), (10.0, 10.0, 0.0), 7.5),
        ((0.0, 0.1, 0.4), (8.0, 4.0, 4.0), (0.1 * 6 + 0.3 * 4) / 0.4),
        ((0.1, 0.3), (-2.0, -4.0), -3.0),
        ((0.3,), (7.0,), 7.0),
    ],
)
def test_area_by_hand(radii: tuple[float, ...], means: tuple[float, ...], expected: float) -> None:
    assert area(radii, means) == pytest.approx(expected)


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 7], [0, 3, 0, 9]])
def test_the_spread_of_batches_is_that_of_all_rows(sizes: list[int]) -> None:
    rows = np.random.default_rng(3).normal(1e4, (1, 10, 0), (12, 3)).astype(np.float32)
    spread = Spread()
    for batch in np.split(rows, np.cumsum(sizes)[:-1]):
        spread.add(batch)
    np.testing.assert_allclose(spread.std, rows.astype(np.float64).std(0), rtol=1e-9)
    assert spread.std[2] == 0


def test_every_attack_is_evaluated_at_every_radius_after_the_unattacked_policy(result: Robustness) -> None:
    conditions = [(cell.attack, cell.radius) for cell in result.cells]
    assert conditions == [(UNMOVED, 0.0), *((attack, radius) for attack in PLAN.attacks for radius in PLAN.radii)]
    assert PLAN.conditions == len(result.cells)
    assert {len(cell.returns) for cell in result.cells} == {4} and set(result.cells[0].lengths) == {10}


def test_at_radius_zero_every_attack_is_the_unattacked_policy(result: Robustness) -> None:
    calm = result.cells[0]
    np.testing.assert_allclose(calm.returns, 0, atol=1e-9)  # The policy is the best there is.
    assert all(result.curve(attack)[0].returns == calm.returns for attack in PLAN.attacks)


def test_a_greater_radius_takes_more_and_the_worst_of_fifty_more_than_any(result: Robustness) -> None:
    means = {attack: [cell.mean for cell in result.curve(attack)] for attack in PLAN.attacks}
    assert all(first > second > third for first, second, third in means.values())
    assert means["min-q"][1] < 2 * means["random"][1] and means["min-q"][2] < 2 * means["random"][2]


def test_where_value_falls_with_the_distance_of_the_action_two_attacks_are_one(result: Robustness) -> None:
    for one, other in zip(result.curve("min-q"), result.curve("action-diff"), strict=True):
        np.testing.assert_allclose(one.returns, other.returns, rtol=1e-4, atol=1e-9)


def test_an_evaluation_repeats_to_the_bit(result: Robustness) -> None:
    again = robustness(Path(result.run), PLAN)
    assert again == result


def test_a_curve_does_not_depend_on_what_else_is_evaluated(result: Robustness) -> None:
    alone = robustness(Path(result.run), Plan(("min-q",), (0.1,), episodes=4))
    assert alone.curve("min-q")[0] == result.curve("min-q")[1]
    assert alone.area("min-q") == alone.curve("min-q")[0].mean


def test_the_result_says_what_was_measured(result: Robustness) -> None:
    heading = result.heading()
    for word in ("ALGORITHM", "LINE", "mujoco 3.", "best-00000001", "4 episodes", "seed 12345"):
        assert word in heading
    assert result.spread == "the observations of the unattacked policy"
    assert len(result.std) == 2 and min(result.std) > 0
    assert result.reference is None and result.score(1.0) is None


def test_a_short_name_is_reported_as_the_versioned_id(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", "pendulum")
    assert robustness(run, Plan(("random",), (0.1,), episodes=1)).environment == "Pendulum-v1"


def test_a_dataset_gives_the_spread_and_the_score(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", "tests.spreeze.attackable:RECORDED")
    found = robustness(run, Plan(("random",), (0.0, 0.2), episodes=2))
    np.testing.assert_allclose(found.std, SPREAD)
    assert found.spread == "the observations of dataset line/by-hand-v0"
    assert found.reference == REFERENCE
    assert found.to_data()["areas"]["random"]["score"] == pytest.approx(100 + 10 * found.area("random"))


def test_a_dataset_of_other_observations_is_refused(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", "tests.spreeze.attackable:MISRECORDED")
    with pytest.raises(UsageError, match=r"line/by-hand-v0 have shape \(1,\).*\(2,\)"):
        robustness(run, Plan(("random",)))


def test_friction_and_gravity_are_evaluated_in_every_pair_on_their_own_models(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", "hopper")
    found = robustness(run, Plan(friction=(2.0, 1.0), gravity=(1.0, 0.3), episodes=2))
    cells = {(cell.friction, cell.gravity): cell for cell in found.grid}
    assert list(cells) == [(1.0, 0.3), (1.0, 1.0), (2.0, 0.3), (2.0, 1.0)]
    assert list(cells[1.0, 1.0].returns) == list(load_policy(run, "best").evaluate(2, 12345).returns)
    assert len({cell.returns for cell in cells.values()}) == 4
    assert found.attacks == [] and found.spread == ""


def test_what_is_not_chosen_stays_as_the_run_has_it(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", "hopper")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("gravity: 1.0", "gravity: 0.3"))
    [cell] = robustness(run, Plan(friction=(2.0,), episodes=2)).grid
    assert (cell.friction, cell.gravity) == (2.0, 0.3)


def test_both_checkpoints_can_be_evaluated(result: Robustness) -> None:
    latest = robustness(Path(result.run), Plan(("random",), (0.1,), episodes=4, checkpoint="latest"))
    assert latest.checkpoint == "checkpoint-00000001"
    assert latest.curve("random")[0].returns == result.curve("random")[1].returns


def test_every_condition_is_told_as_soon_as_it_is_known(tmp_path: Path) -> None:
    told: list[Cell] = []
    found = robustness(run_folder(tmp_path / "run"), PLAN, told.append)
    assert tuple(told) == found.cells


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        (Plan(), "nothing to evaluate"),
        (Plan(("random",), ()), "--radius"),
        (Plan(("random",), (0.1, -0.1)), "--radius 0.1,-0.1"),
        (Plan(("random",), (float("nan"),)), "--radius nan"),
        (Plan(friction=(1.0, 0.0)), "--friction 1,0"),
        (Plan(gravity=(float("inf"),)), "--gravity inf"),
        (Plan(("random",), episodes=0), "--episodes 0"),
        (Plan(("random",), seed=-1), "--seed -1"),
        (Plan(("rndom",)), "did you mean 'random'"),
        (Plan(friction=(1.0,)), "LINE' has no option friction, gravity"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: Plan, complaint: str, result: Robustness) -> None:
    with pytest.raises(UsageError, match=complaint):
        robustness(Path(result.run), plan)


def test_a_policy_without_critic_is_refused_before_an_episode_is_run(tmp_path: Path) -> None:
    told: list[Cell] = []
    with pytest.raises(UsageError, match=r"min-q needs .*serves: random, action-diff"):
        robustness(run_folder(tmp_path / "run", critic=False), PLAN, told.append)
    assert told == []


def test_an_evaluation_that_leaves_the_policy_alone_cannot_be_attacked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not act with the policy it is given"):
        robustness(run_folder(tmp_path / "run", deaf=True), PLAN)


def test_observations_that_are_no_floats_cannot_be_moved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Box of floats; 'FrozenLake-v1' has Discrete\(16\)"):
        robustness(run_folder(tmp_path / "run", "FrozenLake-v1"), Plan(("random",)))


def test_a_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    for manifest in run.glob("checkpoints/best-*/manifest.json"):
        manifest.write_text("{")
    with pytest.raises(CheckpointError, match="no intact best checkpoint"):
        robustness(run, PLAN)


def test_the_numbers_are_kept_whole(result: Robustness, tmp_path: Path) -> None:
    write_json([result, result], tmp_path / "numbers.json")
    data = json.loads((tmp_path / "numbers.json").read_text())
    assert len(data["runs"]) == 2
    kept = data["runs"][0]
    assert [tuple(cell["returns"]) for cell in kept["cells"]] == [cell.returns for cell in result.cells]
    assert kept["areas"]["min-q"]["return"] == result.area("min-q")
    assert kept["seed"] == 12345 and kept["checkpoint"] == "best-00000001"
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.json"]


def grid_of(result: Robustness) -> Robustness:
    """The result with a grid of three by two beside its curves."""
    cells = [Cell(UNMOVED, 0.0, f, g, (f, g), (1, 1)) for f in (0.5, 1.0, 1.5) for g in (1.0, 2.0)]
    return Robustness(**{**vars(result), "cells": (*result.cells, *cells)})


@pytest.mark.parametrize("count", [1, 2, 5])
def test_curves_and_grids_of_runs_are_drawn_together(count: int, result: Robustness, tmp_path: Path) -> None:
    write_png([grid_of(result)] * count, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(PNG_SIGNATURE)


def test_default_radii_are_ten_from_zero_to_a_fifth() -> None:
    assert len(RADII) == 10 and (RADII[0], RADII[-1]) == (0.0, 0.2)
    np.testing.assert_allclose(np.diff(RADII), 0.2 / 9, atol=2e-6)
