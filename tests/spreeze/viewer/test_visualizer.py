"""`--visualize browser`: runs whose visualizer shows the newest policy, or cannot, and finish all the same."""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from spreeze.run_folder import read_summary
from tests.spreeze.viewer.trained import TINY
from tests.spreeze.viewer.viewing import look

SHOWN = re.compile(r"visualizer: the newest policy is shown at (http://127\.0\.0\.1:\d+/)")


def command(folder: Path, env: str, *options: str) -> list[str]:
    words = [word for word in TINY if word != "--serial"]
    own = ["--env", env, "--samplers", "1", "--tune", "off", "--visualize", "browser", "--out", str(folder)]
    return [sys.executable, "-m", "spreeze", "run", *words, *own, *options]


def finish(words: list[str], folder: Path, path: str) -> str:
    """Run a command to its regular end with this PYTHONPATH; return its log."""
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, capture_output=True, timeout=120, check=False)
    log = (folder / "log.txt").read_text()
    assert done.returncode == 0 and read_summary(folder)["exit_reason"] == "finished", log
    assert not any(read_summary(folder)["restarts"].values())
    return log


def test_the_newest_policy_is_shown_while_the_run_learns(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "run"
    words = command(folder, "halfcheetah", "--seconds", "25")
    with subprocess.Popen(
        words, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        found = next(found for line in run.stdout if (found := SHOWN.search(line)))
        with urllib.request.urlopen(found[1], timeout=10) as page:
            assert b"<html" in page.read()
        seen = look(found[1], 5.0)
        run.stdout.read()
        assert run.wait(60) == 0
    assert seen.frames > 20 and "live, update" in seen.texts and "running" in seen.texts
    assert read_summary(folder)["exit_reason"] == "finished"


def test_a_missing_library_is_said_and_the_run_goes_on(tmp_path: Path, root: Path) -> None:
    (tmp_path / "viser.py").write_text("raise ImportError('no such library here')")
    folder = tmp_path / "run"
    log = finish(command(folder, "pendulum", "--seconds", "12"), folder, f"{tmp_path}{os.pathsep}{root}")
    assert log.count("visualizer: no viewer: ImportError: no such library here") == 1


def test_an_environment_that_cannot_be_drawn_is_said_and_the_run_goes_on(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "run"
    log = finish(command(folder, "tests.contract.environments:LINE", "--seconds", "12"), folder, str(root))
    assert "visualizer: no viewer: " in log


def test_a_port_that_does_not_exist_is_said_and_the_run_goes_on(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "run"
    log = finish(command(folder, "pendulum", "--seconds", "12", "--viewer-port", "65536"), folder, str(root))
    assert "visualizer: no viewer: SpreezeError: no port from 65536 on is free" in log
