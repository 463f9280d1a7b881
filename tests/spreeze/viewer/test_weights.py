"""Policies from the files of a run that may be writing them."""

import json
import shutil
from pathlib import Path

import pytest

from spreeze.checkpoint import Checkpoints, read_manifest, seal
from spreeze.errors import CheckpointError
from spreeze.run_folder import load_settings
from spreeze.viewer.weights import Acting, FileWeights, Which


def weights(run: Path) -> FileWeights:
    return FileWeights.of(run, load_settings(run / "config.yaml"), 0)


def label(run: Path, which: Which = "newest") -> str:
    return weights(run).require(which).label


def change(folder: Path, **entries: object) -> None:
    """Give the manifest of a checkpoint other entries."""
    file = folder / "manifest.json"
    file.write_text(seal(read_manifest(folder) | entries))


def newest_of(run: Path, kind: str) -> Path:
    return Checkpoints(run / "checkpoints", kind).all()[-1]


def name_of(folder: Path) -> str:
    """What a label calls a checkpoint."""
    return f"{folder.name.split('-')[0]} {int(folder.name.split('-')[1])}"


def test_the_newest_is_the_checkpoint_of_the_end(hopper: Path) -> None:
    assert label(hopper).startswith(name_of(newest_of(hopper, "checkpoint")) + ", update ")


def test_the_best_is_the_best_with_its_evaluation(hopper: Path) -> None:
    best = newest_of(hopper, "best")
    mean = json.loads((best / "manifest.json").read_text())["mean_return"]
    assert label(hopper, "best").startswith(name_of(best)) and label(hopper, "best").endswith(f"evaluated {mean:.1f}")


def test_a_best_policy_that_is_later_is_the_newest(own: Path) -> None:
    best = newest_of(own, "best")
    change(best, weight_version=[1, 10**6, 10**6])
    assert label(own).startswith(name_of(best) + ", update 1,000,000")


def test_a_run_can_be_watched_before_its_first_checkpoint(own: Path) -> None:
    for folder in Checkpoints(own / "checkpoints").all():
        shutil.rmtree(folder)
    assert label(own).startswith("best ")


def test_a_damaged_policy_is_passed_over_for_the_one_before(own: Path) -> None:
    for file in newest_of(own, "checkpoint").glob("bundle-*"):
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert not label(own).startswith(name_of(newest_of(own, "checkpoint")))


def test_only_the_policy_is_read(own: Path) -> None:
    shutil.rmtree(own / "checkpoints" / "stores")
    for file in own.glob("checkpoints/*/part-*"):
        file.unlink()
    assert label(own).startswith(name_of(newest_of(own, "checkpoint")))


@pytest.mark.parametrize(
    "entries", [{"format": 99}, {"stage": 7}, {"files": {}}, {"stage": "x"}, {"files": None}, {"before": None}]
)
def test_a_manifest_of_another_kind_is_passed_over(own: Path, entries: dict[str, object]) -> None:
    for folder in Checkpoints(own / "checkpoints").all():
        change(folder, **entries)
    assert label(own).startswith("best ")


def test_nothing_is_read_again_until_there_is_something_else(own: Path) -> None:
    files = weights(own)
    first = files.fetch("newest")
    assert first is not None and files.fetch("newest") is first
    best = newest_of(own, "best")
    shutil.copytree(best, best.with_name("best-00000099"))
    change(best.with_name("best-00000099"), weight_version=[1, 10**6, 10**6])
    second = files.fetch("newest")
    assert isinstance(second, Acting) and second.label.startswith("best 99,")


def test_a_policy_that_the_run_has_removed_goes_on(own: Path) -> None:
    files = weights(own)
    first = files.fetch("newest")
    shutil.rmtree(own / "checkpoints")
    assert first is not None and files.fetch("newest") is first


def test_a_run_without_a_policy_says_what_there_is(own: Path) -> None:
    for file in own.glob("checkpoints/*/bundle-*"):
        file.unlink()
    with pytest.raises(CheckpointError, match=r"no policy.*best-0+\d, .*checkpoint-0.*stores\..*every 15 s"):
        label(own)
    shutil.rmtree(own / "checkpoints")
    with pytest.raises(CheckpointError, match="nothing"):
        label(own)
