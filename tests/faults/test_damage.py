"""Checkpoints that were damaged at random: noticed every time, and the one before is used."""

import random
from pathlib import Path

import pytest

from spreeze.checkpoint import Checkpoints
from spreeze.cli import main
from tests.faults.damage import harm_one
from tests.faults.scene import TINY

TIMES = 120


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Two checkpoints of a serial run."""
    folder = tmp_path_factory.mktemp("damage") / "run"
    serial = ("--serial", "--steps", "600", "--checkpoint-every-steps", "300", "--evaluate")
    assert main(["run", *TINY, *serial, "--out", str(folder)]) == 0
    made = Checkpoints(folder / "checkpoints")
    assert len(made.all()) == 2
    return made


def files_of(folder: Path) -> list[Path]:
    """Every file that a checkpoint of its own consists of."""
    return sorted(path for path in folder.iterdir() if path.stat().st_size)


def test_whatever_is_damaged_is_noticed_and_the_checkpoint_before_is_used(checkpoints: Checkpoints) -> None:
    rng, (before, newest) = random.Random(0), checkpoints.all()
    for _ in range(TIMES):
        path, held, how = harm_one(files_of(newest), rng)
        damaged: list[str] = []
        found = checkpoints.newest_intact(damaged)
        assert found is not None and found.folder == before, f"{how} {path.name}"
        assert newest.name in damaged[0]
        path.write_bytes(held)
    whole = checkpoints.newest_intact()
    assert whole is not None and whole.folder == newest


def test_damage_to_the_rows_of_stores_is_noticed(checkpoints: Checkpoints) -> None:
    rng, newest = random.Random(1), checkpoints.newest_intact()
    assert newest is not None
    rows = [entry["file"] for store in newest.manifest["stores"].values() for entry in store["files"]]
    for _ in range(TIMES // 4):
        path, held, how = harm_one([checkpoints.folder / "stores" / name for name in rows], rng)
        damaged: list[str] = []
        checkpoints.newest_intact(damaged)
        assert damaged and newest.folder.name in damaged[0], f"{how} {path.name}"
        path.write_bytes(held)
