"""Faults that end a run or a file: each drill makes what it harms, harms it, and looks at what is left."""

import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from spreeze.checkpoint import Checkpoints
from spreeze.leftovers import remove
from spreeze.runtime import left_behind
from tests.faults.damage import harm_one
from tests.faults.plan import ENDS, FaultPlan, Outcome
from tests.faults.scene import DAWDLING, LIMIT_S, TINY, Scene, is_alive, wait_for
from tests.faults.session import clean_failure, failure_of

Drill = Callable[[FaultPlan, Scene], Outcome]
SAC_ROLES = ("sampler-0", "learner")
START_S, RUN_S = 6.0, 4.0
"""In which a signal comes at random: the start of a command, or the time after its roles work."""
SERIAL = ("--serial", "--checkpoint-every-steps", "200", "--steps", "1000000")
NOT_FINITE: Mapping[str, tuple[tuple[str, ...], int]] = {
    "observation": (("--spoil", "observation"), 3),
    "reward": (("--spoil", "reward"), 3),
    "action": (("--nan-action-at",), 3),
    **{place: (("--nan-in", place, "--nan-at"), 4) for place in ("loss", "gradient", "weights", "state")},
}
"""Options that make something not finite, to which the moment is added, and the exit code of the run."""
WRITER = """
import sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from spreeze.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    staging = checkpoints.begin()
    for name in ("part-critic", "part-actor"):
        save_file({"number": np.full(200_000, 1.0)}, staging / f"{name}.safetensors")
    checkpoints.commit(staging, {"stores": {}})
"""
"""Saves without end."""


def newest_is_intact(scene: Scene) -> bool:
    """Whether the newest checkpoint loads; a run that has none has nothing to lose."""
    found = Checkpoints(scene.folder / "checkpoints").newest_intact()
    return not scene.checkpoints or (found is not None and found.folder.name == scene.checkpoints[-1])


def killed(plan: FaultPlan, scene: Scene) -> Outcome:
    """Kill the orchestrator, or every process at once, at a random moment of a running run or of its saving."""
    saving = plan.what == "kill while saving"
    process = scene.start(scene.words(*DAWDLING, "--checkpoint-every", "0.1" if saving else "1"))
    scene.await_roles(SAC_ROLES)
    rng = plan.random()
    if saving:
        wait_for(lambda: list(scene.folder.glob("checkpoints/.checkpoint-*")))
    time.sleep(rng.uniform(0, 0.1 if saving else RUN_S))
    roles = list(scene.roles().values())
    for victim in (process, *(roles if plan.who == "everything" else ())):
        victim.kill()
    process.communicate()
    over = wait_for(lambda: not any(is_alive(role) for role in roles))
    remove(list(left_behind(scene.runtime)))
    wrong = failure_of(lambda: over < 2.0, lambda: newest_is_intact(scene))
    return Outcome(wrong or clean_failure(scene), over)


def signalled(plan: FaultPlan, scene: Scene) -> Outcome:
    """Send a signal at a random moment: of every two, one comes while the command starts, one later."""
    number, rng = signal.Signals[plan.what], plan.random()
    process = scene.start(scene.words(*DAWDLING, "--checkpoint-every", "0.3"))
    if plan.trial % 2:
        time.sleep(rng.uniform(0.5, START_S))
    else:
        scene.await_roles(SAC_ROLES)
        time.sleep(rng.uniform(0, RUN_S))
    begin = scene.interrupt(number)
    output, _ = process.communicate(timeout=LIMIT_S)
    took = time.monotonic() - begin
    early = not scene.folder.exists()  # Before the command could hear signals, the system's default is its end.
    wrong = failure_of(
        lambda: process.returncode in (128 + number, *((-number,) if early else ())),
        lambda: took < 10.0,
        lambda: early or "Traceback" not in output,
        lambda: newest_is_intact(scene),
    )
    return Outcome(wrong or clean_failure(scene), took)


def writer_killed(plan: FaultPlan, scene: Scene) -> Outcome:
    """Kill a process that does nothing but save, at a random moment."""
    folder = scene.folder / "checkpoints"
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        wait_for(lambda: len(scene.checkpoints) > 1)
        time.sleep(plan.random().uniform(0, 0.2))
        writer.kill()
    return Outcome("" if newest_is_intact(scene) else "the newest checkpoint is damaged")


