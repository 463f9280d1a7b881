"""Signals at bad moments, and what nobody could clear away: found by `spreeze doctor`, and removed on request."""

import signal
from pathlib import Path

import pytest

from spreeze.checkpoint import Checkpoints
from spreeze.cli import main
from tests.faults.scene import DAWDLING, LIMIT_S, Scene, is_alive, wait_for

ROLES = ("sampler-0", "learner")


SLOWLY = [pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGHUP, signal.SIGINT)]


@pytest.mark.parametrize("number", [signal.SIGTERM, *SLOWLY])
def test_a_signal_before_anything_is_started_ends_the_command_and_leaves_nothing(
    number: signal.Signals, scene: Scene
) -> None:
    orchestrator = scene.start(scene.words())
    wait_for(lambda: (scene.folder / ".lock").exists())
    scene.interrupt(number)
    output, _ = orchestrator.communicate(timeout=LIMIT_S)
    assert orchestrator.returncode == 128 + number
    assert f"stopped by {number.name} before the run began" in output and "Traceback" not in output
    assert not scene.folder.exists()
    scene.assert_clean()


def test_a_dropped_connection_while_a_checkpoint_is_written_costs_nothing(scene: Scene) -> None:
    orchestrator = scene.start(scene.words(*DAWDLING, "--checkpoint-every", "0.2"))
    scene.await_roles(ROLES)
    wait_for(lambda: scene.checkpoints and list(scene.folder.glob("checkpoints/.checkpoint-*")))
    scene.interrupt(signal.SIGHUP)
    orchestrator.communicate(timeout=LIMIT_S)
    assert orchestrator.returncode == 128 + signal.SIGHUP
    assert Checkpoints(scene.folder / "checkpoints").newest_intact() is not None
    assert scene.summary["exit_reason"] == "Interrupted: SIGHUP"
    scene.assert_clean()


def test_what_a_run_leaves_whose_every_process_was_killed_is_cleared_by_the_doctor(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scene.folder = tmp_path / "runs" / scene.folder.name
    orchestrator = scene.start(scene.words(*DAWDLING, "--checkpoint-every", "0.5"))
    scene.await_roles(ROLES)
    wait_for(lambda: bool(scene.checkpoints))
    assert main(["doctor", "--clear"]) == 0
    assert capsys.readouterr().out == "nothing was left behind\n", "a run under way is left alone"
    roles = scene.roles().values()
    orchestrator.kill()
    for role in roles:
        role.kill()
    orchestrator.communicate()
    assert wait_for(lambda: not any(is_alive(role) for role in roles)) < 2.0
    (scene.folder / "checkpoints" / ".checkpoint-00009999").mkdir()
    [sockets] = scene.runtime.iterdir()
    assert main(["doctor", "--clear"]) == 0
    output = capsys.readouterr().out
    assert f"removed {sockets}" in output and ".checkpoint-00009999" in output
    assert Checkpoints(scene.folder / "checkpoints").newest_intact() is not None
    scene.assert_clean()
