"""Numbers that are not finite, wherever they come from: caught within a step, named, and never kept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from spreeze.checkpoint import Checkpoints
from spreeze.cli import main
from spreeze.contract import Block
from spreeze.errors import LearnerFault
from spreeze.means import MetricMeans
from spreeze.transport.lane import LaneWriter
from tests.faults.scene import Scene

SERIAL = ("--serial", "--checkpoint-every-steps", "200", "--evaluate-every-steps", "100000", "--steps", "1000000")
LIVING = 4


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[Block]:
    """Every block that was let into a store, looked at as it is written."""
    blocks, write = list[Block](), LaneWriter.write

    def note(writer: LaneWriter, block: Block) -> None:
        blocks.append(block)
        assert all(np.isfinite(values).all() for values in block.fields.values())
        write(writer, block)

    monkeypatch.setattr(LaneWriter, "write", note)
    return blocks


def assert_nothing_is_kept(folder: Path) -> None:
    """No checkpoint holds a number that is not finite, and the newest is whole."""
    for file in folder.rglob("*.safetensors"):
        for name, array in load_file(file).items():
            assert array.dtype.kind != "f" or np.isfinite(array).all(), f"{name} of {file.name}"
    assert Checkpoints(folder / "checkpoints").newest_intact() is not None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--spoil", "observation"), "observation of environment 3 is"),
        (("--spoil", "observation", "--spoil-with", "inf"), "observation of environment 3 is"),
        (("--spoil", "reward"), "the reward of environment 3 is nan"),
        (("--spoil", "reward", "--spoil-with", "-inf"), "the reward of environment 3 is -inf"),
    ],
)
def test_an_environment_that_checks_nothing_itself_gets_nothing_into_a_store(
    options: Sequence[str], complaint: str, scene: Scene, stored: list[Block], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(scene.words(*SERIAL, "--spoil-at", "160", *options)) == 3
    error = capsys.readouterr().err
    assert complaint in error and "store 'replay' takes finite numbers only" in error
    assert 0 <= 160 * LIVING - sum(len(block.valid) * LIVING for block in stored) <= 8 * LIVING, "at once"
    assert_nothing_is_kept(scene.folder)
    scene.assert_clean()


def test_an_action_that_is_nan_reaches_no_store(
    scene: Scene, stored: list[Block], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(scene.words(*SERIAL, "--nan-action-at", "160")) == 3
    assert "action" in capsys.readouterr().err
    assert sum(len(block.valid) for block in stored) <= 160
    assert_nothing_is_kept(scene.folder)
    scene.assert_clean()


@pytest.mark.parametrize("place", ["weights", "loss", "gradient"])
def test_a_learner_that_turns_nan_is_caught_in_that_very_update(
    place: str, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(scene.words(*SERIAL, "--nan-at", "60", "--nan-in", place)) == 4
    error = capsys.readouterr().err
    assert "NaN or infinity in loss/" in error and "of update 60" in error
    assert_nothing_is_kept(scene.folder)
    scene.assert_clean()


def test_a_state_that_is_nan_beside_sound_weights_is_not_saved(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(scene.words(*SERIAL, "--nan-at", "60", "--nan-in", "state")) == 4
    assert "NaN in optimizer/0.exp_avg of part critic after update" in capsys.readouterr().err
    assert_nothing_is_kept(scene.folder)
    scene.assert_clean()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_metric_that_is_not_finite_is_named_when_it_is_accounted(value: float) -> None:
    means = MetricMeans()
    means.add({"loss/critic": 1.0})
    with pytest.raises(LearnerFault, match="NaN or infinity in loss/actor"):
        means.add({"loss/critic": 1.0, "loss/actor": value})
