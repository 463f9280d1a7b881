"""The queueing model, by hand-computed cases; the command in its smallest mode."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def model(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("scaling_model")


@pytest.fixture
def units(model: Any) -> Any:
    """A policy of 10 us and 1 us a row, physics of 20 us, 5 and 4 us of the rest, updates of 1 ms and 10 us a row."""
    return model.Units(model.Affine(10e-6, 1e-6), 20e-6, model.Affine(5e-6, 4e-6), 0.0, model.Affine(1e-3, 10e-6), 0.5)


def test_a_line_is_fitted_exactly_where_there_is_one(model: Any) -> None:
    found = model.Affine.fit({1: 3.0, 10: 21.0, 100: 201.0})
    assert (found.fixed, found.each) == (pytest.approx(1.0), pytest.approx(2.0))
    assert found(1000) == pytest.approx(2001.0)


def test_no_piece_of_work_takes_less_than_no_time(model: Any) -> None:
    rising, falling = model.Affine.fit({1: 1.0, 2: 4.0}), model.Affine.fit({1: 4.0, 2: 1.0})
    assert (rising.fixed, rising.each) == (0.0, 1.5)
    assert (falling.fixed, falling.each) == (2.5, 0.0)


def test_a_sampler_steps_once_for_each_policy_call_and_each_environments_physics(model: Any, units: Any) -> None:
    """One environment: 15 + 1 + 20 + 4 = 40 us a step; ten: 15 + 10 x 25 = 265 us for ten steps."""
    assert model.sampling_rate(units, 1) == pytest.approx(1e6 / 40)
    assert model.sampling_rate(units, 10) == pytest.approx(1e7 / 265)
    assert model.sampling_rate(units, 10, samplers=3) == pytest.approx(3e7 / 265)


def test_contention_is_what_samplers_lose_together(model: Any, units: Any) -> None:
    found = model.contention(one=100.0, many=160.0, cores=2)
    assert found == pytest.approx(0.25)
    crowded = model.Units(**(vars(units) | {"contention": found}))
    single = model.sampling_rate(crowded, 10)
    assert model.sampling_rate(crowded, 10, samplers=2) == pytest.approx(1.6 * single)
    assert model.sampling_rate(crowded, 10, samplers=5) == pytest.approx(2.5 * single)
    assert model.contention(one=100.0, many=210.0, cores=2) == 0.0


def test_an_update_is_sped_up_but_for_its_serial_share(model: Any, units: Any) -> None:
    """100 rows: 2 ms on one core; of these 1 ms stays, so that 4 cores take 1.25 ms."""
    assert model.learning_rate(units, 100) == pytest.approx(50_000)
    assert model.learning_rate(units, 100, cores=4) == pytest.approx(80_000)
    assert model.serial_share(one=50_000, many=80_000, cores=4) == pytest.approx(0.5)
    assert model.serial_share(one=1.0, many=3.0, cores=2) == 0.0
    assert model.serial_share(one=1.0, many=0.5, cores=2) == 1.0


def test_the_rest_of_a_step_is_what_policy_and_physics_do_not_explain(model: Any, units: Any) -> None:
    sampler = model.Affine.fit({count: count / model.sampling_rate(units, count) for count in (1, 100)})
    found = model.rest(sampler, units.policy, units.physics_s)
    assert (found.fixed, found.each) == (pytest.approx(5e-6), pytest.approx(4e-6))
    assert model.rest(model.Affine(1e-6, 1e-6), units.policy, units.physics_s) == model.Affine(0.0, 0.0)


def test_a_cycle_of_one_token_takes_turns_and_one_of_many_runs_at_its_slowest(model: Any) -> None:
    """With one token a round takes 1/2 + 1/3 s; with two, 6 (9 - 4) / (27 - 8) by the closed form."""
    assert model.cycle_rate(2.0, 3.0, 1) == pytest.approx(1 / (1 / 2 + 1 / 3))
    assert model.cycle_rate(3.0, 2.0, 2) == pytest.approx(30 / 19)
    assert model.cycle_rate(2.0, 2.0, 3) == pytest.approx(2.0 * 3 / 4)
    assert model.cycle_rate(2.0, 3.0, 500) == pytest.approx(2.0)


def test_tokens_are_the_slack_in_its_larger_pieces(model: Any) -> None:
    assert model.tokens(ratio=4.0, batch=8192, block_rows=64) == 2
    assert model.tokens(ratio=4.0, batch=256, block_rows=64) == 4
    assert model.tokens(ratio=16.0, batch=256, block_rows=1024) == 2


def test_one_core_takes_turns(model: Any, units: Any) -> None:
    """10 rows each: a step takes 26.5 us, its two rows 2 x 110 us: 246.5 us in all."""
    found = model.predict(units, 1, 10, 10, 2.0)
    assert found.env_steps == pytest.approx(1e6 / 246.5)
    assert found.rows == pytest.approx(2e6 / 246.5)
    assert found.split == "in turn"


def test_cores_go_where_they_are_needed(model: Any, units: Any) -> None:
    """A sampler makes 37,736 steps/s; one core learns 50,000 rows/s, two 66,667, three 75,000."""
    assert model.predict(units, 2, 10, 100, 1.0).env_steps == pytest.approx(1e7 / 265)
    few, many = model.predict(units, 4, 10, 100, 1.0), model.predict(units, 4, 10, 100, 100.0)
    assert (few.split, few.env_steps) == ("2 + 2", pytest.approx(66_666.7))
    assert (many.split, many.env_steps) == ("1 + 3", pytest.approx(750.0))
    assert few.least_env_steps < few.env_steps


def test_an_error_is_the_share_by_which_a_prediction_is_too_high(model: Any) -> None:
    checks = [model.Check("a", 110.0, 100.0), model.Check("b", 150.0, 200.0)]
    assert [check.error for check in checks] == [pytest.approx(0.1), -0.25]
    assert model.worst(checks) == 0.25
    assert model.worst([]) == 0.0


@pytest.mark.slow
def test_the_command_measures_checks_and_predicts(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scaling.json"
    sizes = ["--environments", "8,64", "--batches", "64", "--rows", "20000"]
    words = [*sizes, "--quick", "--rounds", "1", "--seconds", "0.05", "--env", "Hopper-v5", "--json", str(file)]
    assert importlib.import_module("scaling").main(words) == 0
    found = json.loads(file.read_text())
    assert [one["cores"] for one in found["predictions"]] == [1, 2, 4, 8, 16, 32]
    assert all(one["env_steps"] > 0 for one in found["predictions"])
    for check in found["checks"]:
        assert check["error"] == pytest.approx(check["predicted"] / check["measured"] - 1)
    assert "predicted, 64 environments a sampler" in capsys.readouterr().out
