"""A disk that takes nothing more, for a while or for good: nothing that was saved is lost, and nobody dies of it."""

import resource
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from spreeze.checkpoint import Checkpoints
from spreeze.transport.counters import UPDATES
from tests.faults.scene import DAWDLING, LIMIT_S, Scene, wait_for

ROLES = ("sampler-0", "learner", "evaluator")
SAVING = ("--checkpoint-every", "0.3", "--evaluate", "--evaluate-every", "0.3")
FULL, FREE = 0, resource.RLIM_INFINITY


def fill(scene: Scene, size: int) -> None:
    """Let no process of the run make a file larger than `size`, or again any."""
    for process in (psutil.Process(scene.owner), *scene.roles().values()):
        process.rlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def newest_loads(scene: Scene) -> bool:
    found = Checkpoints(scene.folder / "checkpoints").newest_intact()
    return found is not None and found.folder.name == scene.checkpoints[-1]


def fill_and_free(scene: Scene) -> None:
    """Fill the disk under a run, see that it learns on, and make room again."""
    counters = scene.await_roles(ROLES)
    wait_for(lambda: bool(scene.checkpoints))
    fill(scene, FULL)
    time.sleep(1.5)  # What was under way may still have had a place.
    saved, updates = scene.checkpoints, int(counters.row("learner")[UPDATES])
    wait_for(lambda: counters.row("learner")[UPDATES] > updates + 10)
    time.sleep(1.0)
    assert scene.checkpoints == saved and newest_loads(scene)
    fill(scene, FREE)
    wait_for(lambda: scene.checkpoints[-1] > saved[-1])


def test_a_run_goes_on_while_the_disk_is_full_and_says_if_the_last_save_failed(
    scene: Scene,
) -> None:
    orchestrator = scene.start(scene.words(*DAWDLING, *SAVING))
    fill_and_free(scene)
    fill(scene, FULL)
    time.sleep(1.5)
    saved = scene.checkpoints
    scene.interrupt(signal.SIGTERM)
    output, _ = orchestrator.communicate(timeout=LIMIT_S)
    assert orchestrator.returncode == 5
    assert "the last checkpoint could not be written" in output
    assert 1 <= output.count("; the previous checkpoint stands") <= 4, "it is told, and not every time"
    assert "Traceback" not in output and "restarting" not in output
    assert scene.checkpoints == saved and newest_loads(scene)
    scene.assert_clean()


def on_a_small_disk(folder: Path, size: str, options: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command where `folder` is a file system of that size; skip the test where that is not allowed."""
    folder.mkdir()
    mount = f'mount -t tmpfs -o size={size}{options} none "$0" || exit 99; exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, str(folder), *command], capture_output=True, text=True, timeout=LIMIT_S
    )
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip("no file system may be mounted here")
    return done


@pytest.mark.parametrize(("size", "options"), [("4k", ""), ("1m", ",ro")])
def test_a_disk_without_room_is_refused_before_anything_is_started(
    size: str, options: str, scene: Scene, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    done = on_a_small_disk(disk, size, options, scene.command(["run", "--env", "pendulum", "--out", str(disk / "run")]))
    assert done.returncode in (2, 5)
    assert "cannot write to the run folder" in done.stderr or "the disk takes nothing more" in done.stderr
    assert "Traceback" not in done.stderr
    scene.assert_clean()
