"""What all tests share: one thread for each process, a cache of their own, the root, and who needs a GPU."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

for _pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")  # Before a test imports numpy or torch, which read it.

settings.register_profile("spreeze", derandomize=True, deadline=None, database=None)
settings.load_profile("spreeze")


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the session: no test reads or writes the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPREEZE_CACHE", str(folder))
        yield folder


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests marked `gpu` out of the collection where there is no GPU."""
    need_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if need_gpu and not _has_gpu():
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]
        config.hook.pytest_deselected(items=need_gpu)
