"""Environments that take their process along, one way after the other: told, and the run gets through."""

from pathlib import Path

import pytest

from spreeze import supervisor
from spreeze.cli import main
from tests.faults.scene import Scene

ENDS = ("segfault", "exit", "leave", "raise", "hang")


def test_a_run_gets_through_every_way_in_which_an_environment_can_end_its_process(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "BEAT_LIMIT_S", 5.0)
    monkeypatch.setattr(supervisor, "MAX_FAILURES", len(ENDS) + 1)
    lives = tmp_path / "lives"
    lives.mkdir()
    words = scene.words("--lives", str(lives), "--ends", *ENDS, "--steps", "300")
    assert main(words) == 0
    output = capsys.readouterr().out
    for told in ("was killed by SIGSEGV; its stacks", "exit code 7", "the motor burned out", "gives no sign of life"):
        assert told in output
    log = (scene.folder / "log.txt").read_text()
    assert "Segmentation fault" in log and "_end_this_life" in log, "the stack of the crash"
    assert scene.summary["exit_reason"] == "finished"
    assert scene.summary["restarts"] == {"sampler-0": len(ENDS)}
    scene.assert_clean()
