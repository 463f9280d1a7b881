"""The final weights are measured, however long that takes, while the evaluator gives signs of life."""

import pytest

from spreeze import processes
from tests.faults.scene import Scene

SHORT = ("--steps", "200", "--evaluate", "--evaluate-every", "1000", "--dawdle-s", "0.02")


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second without a sign of life is enough."""
    monkeypatch.setattr(processes, "EVALUATION_LIMIT_S", 1.0)


def test_a_last_evaluation_that_takes_long_is_waited_for(scene: Scene) -> None:
    assert scene.play(scene.words(*SHORT)) == 0
    [last] = scene.summary["evaluations"]
    assert last["updates"] == scene.summary["updates"] > 0
    assert last["lengths"] == [200], "four seconds of steps"
    scene.assert_clean()


def test_an_evaluator_that_gives_no_sign_of_life_is_not_waited_for(scene: Scene) -> None:
    assert scene.play(scene.words(*SHORT, "--evaluation-s", "60")) == 0
    assert scene.summary["evaluations"] == []
    assert "the final weights were not evaluated" in (scene.folder / "log.txt").read_text()
    scene.assert_clean()
