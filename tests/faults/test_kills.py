"""kill -9 of every process of a run."""

import json
import signal
import time

import psutil
import pytest

from spreeze.transport.counters import BEAT, INCARNATION, Counters
from tests.faults.scene import DAWDLING, Scene, is_alive, wait_for

pytestmark = pytest.mark.alone

ROLES = ("sampler-0", "learner", "evaluator", "visualizer")


def kill_each_role(scene: Scene) -> None:
    """Kill every role when all work, wait until all work again, and end the learning."""
    counters = scene.await_roles(ROLES)
    killed = {role: process.pid for role, process in scene.roles().items()}
    for role in ROLES:
        psutil.Process(killed[role]).kill()
    moment, totals = time.monotonic_ns(), totals_of(counters)

    def recovered() -> bool:
        nonlocal totals
        before, totals = totals, totals_of(counters)
        assert all(now >= then for now, then in zip(totals, before, strict=True)), "a counter ran backwards"
        rows = [counters.row(role) for role in ROLES]
        return all(row[INCARNATION] == 2 and row[BEAT] > moment for row in rows)

    wait_for(recovered)
    assert set(scene.roles()) == set(ROLES)
    wait_for(lambda: counters.updates > totals[1])
    (scene.folder.parent / "end").touch()


def totals_of(counters: Counters) -> tuple[int, int, int]:
    return counters.env_steps, counters.updates, counters.rows_consumed


def test_a_run_survives_the_death_of_each_of_its_roles(scene: Scene) -> None:
    words = scene.words(*DAWDLING, "--evaluate", "--end", str(scene.folder.parent / "end"))
    words[words.index("none")] = "video"
    assert scene.play(words, lambda: kill_each_role(scene)) == 0
    summary = scene.summary
    assert summary["exit_reason"] == "finished"
    assert summary["restarts"] == dict.fromkeys(ROLES, 1)
    assert summary["env_steps"] > 100
    for name in ("seconds", "env_steps"):
        values = [evaluation[name] for evaluation in summary["evaluations"]]
        assert values == sorted(values)
    versions = [tuple(evaluation["weight_version"]) for evaluation in summary["evaluations"]]
    assert versions == sorted(versions)
    assert versions[-1][0] == 2
    scene.assert_clean()


def kill_what_forks(scene: Scene) -> None:
    """Kill the process that forks roles, then a role, and end the learning when that works again."""
    counters = scene.await_roles(ROLES)
    before = scene.roles()
    for process in (*scene.forking(), before["sampler-0"]):
        process.kill()
    wait_for(lambda: counters.row("sampler-0")[INCARNATION] == 2)
    after = scene.roles()
    assert {role for role in ROLES if after[role] != before[role]} == {"sampler-0"}
    (scene.folder.parent / "end").touch()


def test_a_run_survives_the_death_of_what_forks_its_roles(scene: Scene) -> None:
    words = scene.words(*DAWDLING, "--evaluate", "--end", str(scene.folder.parent / "end"))
    words[words.index("none")] = "video"
    assert scene.play(words, lambda: kill_what_forks(scene)) == 0
    assert scene.summary["restarts"] == {"sampler-0": 1}
    assert "the process that forks roles had died; started anew" in (scene.folder / "log.txt").read_text()
    scene.assert_clean()


def test_a_killed_orchestrator_takes_its_roles_along_and_the_run_goes_on_from_its_checkpoint(scene: Scene) -> None:
    orchestrator = scene.start(scene.words(*DAWDLING, "--checkpoint-every", "0.5"))
    scene.await_roles(ROLES[:2])
    wait_for(lambda: scene.checkpoints)
    roles = scene.roles().values()
    orchestrator.kill()
    assert wait_for(lambda: not any(is_alive(role) for role in roles)) < 2.0
    orchestrator.communicate()
    newest = scene.folder / "checkpoints" / scene.checkpoints[-1] / "manifest.json"
    saved = json.loads(newest.read_text())
    moments: list[float] = []

    def terminate() -> None:
        counters = scene.await_roles(ROLES[:2])
        assert counters.env_steps >= saved["env_steps"]
        wait_for(lambda: counters.updates > saved["updates"])
        moments.append(scene.interrupt(signal.SIGTERM))

    assert scene.play(["resume", str(scene.folder)], terminate) == 143
    assert time.monotonic() - moments[0] < 10
    assert scene.summary["exit_reason"] == "Interrupted: SIGTERM"
    assert scene.summary["updates"] > saved["updates"]
    assert scene.checkpoints[-1] > newest.parent.name
    scene.assert_clean()
