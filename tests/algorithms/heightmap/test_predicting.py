"""Errors of maps by hand, and what an update of the predictor does."""

import pytest
import torch

from spreeze.algorithms.heightmap.evaluating import Observed
from spreeze.algorithms.heightmap.policy import MEAN, WalkingPolicy
from spreeze.algorithms.heightmap.predicting import PredictorPart, edges, map_errors, map_loss, teaching
from tests.algorithms.heightmap.scene import NOBODY, SMALL, config, first_step, modules, observations, plan, senses

STEP = torch.tensor([[-1.0, -1.0, -0.8, -0.8, -0.84, -0.86]])
"""A step up of 20 cm, then slopes of 4 and 2 cm between cells."""
ROW = (1, 6)


def test_edges_are_the_cells_on_both_sides_of_a_step() -> None:
    assert edges(STEP, ROW).tolist() == [[False, True, True, False, False, False]]
    assert edges(torch.full((2, 30), -0.9), (1, 30)).sum() == 0


def test_edges_of_a_map_of_several_rows_are_those_between_rows_too() -> None:
    """The middle row of three is higher, from its second cell on."""
    cells = torch.zeros(3, 30)
    cells[1, 1:] = 0.2
    found = edges(cells.flatten()[None], (3, 30))[0].unflatten(0, (3, 30))
    assert found[1].all(), "its first cell lies beside the second"
    for row in (0, 2):
        assert not found[row, 0] and found[row, 1:].all()


def test_errors_by_hand() -> None:
    found = STEP + torch.tensor([[0.0, 0.06, -0.02, 0.0, 0.0, 0.04]])
    told = {name: float(value) for name, value in map_errors(found, STEP, ROW).items()}
    expected = {"error_cm": (6 + 2 + 4) / 6, "edge_error_cm": (6 + 2) / 2, "edge_share": 2 / 6}
    assert told == pytest.approx(expected, rel=1e-4)
    assert float(map_errors(STEP * 0, STEP * 0, ROW)["edge_error_cm"]) == 0, "where there is no edge"


def test_the_loss_is_squared_for_coarse_maps_and_absolute_for_refined_ones() -> None:
    true = torch.zeros(1, 2)
    loss, told = map_loss(torch.tensor([[0.3, -0.1]]), torch.tensor([[0.2, -0.1]]), true, (1, 2))
    assert float(loss) == pytest.approx((0.09 + 0.01) / 2 + (0.2 + 0.1) / 2)
    assert float(told["map/coarse_error_cm"]) == pytest.approx(20)
    assert float(told["map/error_cm"]) == pytest.approx(15)


def test_rows_teach_once_their_past_is_known() -> None:
    is_first, valid = torch.zeros(5, 2, dtype=torch.bool), torch.ones(5, 2, dtype=torch.bool)
    is_first[1, 1], valid[0, 1], valid[4, 0] = True, False, False
    assert teaching(is_first, valid, 3).t().tolist() == [
        [False, False, False, True, False],
        [False, True, True, True, True],
    ]


def test_updates_lower_the_errors_of_histories_that_repeat() -> None:
    [predictor] = modules("predictor")
    part = PredictorPart(predictor, config(predictor_rate=0.01, burn_in=0), ("histories",), {})
    seen = observations(SMALL.segment, 4)
    seen = senses().put(seen, "clean_map", -1 + 0.2 * senses().take(seen, "depth")[..., :30].sign())
    valid, is_first = torch.ones(SMALL.segment, 4, dtype=torch.uint8), torch.zeros(SMALL.segment, 4, dtype=torch.bool)
    batch = {"histories": {"observation": seen, "is_first": is_first, "valid": valid}}
    told = [part.update(batch) for _ in range(150)]
    assert told[-1]["map/error_cm"] < 0.5 * told[0]["map/error_cm"]
    assert torch.equal(predictor.normaliser.count, torch.tensor(150 * SMALL.segment * 4.0, dtype=torch.float64))


def test_histories_of_both_stores_are_learned_from_in_equal_parts() -> None:
    [predictor] = modules("predictor")
    part = PredictorPart(predictor, SMALL, ("histories", "own"), {})
    assert {name: draw.segments for name, draw in part.draws.items()} == {"histories": 2, "own": 2}


def test_an_evaluation_compares_predicted_maps_with_true_ones() -> None:
    blind, modulator, predictor = plan().modules(NOBODY, "blind", "modulator", "predictor").values()
    policy = WalkingPolicy(torch.Generator(), blind, modulator, predictor)  # type: ignore[arg-type]
    observed, seen = Observed(policy), observations(4)
    with torch.no_grad():
        _, _, extras = observed.act(first_step(seen), observed.initial_state(4), MEAN)
    true = senses().take(seen, "clean_map")
    found = observed.errors()
    assert found["map/error_cm"] == pytest.approx(float(100 * (extras["map"] - true).abs().mean()), rel=1e-5)
    expected = map_errors(extras["coarse"], true, (1, 30))
    assert found["map/coarse_edge_error_cm"] == pytest.approx(float(expected["edge_error_cm"]), rel=1e-5)
