"""Six kinds of learning through one contract, each in processes and in one process."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from spreeze.contract import Stage, Store
from spreeze.errors import CheckpointError, UsageError
from spreeze.run import left_by
from spreeze.transport.layout import row_dtype
from tests.contract.environments import GOAL, MOTION, PUSH
from tests.contract.keeping import LENGTH, ROW
from tests.contract.on_policy import OnPolicyConfig
from tests.contract.playing import play, resume, tensors

Arrays = Mapping[str, np.ndarray]
Check = Callable[[Arrays, Mapping[str, Any]], None]

ENVIRONMENTS = "tests.contract.environments"
PARTS = "left=cpu,right=cpu"


def play_toy(folder: Path, toy: str, env: str = "LINE", **options: Any) -> dict[str, Any]:
    """Run a toy to its own end, which must come without a failure."""
    summary = play(folder, f"tests.contract.{toy}:ALGORITHM", f"{ENVIRONMENTS}:{env}", **options)
    assert summary["exit_reason"] == "finished"
    assert summary["restarts"] == {}
    return summary


def mean_return(summary: Mapping[str, Any]) -> float:
    return float(np.mean(summary["evaluations"][-1]["returns"]))


def check_model_source(found: Arrays, summary: Mapping[str, Any]) -> None:
    motion = np.column_stack((MOTION, PUSH))
    np.testing.assert_allclose(found["bundle-model/motion.weight"], motion, atol=0.01)
    np.testing.assert_allclose(found["bundle-model/goal.weight"], [GOAL], atol=0.01)
    np.testing.assert_allclose(found["bundle-policy/weight"], [GOAL], atol=0.02)
    assert summary["env_steps"] >= 5000
    assert summary["rows"] / summary["env_steps"] == pytest.approx(2, rel=0.1), "the ratio of imagined rows is held"
    assert mean_return(summary) > -0.01


def check_meta_learning(found: Arrays, summary: Mapping[str, Any]) -> None:
    np.testing.assert_allclose(found["bundle-exploiter/weight"], 0.5, atol=0.01)
    assert found["bundle-explorer/weight"] > 0.9, "it began with 0.3"
    assert found["part-meta/record/mixed"] == 0, "a group of a keyed draw holds one task"
    assert found["part-meta/record/missing"] == 0, "a keyed draw holds as many tasks as it asks for"
    assert mean_return(summary) > -0.01


def check_on_policy(found: Arrays, summary: Mapping[str, Any]) -> None:
    np.testing.assert_allclose(found["bundle-actor/gain.weight"], [GOAL], atol=0.1)
    np.testing.assert_allclose(found["bundle-actor/habit.weight"], 0, atol=0.1)
    assert found["part-actor/record/lag"] <= OnPolicyConfig().max_lag
    assert found["part-actor/record/surprise"] < 1e-4, "stored log-probabilities are those of the unrolled memory"
    assert summary["updates"] == 200
    assert mean_return(summary) > -0.1


def check_two_stages(found: Arrays, summary: Mapping[str, Any]) -> None:
    np.testing.assert_allclose(found["bundle-student/weight"], [GOAL], atol=0.01)
    assert [stage["name"] for stage in summary["stages"]] == ["collect", "imitate"]
    assert 1000 <= summary["env_steps"] < 1200, "only the first stage steps the environment"
    assert found["part-student/spreeze.update"] < 5000, "the student finished before its last update"
    assert mean_return(summary) > -0.01


def check_keeping(found: Arrays, summary: Mapping[str, Any]) -> None:
    np.testing.assert_allclose(found["bundle-goal/weight"], [GOAL], atol=0.02)
    assert found["part-fitting/record/kept_action"] > 0.9, "the kept rows are those of random actions"
    assert found["part-fitting/record/own_action"] < 0.9, "its own rows are those of its policy"
    assert found["part-fitting/record/kept_rows"] == 8 * LENGTH
    assert [stage["name"] for stage in summary["stages"]] == ["collect", "fit"]


def check_split(found: Arrays, summary: Mapping[str, Any]) -> None:
    np.testing.assert_allclose(found["bundle-left/weight"], MOTION, atol=0.01)
    np.testing.assert_allclose(found["bundle-right/weight"][:, 0], PUSH, atol=0.01)
    assert summary["env_steps"] >= 1500


TOYS: dict[str, tuple[str, Check]] = {
    "model_source": ("LINE", check_model_source),
    "meta_learning": ("FAMILY", check_meta_learning),
    "on_policy": ("LINE", check_on_policy),
    "two_stages": ("LINE", check_two_stages),
    "keeping": ("LINE", check_keeping),
    "split": ("LINE", check_split),
}


@pytest.mark.parametrize("serial", [True, False], ids=["serial", "processes"])
@pytest.mark.parametrize("toy", TOYS)
def test_a_toy_learns(toy: str, serial: bool, tmp_path: Path) -> None:
    env, check = TOYS[toy]
    devices = PARTS if toy == "split" else "cpu"
    summary = play_toy(tmp_path, toy, env, serial=serial, devices=devices)
    check(tensors(tmp_path, "*-*"), summary)


def test_parts_in_processes_of_their_own_learn_with_a_delay(tmp_path: Path) -> None:
    summary = play_toy(tmp_path, "split", devices=PARTS, algorithm={"delay": 1})
    check_split(tensors(tmp_path, "*-*"), summary)


def test_a_serial_run_split_with_delay_0_equals_the_joint_one(tmp_path: Path) -> None:
    play_toy(tmp_path / "joint", "split", serial=True)
    play_toy(tmp_path / "split", "split", serial=True, devices=PARTS)
    joint, split = (tensors(tmp_path / name, "part-*") for name in ("joint", "split"))
    assert joint.keys() == split.keys()
    for name, array in joint.items():
        np.testing.assert_allclose(split[name], array, rtol=0, atol=1e-6, err_msg=name)


def test_steps_end_the_last_stage_that_takes_any(tmp_path: Path) -> None:
    summary = play_toy(tmp_path, "two_stages", serial=True, steps=200)
    assert 200 <= summary["env_steps"] < 250
    assert tensors(tmp_path, "part-*")["part-student/spreeze.update"] > 50, "the student's stage has its own end"


def test_what_every_stage_published_last_is_kept(tmp_path: Path) -> None:
    play_toy(tmp_path, "two_stages", serial=True)
    kept = load_file(tmp_path / "checkpoints" / "inherited.safetensors")
    assert kept.keys() == {"teacher/weight", "student/weight"}


def stored_rows(folder: Path) -> tuple[np.ndarray, list[list[int]]]:
    """What a checkpoint's only file of the store `rows` holds, and the store's cursors."""
    store = json.loads((folder / "manifest.json").read_text())["stores"]["rows"]
    [file] = store["files"]
    return np.fromfile(folder.parent / "stores" / file["file"], row_dtype(ROW)), store["words"]


def test_what_a_stage_keeps_is_there_to_the_bit_also_after_a_resume(tmp_path: Path) -> None:
    play_toy(tmp_path, "keeping", serial=True)
    [first, second] = sorted((tmp_path / "checkpoints").glob("checkpoint-*"))
    (rows, words), (kept, kept_words) = map(stored_rows, (first, second))
    assert kept_words == words
    for name in ROW:
        np.testing.assert_array_equal(kept[name], rows[name])
    shutil.rmtree(second)
    summary = resume(tmp_path)
    assert summary["exit_reason"] == "finished"
    check_keeping(tensors(tmp_path, "*-*"), summary)


def test_a_stage_is_refused_whose_kept_store_is_gone(tmp_path: Path) -> None:
    stages = [Stage(name, {}, {}, None, lambda setup: {}) for name in ("first", "second")]
    assert left_by(tmp_path, 1, stages, lambda text: None) is None, "it keeps nothing"
    stages[1] = replace(stages[1], stores={"rows": Store("kept", {})})
    with pytest.raises(CheckpointError, match="'second' begins with the stores rows of the stage before it"):
        left_by(tmp_path, 1, stages, lambda text: None)


@pytest.mark.parametrize(
    ("toy", "devices", "complaint"),
    [("on_policy", "actor=cpu,critic=cpu", "no part 'critic'.*has actor"), ("split", "left=cpu", None)],
)
def test_only_parts_that_exist_can_be_split(toy: str, devices: str, complaint: str | None, tmp_path: Path) -> None:
    if complaint is None:
        play_toy(tmp_path, toy, devices=devices, serial=True)
    else:
        with pytest.raises(UsageError, match=complaint):
            play_toy(tmp_path, toy, devices=devices, serial=True)


def test_parts_apart_cannot_draw_from_stores_on_a_device(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--stores device: parts on devices of their own"):
        play_toy(tmp_path, "split", devices="left=cpu,right=cpu", stores="device", serial=True)