def damaged(plan: FaultPlan, scene: Scene) -> Outcome:
    """Harm one file of the newest of two checkpoints; it must be noticed, and the one before be used."""
    kept = scene.folder.parent / "to-damage"
    if not kept.exists():
        options = ("--steps", "600", "--checkpoint-every-steps", "300", "--evaluate")
        words = ["run", *TINY, "--serial", *options, "--out", str(kept)]
        subprocess.run(scene.command(words), check=True, stdout=subprocess.DEVNULL, env=scene.environment)
    checkpoints = Checkpoints(kept / "checkpoints")
    before, newest = checkpoints.all()
    rows = {entry["file"] for entry in rows_of(checkpoints)}
    files = [*newest.iterdir(), *(kept / "checkpoints" / "stores" / name for name in rows)]
    path, held, how = harm_one(sorted(file for file in files if file.stat().st_size), plan.random())
    told: list[str] = []
    found = checkpoints.newest_intact(told)
    path.write_bytes(held)
    noticed = bool(told) and (path.parent != newest or (found is not None and found.folder == before))
    return Outcome("" if noticed else f"{how} of {path.name} was not noticed")


def rows_of(checkpoints: Checkpoints) -> list[Mapping[str, str]]:
    """The files of the stores of the newest checkpoint."""
    found = checkpoints.newest_intact()
    assert found is not None
    return [entry for store in found.manifest["stores"].values() for entry in store["files"]]


def not_finite(plan: FaultPlan, scene: Scene) -> Outcome:
    """Have a number become NaN or infinite at a random moment of a serial run."""
    rng, (options, code) = plan.random(), NOT_FINITE[plan.who]
    moment = str(rng.randrange(60, 300))
    value = ("--spoil-with", rng.choice(("nan", "inf", "-inf")), "--spoil-at", moment)
    words = scene.words(*SERIAL, *options, *(value if "--spoil" in options else (moment,)))
    process = scene.start(words)
    output, _ = process.communicate(timeout=2 * LIMIT_S)
    named = {"state": "optimizer", "gradient": "loss", "weights": "loss"}.get(plan.who, plan.who)
    wrong = failure_of(
        lambda: process.returncode == code,
        lambda: named in output,
        lambda: newest_is_intact(scene) and finite(scene.folder),
    )
    return Outcome(wrong or clean_failure(scene))


def finite(folder: Path) -> bool:
    """Whether no file of tensors holds a number that is not finite."""
    import numpy as np
    from safetensors.numpy import load_file

    arrays = [array for file in folder.rglob("*.safetensors") for array in load_file(file).values()]
    return all(array.dtype.kind != "f" or bool(np.isfinite(array).all()) for array in arrays)


def ended_by_environment(plan: FaultPlan, scene: Scene) -> Outcome:
    """Have the environment end its process once; the run must get through."""
    lives = scene.folder.parent / f"lives-{plan.name}"
    lives.mkdir()
    words = scene.words("--lives", str(lives), "--ends", plan.what, "--steps", "1000")
    process, begin = scene.start(words), time.monotonic()
    output, _ = process.communicate(timeout=4 * LIMIT_S)
    wrong = failure_of(
        lambda: process.returncode == 0,
        lambda: scene.summary["restarts"] == {"sampler-0": 1},
        lambda: "sampler-0" in output,
    )
    return Outcome(wrong or clean_failure(scene), time.monotonic() - begin)


def disk_filled(plan: FaultPlan, scene: Scene) -> Outcome:
    """Let nobody write for a while that begins at a random moment; then the run must save again."""
    process = scene.start(scene.words(*DAWDLING, "--checkpoint-every", "0.3"))
    scene.await_roles(SAC_ROLES)
    wait_for(lambda: bool(scene.checkpoints))
    time.sleep(plan.random().uniform(0, 1))
    limit(scene, 0)
    time.sleep(2.0)
    saved, begin = scene.checkpoints, time.monotonic()
    intact = newest_is_intact(scene)
    limit(scene, resource.RLIM_INFINITY)
    wait_for(lambda: scene.checkpoints[-1] > saved[-1])
    took = time.monotonic() - begin
    scene.interrupt()
    output, _ = process.communicate(timeout=LIMIT_S)
    wrong = failure_of(
        lambda: intact, lambda: process.returncode == 130, lambda: "Traceback" not in output, lambda: "save" in output
    )
    return Outcome(wrong or clean_failure(scene), took)


def limit(scene: Scene, size: int) -> None:
    """Let no process of the run make a file larger than `size` bytes."""
    for process in (psutil.Process(scene.owner), *scene.roles().values()):
        process.rlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def drill_of(plan: FaultPlan) -> Drill:
    """What makes a trial, of those that need a run or a file of their own."""
    named: Mapping[str, Drill] = {
        "kill": killed,
        "kill while saving": writer_killed if plan.who == "writer" else killed,
        "damage": damaged,
        "not finite": not_finite,
        "full disk": disk_filled,
        **dict.fromkeys(ENDS, ended_by_environment),
    }
    return named.get(plan.what, signalled)


def clear(scene: Scene) -> None:
    """End what still lives of a trial, and remove its files."""
    scene.close()
    shutil.rmtree(scene.folder, ignore_errors=True)
    shutil.rmtree(scene.runtime, ignore_errors=True)
