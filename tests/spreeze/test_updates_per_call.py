"""Several updates in a call: what is chosen, how the pace holds, what counters say, and where a stage ends."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spreeze.checkpoint import verify
from spreeze.contract import EnvironmentSpec, Field, Stage, Store
from spreeze.errors import UsageError
from spreeze.pacing import RatioPace, slack_rows
from spreeze.roles.learner import DRAWS
from spreeze.sizing import AUTO_ROWS_PER_CALL, MAX_AUTO_UPDATES, updates_per_call
from spreeze.transport.counters import ENV_STEPS, ROWS, TAKEN, UPDATES, Counters
from tests.contract.environments import Line
from tests.contract.playing import checkpoint, play, resume, tensors
from tests.contract.split import SplitConfig, stages
from tests.spreeze.test_serial import SERIAL, assert_same_end, play_on

LINE, INTERRUPTED_LINE = "tests.contract.environments:LINE", "tests.contract.interrupting:LINE"
COUNTED, SPLIT = "tests.spreeze.counted:ALGORITHM", "tests.contract.split:ALGORITHM"
STAGE = stages(EnvironmentSpec(Line.observation_space, Line.action_space), SplitConfig(), 8)[0]
PER_CALL, BATCH, BLOCK, RATIO, WARMUP = 5, 64, 32, 4.0, 1000


def with_queue() -> Stage:
    return Stage("on-policy", {"queue": Store("queue", {"observation": Field((2,))}, 4, 8)}, {}, None, lambda _: {})


def test_one_update_is_made_in_a_call_on_a_cpu_and_what_is_asked_for_anywhere() -> None:
    assert updates_per_call("auto", STAGE, 256, "cpu") == 1
    assert updates_per_call(7, STAGE, 256, "cpu") == 7


def test_a_call_on_a_gpu_holds_some_milliseconds_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spreeze.sizing.part_devices", lambda text: {"*": torch.device("cuda", 0)})
    chosen = {batch: updates_per_call("auto", STAGE, batch, "auto") for batch in (16, 256, 8192, 65536, 1 << 20)}
    assert chosen == {16: MAX_AUTO_UPDATES, 256: 32, 8192: AUTO_ROWS_PER_CALL // 8192, 65536: 1, 1 << 20: 1}


def test_queues_and_split_learners_make_one_update_in_a_call() -> None:
    assert updates_per_call(7, with_queue(), 256, "cpu") == 1
    assert updates_per_call(7, STAGE, 256, "left=cpu,right=cpu") == 1


@pytest.mark.parametrize("asked", [0, -1, 1025])
def test_a_senseless_number_of_updates_is_refused(asked: int) -> None:
    with pytest.raises(UsageError, match="--updates-per-call"):
        updates_per_call(asked, STAGE, 256, "cpu")


@given(st.lists(st.booleans(), min_size=200, max_size=600))
def test_whatever_the_order_the_ratio_is_held_within_the_slack_of_a_call(turns: list[bool]) -> None:
    counters = Counters.create(("sampler-0", "learner"))
    counters.row("sampler-0")[ENV_STEPS] = WARMUP
    slack = slack_rows(RATIO, PER_CALL * BATCH, BLOCK)
    pace = RatioPace(counters, WARMUP, RATIO, slack)
    for sampler in turns:
        assert pace.sampler_may_step() or pace.learner_may_update()
        if sampler and pace.sampler_may_step():
            counters.row("sampler-0")[ENV_STEPS] += BLOCK
        elif not sampler and pace.learner_may_update():
            counters.row("learner")[ROWS] += PER_CALL * BATCH
        assert -PER_CALL * BATCH < pace.balance() < slack + RATIO * BLOCK


def learner_row(folder: Path) -> np.ndarray:
    return np.array(verify(checkpoint(folder)).manifest["counters"]["learner"])


@pytest.mark.parametrize("stores", ["host", "device"])
@pytest.mark.parametrize("per_call", [1, 7, 50, 64])
def test_a_stage_ends_with_its_last_update_however_many_a_call_makes(
    per_call: int, stores: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"serial": True, "updates_per_call": per_call, "stores": stores, "devices": "cpu"}
    summary = play(tmp_path, COUNTED, LINE, {"updates": 50}, **options)
    assert (summary["exit_reason"], summary["updates"]) == ("finished", 50)
    assert int(tensors(tmp_path, "part-*")["part-net/spreeze.update"]) == 50
    assert learner_row(tmp_path)[[UPDATES, ROWS, TAKEN]].tolist() == [50, 0, 50]


def test_a_run_is_the_same_to_the_bit_however_many_updates_a_call_makes(tmp_path: Path) -> None:
    found = []
    for per_call in (1, 7):
        play(tmp_path / str(per_call), COUNTED, LINE, serial=True, updates_per_call=per_call)
        found.append(tensors(tmp_path / str(per_call), "part-*"))
    assert found[0].keys() == found[1].keys()
    assert all((found[0][name] == found[1][name]).all() for name in found[0])


def test_a_finished_part_ends_a_call_and_counters_tell_what_was_made(tmp_path: Path) -> None:
    found = []
    for per_call in (1, 9):
        folder = tmp_path / str(per_call)
        play(folder, "tests.contract.two_stages:ALGORITHM", LINE, serial=True, updates_per_call=per_call)
        made = int(tensors(folder, "part-*")["part-student/spreeze.update"])
        assert learner_row(folder)[[UPDATES, TAKEN]].tolist() == [made, made]
        found.append(made)
    assert all(0 < made < 5000 for made in found)


@pytest.mark.parametrize("stores", ["host", "device"])
def test_processes_hold_the_ratio_with_several_updates_in_a_call(stores: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"updates_per_call": PER_CALL, "stores": stores, "devices": "cpu", "batch_size": 32}
    summary = play(tmp_path, SPLIT, LINE, **options)
    assert (summary["exit_reason"], summary["restarts"]) == ("finished", {})
    assert summary["rows"] == 32 * summary["updates"]
    assert summary["updates"] % PER_CALL == 0
    slack = slack_rows(16, PER_CALL * 32, 32) + PER_CALL * 32 + 16 * 32
    assert abs(summary["rows"] - 16 * (summary["env_steps"] - 100)) <= slack
    assert (checkpoint(tmp_path) / DRAWS).exists() == (stores == "device")


@pytest.mark.parametrize("steps", [[400, 700]])
def test_a_serial_run_with_stores_on_the_device_goes_on_to_the_bit(steps: list[int], tmp_path: Path) -> None:
    request = SERIAL | {"algo": SPLIT, "env": INTERRUPTED_LINE, "stores": "device", "devices": "cpu"}
    request |= {"updates_per_call": 3}
    play(tmp_path / "whole", **request)
    assert play_on(tmp_path / "parted", steps, lambda: play(tmp_path / "parted", **request)) == 2
    assert_same_end(tmp_path / "whole", tmp_path / "parted")


def test_a_run_with_stores_on_the_host_goes_on_with_stores_on_the_device(tmp_path: Path) -> None:
    play(tmp_path, SPLIT, LINE, serial=True, steps=600)
    summary = resume(tmp_path, steps=1200, stores="device", devices="cpu", updates_per_call=4)
    assert summary["env_steps"] >= 1200
    assert (checkpoint(tmp_path) / DRAWS).exists()
