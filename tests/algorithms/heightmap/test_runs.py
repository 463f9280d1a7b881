"""All stages at a tiny scale: in one process and in several, resumed, exported."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from spreeze.export import TOLERANCE, differences, export
from spreeze.stages import build_policy
from tests.algorithms.heightmap.scene import ENV, SMALL, spec, stages
from tests.contract.playing import checkpoint, play, resume, tensors

ALGO = "heightmap"
NAMES = ["blind", "modulator", "dataset", "predictor", "closed"]
OPTIONS = dict(algorithm=dataclasses.asdict(SMALL), environment={"max_episode_steps": 12}, evaluation_episodes=2)
Arrays = Mapping[str, np.ndarray]


def named(arrays: Arrays, name: str) -> Arrays:
    """Those that belong to a bundle."""
    return {key: array for key, array in arrays.items() if key.startswith(f"{name}/")}


def check_run(folder: Path, summary: Mapping[str, Any]) -> None:
    """All stages ran, each left its own module alone, and evaluations report what they should."""
    assert summary["exit_reason"] == "finished"
    assert summary["restarts"] == {}
    assert [stage["name"] for stage in summary["stages"]] == NAMES
    left = load_file(folder / "checkpoints" / "inherited.safetensors")
    at_the_end = tensors(folder, "bundle-*")
    for name in ("blind", "modulator", "predictor"):
        for key, array in named(left, name).items():
            np.testing.assert_array_equal(at_the_end[f"bundle-{key}"], array, err_msg=key)
    metrics = [evaluation["metrics"] for evaluation in summary["evaluations"]]
    assert all("terrain/passed" in found and "terrain/with_foot_collision" in found for found in metrics)
    assert 0 < metrics[-1]["map/edge_share"] < 1
    assert 1 < metrics[-1]["map/error_cm"] < 200


def test_all_stages_in_one_process_hand_over_what_they_learned(tmp_path: Path) -> None:
    summary = play(tmp_path / "whole", ALGO, ENV, serial=True, **OPTIONS)
    check_run(tmp_path / "whole", summary)
    manifest = json.loads((checkpoint(tmp_path / "whole") / "manifest.json").read_text())
    assert sorted(manifest["stores"]) == ["histories", "own"]
    again = play(tmp_path / "again", ALGO, ENV, serial=True, **OPTIONS)
    one, other = (load_file(tmp_path / n / "checkpoints" / "inherited.safetensors") for n in ("whole", "again"))
    assert one.keys() == other.keys()
    assert [name for name, array in one.items() if not np.array_equal(array, other[name])] == []
    assert again["env_steps"] == summary["env_steps"]


def test_a_run_goes_on_in_the_stage_in_which_it_ended(tmp_path: Path) -> None:
    summary = play(tmp_path, ALGO, ENV, serial=True, seconds=1e-3, **OPTIONS)
    reached = []
    for _ in range(len(NAMES) + 1):
        summary = resume(tmp_path, seconds=summary["wall_seconds"] + 1e-3)
        reached.append(summary["stages"][-1]["name"])
        if reached[-1] == NAMES[-1]:
            break
    assert set(reached) <= set(NAMES)
    check_run(tmp_path, resume(tmp_path, seconds=None))


def test_all_stages_in_processes(tmp_path: Path) -> None:
    check_run(tmp_path, play(tmp_path, ALGO, ENV, **OPTIONS))


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
@pytest.mark.parametrize("index", [0, 1, 4], ids=["blind", "modulator", "closed"])
def test_an_exported_policy_is_that_of_the_stage(index: int, kind: str) -> None:
    if index < 4 and kind != "lstm":
        pytest.skip("it has no predictor")
    stage = stages(predictor=kind)[index]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        modules = {name: make().requires_grad_(False).eval() for name, make in stage.bundles.items()}

    def policy(seed: int) -> Any:
        return build_policy(stage, modules, seed)[0]

    exported = export(policy, modules, spec(), stage.modes.evaluate, {})
    found = differences(exported, policy(0), spec(), seed=1)
    assert max(found.values()) < TOLERANCE == 1e-5, found
