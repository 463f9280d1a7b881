"""A file that hostile files point to, and the eye on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.envs.datasets.hostile import Watched
from tests.envs.datasets.made_datasets import d4rl_at


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file next to the hostile ones: valid HDF5 that holds the very rows a link would ask for."""
    return d4rl_at(tmp_path / "secret.hdf5")


@pytest.fixture
def watched(secret: Path) -> Iterator[Watched]:
    """The kernel's eye on it."""
    watch = Watched(secret)
    yield watch
    watch.close()
