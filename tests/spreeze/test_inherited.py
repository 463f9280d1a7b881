"""What a stage leaves to the next: kept whole, and believed only as it was written."""

import random
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from spreeze.errors import CheckpointError
from spreeze.inherited import check_inherited, inherited_bundles, inherited_file, keep_inherited

FIRST, SECOND = {"model/weight": np.arange(200.0)}, {"policy/bias": np.ones((3, 4), np.float32)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a run whose first two stages are over."""
    made = inherited_file(tmp_path)
    made.parent.mkdir()
    keep_inherited(made, FIRST)
    keep_inherited(made, SECOND)
    return made


def test_bundles_of_all_stages_are_there_by_name(file: Path) -> None:
    check_inherited(file)
    bundles = inherited_bundles(str(file))
    assert (bundles["model"]["weight"].numpy() == FIRST["model/weight"]).all()
    assert (bundles["policy"]["bias"].numpy() == SECOND["policy/bias"]).all()


def test_any_changed_bit_of_the_arrays_is_noticed(file: Path) -> None:
    held, rng = file.read_bytes(), random.Random(0)
    begin = 8 + int.from_bytes(held[:8], "little")
    for _ in range(50):
        data = bytearray(held)
        data[rng.randrange(begin, len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        with pytest.raises(CheckpointError, match="is damaged, which holds what earlier stages left"):
            check_inherited(file)


def test_a_file_that_is_cut_off_or_gone_is_told(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="is damaged"):
        check_inherited(file)
    file.unlink()
    with pytest.raises(CheckpointError, match="is gone"):
        check_inherited(file)


def test_a_file_without_a_digest_is_that_of_an_earlier_version(file: Path) -> None:
    save_file(FIRST, file)
    check_inherited(file)


def test_what_cannot_be_written_leaves_what_was_there(file: Path) -> None:
    held = file.read_bytes()
    file.with_suffix(".part").mkdir()
    with pytest.raises((CheckpointError, OSError)):
        keep_inherited(file, SECOND)
    assert file.read_bytes() == held
