"""kill -9 of every process of a run."""

import json
import time

import psutil

from spreeze.cli import main
from spreeze.transport.counters import BEAT, INCARNATION, Counters
from tests.faults.scene import Scene, wait_for

ROLES = ("sampler-0", "learner", "evaluator", "visualizer")


def kill_each_role(scene: Scene) -> None:
    """Kill every role when all work, wait until all work again, and open the gate to the end of the run."""
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
    (scene.folder.parent / "gate").touch()


def totals_of(counters: Counters) -> tuple[int, int, int]:
    return counters.env_steps, counters.updates, counters.rows_consumed


def test_a_run_survives_the_death_of_each_of_its_roles(scene: Scene) -> None:
    words = scene.words("--steps", "8000", "--gate", str(scene.folder.parent / "gate"), "--evaluate")
    words[words.index("none")] = "video"
    assert scene.play(words, lambda: kill_each_role(scene)) == 0
    summary = scene.summary
    assert summary["exit_reason"] == "finished"
    assert summary["restarts"] == dict.fromkeys(ROLES, 1)
    assert summary["env_steps"] >= 8000
    for name in ("seconds", "env_steps"):
        values = [evaluation[name] for evaluation in summary["evaluations"]]
        assert values == sorted(values)
    versions = [tuple(evaluation["weight_version"]) for evaluation in summary["evaluations"]]
    assert versions == sorted(versions)
    assert versions[-1][0] == 2
    scene.assert_clean()


def test_a_killed_orchestrator_takes_its_roles_along_and_the_run_goes_on_from_its_checkpoint(scene: Scene) -> None:
    words = scene.words("--steps", "1000000", "--checkpoint-every", "0.5")
    orchestrator = scene.start(words)
    scene.await_roles(ROLES[:2])
    wait_for(lambda: scene.checkpoints)
    roles = set(scene.roles().values())
    orchestrator.kill()
    assert wait_for(lambda: not any(role.is_running() for role in roles)) < 2.0
    orchestrator.communicate()
    [newest] = scene.checkpoints[-1:]
    manifest = json.loads((scene.folder / "checkpoints" / newest / "manifest.json").read_text())
    done = manifest["env_steps"]
    assert main(["resume", str(scene.folder), "--steps", str(done + 500)]) == 0
    assert scene.summary["exit_reason"] == "finished"
    assert scene.summary["env_steps"] >= done + 500
    assert scene.summary["updates"] >= manifest["updates"]
    scene.assert_clean()
