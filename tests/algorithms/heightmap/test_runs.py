"""All stages at a tiny scale: in one process and in several, resumed, exported."""

import dataclasses
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from spreeze.algorithms.heightmap.predicting import PredictorPart
from spreeze.envs.terrain.episodes import TerrainWalkers
from spreeze.export import TOLERANCE, differences, export
from spreeze.signals import Interrupted
from spreeze.stages import build_policy
from tests.algorithms.heightmap.scene import ENV, SMALL, spec, stages
from tests.contract import playing
from tests.contract.playing import checkpoint, play, resume, tensors

ALGO = "heightmap"
NAMES = ["blind", "modulator", "dataset", "predictor", "closed"]
OPTIONS: dict[str, Any] = dict(
    algorithm=dataclasses.asdict(SMALL), environment={"max_episode_steps": 12}, evaluation_episodes=2
)
Arrays = Mapping[str, np.ndarray]


def inherited(folder: Path) -> Arrays:
    """What all stages of a run left, by bundle and name."""
    return load_file(folder / "checkpoints" / "inherited.safetensors")


def check_run(folder: Path, summary: Mapping[str, Any]) -> None:
    """All stages ran, the last one changed no policy, and evaluations report what they should."""
    assert summary["exit_reason"] == "finished"
    assert summary["restarts"] == {}
    assert [stage["name"] for stage in summary["stages"]][-1] == NAMES[-1]
    at_the_end = tensors(folder, "bundle-*")
    for name, array in inherited(folder).items():
        np.testing.assert_array_equal(at_the_end[f"bundle-{name}"], array, err_msg=name)
    metrics = [evaluation["metrics"] for evaluation in summary["evaluations"]]
    assert all("terrain/passed" in found and "terrain/with_foot_collision" in found for found in metrics)
    assert 0 < metrics[-1]["map/edge_share"] < 1
    assert 1 < metrics[-1]["map/error_cm"] < 200


class Interrupts:
    """Presses Ctrl-C once in every stage: at a step of its many environments, or at an update of a predictor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stages, self.stage = list[str](), ""
        prepare, step, update = TerrainWalkers.prepare, TerrainWalkers.step, PredictorPart.update

        def prepared(envs: TerrainWalkers, stage: str, measures: bool) -> None:
            prepare(envs, stage, measures)
            if envs.count == SMALL.environments:
                self.stage = stage

        def stepped(envs: TerrainWalkers, actions: np.ndarray) -> Any:
            if envs.count == SMALL.environments:
                self.press(self.stage)
            return step(envs, actions)

        def updated(part: PredictorPart, batches: Any) -> Any:
            self.press("update")
            return update(part, batches)

        monkeypatch.setattr(TerrainWalkers, "prepare", prepared)
        monkeypatch.setattr(TerrainWalkers, "step", stepped)
        monkeypatch.setattr(PredictorPart, "update", updated)

    def press(self, where: str) -> None:
        """Once at every place."""
        if where not in self.stages:
            self.stages.append(where)
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_interrupted_in_every_stage_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    summary = play(whole, ALGO, ENV, serial=True, **OPTIONS)
    check_run(whole, summary)
    assert [stage["name"] for stage in summary["stages"]] == NAMES
    manifest = json.loads((checkpoint(whole) / "manifest.json").read_text())
    assert sorted(manifest["stores"]) == ["histories", "own"]
    interrupts = Interrupts(monkeypatch)
    with pytest.raises(Interrupted):
        play(broken, ALGO, ENV, serial=True, **OPTIONS)
    for _ in range(4):
        with pytest.raises(Interrupted):
            resume(broken)
    check_run(broken, resume(broken))
    assert interrupts.stages == ["blind", "modulator", "predictor", "update", "closed"]
    one, other = inherited(whole), inherited(broken)
    assert one.keys() == other.keys()
    assert [name for name, array in one.items() if not np.array_equal(array, other[name])] == []


@pytest.mark.slow
def test_all_stages_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "LIMIT_S", 300.0)  # Five stages start fifteen roles.
    check_run(tmp_path, play(tmp_path, ALGO, ENV, **OPTIONS))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("blind", "lstm"),
        ("modulator", "lstm"),
        pytest.param("closed", "lstm", marks=pytest.mark.slow),
        pytest.param("closed", "transformer", marks=pytest.mark.slow),
    ],
)
def test_an_exported_policy_is_that_of_the_stage(name: str, kind: str) -> None:
    stage = stages(predictor=kind)[NAMES.index(name)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        modules = {name: make().requires_grad_(False).eval() for name, make in stage.bundles.items()}

    def policy(seed: int) -> Any:
        return build_policy(stage, modules, seed)[0]

    exported = export(policy, modules, spec(), stage.modes.evaluate, {})
    found = differences(exported, policy(0), spec(), seed=1)
    assert max(found.values()) < TOLERANCE == 1e-5, found
