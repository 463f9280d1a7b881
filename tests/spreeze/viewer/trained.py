"""Small real runs to look at: finished ones, and ones under way."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from spreeze.cli import main
from spreeze.run_folder import read_summary

TINY = (
    *(
        "--algo",
        "sac",
        "--serial",
        "--hidden",
        "16",
        "16",
        "--warmup",
        "100",
        "--capacity",
        "2000",
        "--batch-size",
        "32",
    ),
    *("--envs-per-sampler", "4", "--replay-ratio", "8", "--evaluation-episodes", "1", "--visualize", "none"),
)
"""Options of a run that needs next to nothing."""
UNTIL_TOLD = (
    *("--algo", "tests.faults.plugins:ALGORITHM", "--evaluate", "--steps", "100000000"),
    *("--samplers", "1", "--envs-per-sampler", "4", "--batch-size", "32", "--replay-ratio", "8", "--tune", "off"),
    *("--evaluation-episodes", "1", "--checkpoint-every", "2"),
)
"""Options of a run that ends when a file appears."""
LIMIT_S = 300.0
"""For whatever a test waits for, on a machine that is busy."""


def train(folder: Path, env: str, steps: int = 400) -> Path:
    """A finished run with a checkpoint and a best policy."""
    words = ["run", *TINY, "--env", env, "--out", str(folder), "--steps", str(steps)]
    assert main([*words, "--evaluate-every-steps", "200", "--checkpoint-every-steps", "200"]) == 0
    return folder


class Running:
    """A run in processes of its own, to its regular end."""

    def __init__(self, folder: Path, env: str, *options: str, path: str) -> None:
        self.folder, self._end = folder, folder.with_suffix(".end")
        words = ["run", *UNTIL_TOLD, "--env", env, "--end", str(self._end), "--out", str(folder), *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spreeze", *words],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def log(self) -> str:
        """What the run has said."""
        file = self.folder / "log.txt"
        return file.read_text() if file.exists() else ""

    def hear(self, pattern: str) -> str:
        """Wait until the run says something; return it."""
        deadline = time.monotonic() + LIMIT_S
        while not (found := re.search(pattern, self.log)):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.1)
        return found[0]

    def await_checkpoint(self) -> None:
        """Wait until there is one."""
        deadline = time.monotonic() + LIMIT_S
        while not list(self.folder.glob("checkpoints/checkpoint-*")):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.1)

    def finish(self) -> None:
        """Have it end, and check that it does so unhurt."""
        assert self.process.poll() is None, self.log
        self._end.touch()
        assert self.process.wait(LIMIT_S) == 0, self.log
        summary = read_summary(self.folder)
        assert summary["exit_reason"] == "finished" and not any(summary["restarts"].values()), self.log

    def close(self) -> None:
        """End it whatever has happened."""
        self.process.kill()
        self.process.wait()
