"""What the contract asks of every algorithm, asked of the stages for a robot that sees terrain."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from gymnasium.spaces import Box, Dict

from spreeze import registry
from spreeze.algorithms.heightmap import ALGORITHM
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.contract import EnvironmentSpec, Stage
from spreeze.errors import UnsupportedSpace, UsageError
from spreeze.spaces import probe
from tests.algorithms import test_every_algorithm as every
from tests.algorithms.heightmap.scene import config, spec, stages

NAMES = ["blind", "modulator", "dataset", "predictor", "closed"]
Check = Callable[[EnvironmentSpec, Sequence[Stage], int], None]
ACTING: list[Check] = [
    every.test_a_policy_acts_within_its_space_in_every_mode,
    every.test_a_policy_draws_from_its_generator_alone,
]
LEARNING: list[Check] = [
    every.test_an_update_changes_the_parts_and_its_metrics_are_finite,
    every.test_what_is_published_fits_the_bundles_and_all_of_them_are,
    every.test_every_module_that_a_part_reads_is_owned_by_another,
]


def test_the_stages_are_those_of_the_paper_and_without_vision_the_first_two() -> None:
    assert [stage.name for stage in stages()] == NAMES
    assert [stage.name for stage in stages(vision=False)] == NAMES[:2]


@pytest.mark.parametrize("index", range(5), ids=NAMES)
@pytest.mark.parametrize("check", ACTING, ids=lambda check: str(check.__name__))
def test_policies_act_as_the_contract_says(check: Check, index: int) -> None:
    check(spec(), stages(), index)


@pytest.mark.parametrize("kind", ["lstm", "lstm_no_state", "transformer", "memoryless"])
@pytest.mark.parametrize("check", LEARNING, ids=lambda check: str(check.__name__))
def test_every_predictor_learns_as_the_contract_says(check: Check, kind: str) -> None:
    for index in (3, 4):
        check(spec(), stages(predictor=kind), index)


@pytest.mark.parametrize("index", [0, 1], ids=NAMES[:2])
@pytest.mark.parametrize("check", LEARNING, ids=lambda check: str(check.__name__))
def test_policies_learn_as_the_contract_says(check: Check, index: int) -> None:
    check(spec(), stages(), index)


@pytest.mark.parametrize("index", [0, 1, 3, 4], ids=[name for name in NAMES if name != "dataset"])
def test_a_saved_learner_goes_on_to_the_bit(index: int, tmp_path: Path) -> None:
    every.test_a_saved_learner_goes_on_as_the_original_to_the_bit(spec(), stages(), index, tmp_path)


def test_the_stage_that_collects_learns_nothing_and_publishes_what_it_was_given() -> None:
    every.test_what_is_published_fits_the_bundles_and_all_of_them_are(spec(), stages(), 2)
    learning = every.Learning(stages(), 2, seed=0)
    assert learning.update(1) == {}
    assert learning.state() == {}


@pytest.mark.parametrize(("name", "motors"), [("walker2d-terrain", 6), ("cassie-terrain", 10)])
@pytest.mark.parametrize("clock", ["learned", "fixed"])
def test_motors_are_all_actions_but_those_of_the_clock(name: str, motors: int, clock: str) -> None:
    environment = registry.environment(name)
    found = Senses.of(EnvironmentSpec(*probe(environment, environment.options(clock=clock))), "auto")
    assert (found.motors, found.clock) == (motors, 3 if clock == "learned" else 0)


def test_environments_without_the_senses_are_refused() -> None:
    blind = EnvironmentSpec(Dict({"state": Box(-1, 1, (21,))}), Box(-1, 1, (9,)))
    with pytest.raises(UnsupportedSpace, match="entries state, map, clean_map"):
        ALGORITHM.stages(blind, config(), 16)
    with pytest.raises(UnsupportedSpace, match="at least 10 actions"):
        ALGORITHM.stages(spec(), config(motors=10), 16)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"window": 1}, "--window 1"),
        ({"burn_in": 8}, "--burn-in 8"),
        ({"closed_steps": 0}, "--closed-steps 0"),
        ({"closed_steps": 31}, "--closed-steps 31: at least 32 are needed"),
        ({"dataset_steps": 31}, "--dataset-steps 31: at least 32 are needed"),
        ({"mirror_weight": -1.0}, "--mirror-weight -1"),
        ({"modulator_std": 0.0}, "--modulator-std 0"),
        ({"epochs": 0}, "--epochs 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ALGORITHM.stages(spec(), config(**changes), 16)
