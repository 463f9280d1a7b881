"""What a run with every feature on shows to others: nothing beyond this machine, nothing to other users, no secret."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.scene import DAWDLING, LIMIT_S, Scene, wait_for

ROLES = ("sampler-0", "learner", "evaluator", "visualizer")
SECRETS = {"WANDB_API_KEY": "0123456789abcdef" * 2, "SOME_TOKEN": "tkn-71c0ffee", "AWS_SECRET_ACCESS_KEY": "s3cr3t/71"}
LOOPBACK = ("127.0.0.1", "::1")
STRANGER = 65534
LOOK = f"import os, sys; os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER}); os.listdir(sys.argv[1])"


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user whose files anybody may read, and whose environment holds secrets."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0)
    yield
    os.umask(before)


def listeners(pid: int) -> list[str]:
    """The addresses at which a process and its descendants listen."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    found = [connection for process in processes for connection in process.net_connections("inet")]
    return [c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN or c.type.name == "SOCK_DGRAM"]


def open_to_others(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o077]


def test_a_run_with_every_feature_on_shows_nothing_to_others(scene: Scene, careless: None) -> None:
    words = scene.words(*DAWDLING, "--evaluate", "--checkpoint-every", "0.5")
    words[words.index("none")] = "browser"
    orchestrator = scene.start(words)
    scene.await_roles(ROLES)
    wait_for(lambda: scene.checkpoints and listeners(scene.owner))
    assert set(listeners(scene.owner)) <= set(LOOPBACK)
    [runtime] = scene.runtime.iterdir()
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    if os.getuid() == 0:
        denied = subprocess.run([sys.executable, "-I", "-c", LOOK, runtime], capture_output=True, text=True)
        assert "PermissionError" in denied.stderr
    scene.interrupt(signal.SIGTERM)
    output, _ = orchestrator.communicate(timeout=LIMIT_S)
    assert orchestrator.returncode == 143
    assert open_to_others(scene.folder) == [] and scene.folder.stat().st_mode & 0o077 == 0
    written = output.encode() + b"".join(path.read_bytes() for path in scene.folder.rglob("*") if path.is_file())
    assert [name for name, value in SECRETS.items() if value.encode() in written] == []
    scene.assert_clean()
