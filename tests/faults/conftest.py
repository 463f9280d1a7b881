"""A scene for every test: its own run folder, its own place for sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import Scene, staged
from tests.warm import template


@pytest.fixture
def scene(root: Path, tmp_path: Path) -> Iterator[Scene]:
    """A folder for one run; whatever of it is still alive at the end of the test is ended."""
    template()  # What it opens is nothing of the run's.
    with staged(root, tmp_path) as made:
        yield made
