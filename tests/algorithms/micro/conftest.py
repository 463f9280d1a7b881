"""Every test has a cache of its own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that $SPREEZE_CACHE names; it is not there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SPREEZE_CACHE", str(folder))
    return folder
