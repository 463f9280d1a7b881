"""Ctrl-C and its relatives: the run is saved and over within seconds; a second one ends it at once."""

import json
import os
import signal
import time

import pytest

from spreeze.cli import main
from spreeze.transport.counters import UPDATES, Counters
from tests.faults.scene import DAWDLING, LIMIT_S, Scene, is_alive, wait_for

pytestmark = pytest.mark.alone

ROLES = ("sampler-0", "learner")


def longest_pause(counters: Counters, seconds: float) -> float:
    """The longest time without an update in the next seconds."""
    begin = last = time.monotonic()
    seen, longest = int(counters.row("learner")[UPDATES]), 0.0
    while (now := time.monotonic()) - begin < seconds:
        updates = int(counters.row("learner")[UPDATES])
        if updates > seen:
            seen, last = updates, now
        longest = max(longest, now - last)
        time.sleep(0.005)
    return longest


def test_ctrl_c_saves_and_ends_a_run_whose_evaluator_is_busy(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    moments: list[float] = []

    def interrupt() -> None:
        counters = scene.await_roles((*ROLES, "evaluator"))
        wait_for(lambda: counters.updates > 20)
        assert longest_pause(counters, 1.5) < 0.75, "an evaluation that takes long blocks nobody"
        assert main(scene.words()) == 2
        assert f"is in use by process {os.getpid()}" in capsys.readouterr().err
        moments.append(scene.interrupt(signal.SIGINT))

    slow = ("--evaluate", "--evaluation-s", "60", "--evaluate-every", "0.1")
    assert scene.play(scene.words(*DAWDLING, *slow), interrupt) == 130
    assert time.monotonic() - moments[0] < 10
    assert scene.summary["exit_reason"] == "Interrupted: SIGINT"
    assert scene.summary["evaluations"] == []
    [saved] = scene.checkpoints
    assert json.loads((scene.folder / "checkpoints" / saved / "manifest.json").read_text())["updates"] > 20
    scene.assert_clean()


def test_a_second_signal_ends_the_run_at_once_and_its_roles_with_it(scene: Scene) -> None:
    orchestrator = scene.start(scene.words(*DAWDLING))
    scene.await_roles(ROLES)
    roles = scene.roles()
    roles["learner"].suspend()
    scene.interrupt()
    time.sleep(0.5)
    assert orchestrator.poll() is None, "it waits for the learner to save"
    begin = scene.interrupt(signal.SIGTERM)
    output, _ = orchestrator.communicate(timeout=LIMIT_S)
    assert time.monotonic() - begin < 1.0
    assert orchestrator.returncode == 143
    assert "Traceback" not in output
    assert wait_for(lambda: not any(is_alive(role) for role in roles.values())) < 2.0
