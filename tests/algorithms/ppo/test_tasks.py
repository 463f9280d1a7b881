"""PPO solves what it was made for: choices, masks, dictionaries, memory. Each in seconds, from seed 0."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.contract.playing import play

HERE = "tests.algorithms.ppo.tasks"
FAST: Mapping[str, Any] = {"horizon": 32, "hidden": [32, 32], "learning_rate": 3e-3}


def final_return(folder: Path, env: str, steps: int, **algorithm: Any) -> float:
    """Mean return of the last evaluation of a run in one process."""
    options = {**FAST, **algorithm}
    summary = play(folder, "ppo", env, options, steps=steps, serial=True, envs_per_sampler=16, batch_size=128)
    returns = summary["evaluations"][-1]["returns"]
    return float(sum(returns) / len(returns))


def test_a_pole_is_balanced(tmp_path: Path) -> None:
    assert final_return(tmp_path / "run", "cartpole", 40_000, horizon=64) > 450


@pytest.mark.slow
def test_closed_doors_are_never_opened_and_the_best_one_is(tmp_path: Path) -> None:
    assert final_return(tmp_path / "run", f"{HERE}:DOORS", 20_000) > 9


def test_a_dictionary_leads_to_the_goal(tmp_path: Path) -> None:
    assert final_return(tmp_path / "run", f"{HERE}:COMPASS", 40_000) > -1.6


def test_a_cue_is_remembered(tmp_path: Path) -> None:
    assert final_return(tmp_path / "run", f"{HERE}:RECALL", 20_000, memory=16) > 0.95


def test_without_memory_it_is_not(tmp_path: Path) -> None:
    assert abs(final_return(tmp_path / "run", f"{HERE}:RECALL", 10_000)) < 0.9
