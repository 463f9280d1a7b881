"""Roles that stop without dying, under a wall clock that jumps: noticed, restarted, and nobody accused in vain."""

import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from spreeze.transport.counters import BEAT, ENV_STEPS, INCARNATION, UPDATES
from tests.faults.scene import LIMIT_S, Scene, wait_for

pytestmark = pytest.mark.alone

ROLES = ("sampler-0", "learner")
SLACK = 1000
"""Environment steps by which a sampler may be ahead of a learner that stands still: two batches and two blocks."""


@pytest.fixture
def jumping_clock(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process that is started from here on reads a wall clock that jumps to and fro by two hours."""
    compiler, library = shutil.which("cc"), tmp_path / "clock.so"
    if compiler is None:
        pytest.skip("needs a C compiler")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, root / "tests/faults/clock.c", "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))


def rest_and_stop(scene: Scene) -> psutil.Process:
    """Have the learner rest for a moment, and the sampler stop for good; return the sampler that was stopped."""
    counters, roles = scene.await_roles(ROLES), scene.roles()
    sampler, learner = counters.row("sampler-0"), counters.row("learner")
    wait_for(lambda: learner[UPDATES] > 50)

    roles["learner"].suspend()
    before = int(sampler[ENV_STEPS])
    time.sleep(1.5)
    waiting = int(sampler[ENV_STEPS])
    roles["learner"].resume()
    made = int(learner[UPDATES])
    assert waiting - before < SLACK, "the sampler waits"
    wait_for(lambda: learner[UPDATES] > made + 20)

    roles["sampler-0"].suspend()
    begin, moment = time.monotonic(), time.monotonic_ns()
    wait_for(lambda: sampler[INCARNATION] == 2 and sampler[BEAT] > moment)
    assert time.monotonic() - begin > 3.0, "a short rest is forgiven"
    made = int(learner[UPDATES])
    wait_for(lambda: learner[UPDATES] > made + 20)
    return roles["sampler-0"]


@pytest.mark.usefixtures("jumping_clock")
def test_a_learner_that_rests_holds_the_sampler_and_a_stopped_sampler_is_restarted(scene: Scene) -> None:
    orchestrator = scene.start(scene.words("--dawdle-s", "0.002", "--steps", "1000000"))
    stopped = rest_and_stop(scene)
    scene.interrupt()
    output, _ = orchestrator.communicate(timeout=LIMIT_S)
    assert orchestrator.returncode == 130
    assert f"sampler-0 (process {stopped.pid}) was stopped by a signal" in output
    assert "most recent call first" in (scene.folder / "log.txt").read_text(), "its stacks"
    assert scene.summary["restarts"] == {"sampler-0": 1}
    assert 0 < scene.summary["wall_seconds"] < 600
    scene.assert_clean()
