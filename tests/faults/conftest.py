"""A scene for every test: its own run folder, its own place for sockets."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import Scene


@pytest.fixture
def scene(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A folder for one run; whatever of it is still alive at the end of the test is ended."""
    with tempfile.TemporaryDirectory(prefix="faults-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setenv("PYTHONPATH", str(root))
        before = os.umask(0o077)
        made = Scene(tmp_path / f"run-{Path(runtime).name}", Path(runtime))
        yield made
        os.umask(before)
        made.close()
