"""kill -9 of a learner that keeps its stores on a device: they are made anew, and so are its draws."""

from spreeze.roles.learner import DRAWS
from spreeze.transport.counters import BEAT, INCARNATION, ROWS, TAKEN, UPDATES
from tests.faults.scene import DAWDLING, Scene, wait_for

ROLES = ("sampler-0", "learner")
OPTIONS = ("--stores", "device", "--devices", "cpu", "--updates-per-call", "3", "--checkpoint-every", "0.3")


def kill_the_learner(scene: Scene) -> None:
    """Kill it twice, each time after a checkpoint, and end the run when it has gone on."""
    counters = scene.await_roles(ROLES)
    learner = counters.row("learner")
    for incarnation in (2, 3):
        known = len(scene.checkpoints) and scene.checkpoints[-1]
        wait_for(lambda known=known: scene.checkpoints and scene.checkpoints[-1] != known)  # type: ignore[misc]
        scene.roles()["learner"].kill()
        wait_for(lambda now=incarnation: learner[INCARNATION] == now and learner[BEAT] > 0)  # type: ignore[misc]
        made = int(learner[UPDATES])
        wait_for(lambda made=made: learner[UPDATES] > made + 6)  # type: ignore[misc]
        assert learner[ROWS] == 32 * learner[UPDATES] and learner[TAKEN] > 0
    (scene.folder.parent / "end").touch()


def test_a_learner_that_is_killed_beside_its_rings_goes_on_from_the_last_checkpoint(scene: Scene) -> None:
    words = scene.words(*DAWDLING, *OPTIONS, "--end", str(scene.folder.parent / "end"))
    assert scene.play(words, lambda: kill_the_learner(scene)) == 0
    summary = scene.summary
    assert summary["exit_reason"] == "finished"
    assert summary["restarts"] == {"learner": 2}
    assert (scene.folder / "checkpoints" / scene.checkpoints[-1] / DRAWS).exists()
    scene.assert_clean()
