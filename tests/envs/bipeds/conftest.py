"""What tests of bipeds share beside their models."""

from collections.abc import Iterator

import pytest

from spreeze.compiling import DISABLE
from spreeze.envs.bipeds import _native


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is made is made of NumPy."""
    monkeypatch.setenv(DISABLE, "1")
    _native.library.cache_clear()
    yield
    _native.library.cache_clear()
