"""Serial runs, to the bit: repeated, and interrupted and resumed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spreeze import run_folder
from spreeze.checkpoint import verify
from spreeze.preflight import prepare
from spreeze.run import allocate
from spreeze.signals import Interrupted
from spreeze.transport.counters import ENV_STEPS, FORGIVEN_ROWS, FORGIVEN_STEPS, ROWS, UPDATES
from tests.contract.interrupting import Interrupting
from tests.contract.playing import checkpoint, play, resume, tensors

STEPS = 700
SERIAL: dict[str, Any] = {
    "serial": True,
    "envs_per_sampler": 3,
    "evaluation_episodes": 1,
    "evaluate_every_steps": 200,
    "seed": 3,
}
SAC = {"hidden": [16, 16], "warmup": 100, "capacity": 200}
"""The ring wraps three times."""
ENVIRONMENTS = "tests.contract.interrupting"


def play_sac(folder: Path, **run: Any) -> dict[str, Any]:
    options = SERIAL | {"steps": STEPS, "batch_size": 32, "replay_ratio": 16} | run
    return play(folder, "sac", f"{ENVIRONMENTS}:PENDULUM", SAC, **options)


def play_on(folder: Path, points: list[int], begin: Callable[[], object]) -> int:
    """Begin a run, have it interrupted after these numbers of steps, resume it each time; return the interrupts."""
    interrupts = 0
    for session, steps in enumerate([*points, -1]):
        Interrupting.steps_left = steps
        try:
            begin() if session == 0 else resume(folder)
            break
        except Interrupted:
            interrupts += 1
    return interrupts


def end_of(folder: Path) -> dict[str, np.ndarray]:
    """Everything that the last checkpoint of a run holds: the learner, the source, counters, cursors and rows."""
    settings = run_folder.load_settings(folder / "config.yaml")
    spaces, _ = prepare(settings)
    saved = verify(checkpoint(folder))
    memory = allocate(settings, spaces, saved.manifest["stage"], saved)
    counters = {role: memory.counters.row(role)[[ENV_STEPS, UPDATES, ROWS]].copy() for role in memory.roles}
    found = counters | {"run": memory.counters.run[[FORGIVEN_STEPS, FORGIVEN_ROWS]].copy()}
    for name, store in memory.stores.items():
        found |= {f"{name}/words": store.words.copy()} | columns(f"{name}/row", store.rows)
        found |= columns(f"{name}/head", store.heads) if store.heads is not None else {}
    memory.close()
    return found | tensors(folder, "*")


def columns(prefix: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{prefix}/{name}": rows[name].copy() for name in rows.dtype.names or ()}


def assert_same_end(one: Path, other: Path) -> None:
    left, right = end_of(one), end_of(other)
    assert left.keys() == right.keys()
    assert [name for name, array in left.items() if array.tobytes() != right[name].tobytes()] == []


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    summary = play_sac(folder)
    assert summary["exit_reason"] == "finished"
    return folder


def evaluations(folder: Path) -> list[dict[str, Any]]:
    """All that a run measured, but for the time."""
    return [{**found, "seconds": 0} for found in run_folder.read_summary(folder)["evaluations"]]


def test_a_repeated_run_is_equal_to_the_bit(uninterrupted: Path, tmp_path: Path) -> None:
    play_sac(tmp_path)
    assert_same_end(uninterrupted, tmp_path)
    assert evaluations(uninterrupted) == evaluations(tmp_path)
    assert len(evaluations(tmp_path)) >= 4


def test_another_seed_gives_another_run(uninterrupted: Path, tmp_path: Path) -> None:
    play_sac(tmp_path, seed=4)
    one, other = end_of(uninterrupted), end_of(tmp_path)
    assert one.keys() == other.keys()
    for name in ("replay/row/observation", "part-actor/actor/net.0.weight", "part-critic/generator"):
        assert one[name].tobytes() != other[name].tobytes()


@pytest.mark.parametrize("points", [[50, 300, 137], [333, 12, 320]])
def test_a_run_interrupted_three_times_ends_as_one_that_was_not(
    points: list[int], uninterrupted: Path, tmp_path: Path
) -> None:
    assert play_on(tmp_path, points, lambda: play_sac(tmp_path)) == 3
    assert_same_end(uninterrupted, tmp_path)
    assert evaluations(uninterrupted) == evaluations(tmp_path)


@pytest.mark.parametrize("steps", [60, 180, 500], ids=["warming up", "before the ring wraps", "after"])
def test_a_run_that_ended_goes_on_as_if_it_had_not(steps: int, uninterrupted: Path, tmp_path: Path) -> None:
    play_sac(tmp_path, steps=steps)
    resume(tmp_path, steps=STEPS)
    assert_same_end(uninterrupted, tmp_path)


TOYS: dict[str, tuple[list[int], dict[str, Any]]] = {
    "on_policy": ([400, 700], {"evaluate_every_steps": 2000}),
    "model_source": ([25], {}),
    "two_stages": ([300], {}),
    "split": ([300, 200], {"devices": "left=cpu,right=cpu", "steps": 700}),
}


@pytest.mark.parametrize("toy", TOYS)
def test_every_kind_of_learning_goes_on_to_the_bit(toy: str, tmp_path: Path) -> None:
    points, options = TOYS[toy]
    request = {"algo": f"tests.contract.{toy}:ALGORITHM", "env": f"{ENVIRONMENTS}:LINE"} | SERIAL | options
    Interrupting.steps_left = -1
    play(tmp_path / "whole", **request)
    begin = partial(play, tmp_path / "parted", **request)
    assert play_on(tmp_path / "parted", points, begin) == len(points)
    assert_same_end(tmp_path / "whole", tmp_path / "parted")


def test_a_stage_without_samplers_is_evaluated_by_its_updates(tmp_path: Path) -> None:
    request = {"algo": "tests.contract.two_stages:ALGORITHM", "env": f"{ENVIRONMENTS}:LINE"} | SERIAL
    Interrupting.steps_left = -1
    summary = play(tmp_path, **request | {"evaluate_every_steps": 50})
    before = summary["updates"] - int(tensors(tmp_path, "part-*")["part-student/spreeze.update"])
    found = [entry["updates"] - before for entry in summary["evaluations"]]
    assert len(found) > 2 and found[:-1] == [50 * (index + 1) for index in range(len(found) - 1)]
