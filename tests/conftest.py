"""What all tests share: one thread for each process, a cache, the root, whose turn it is, and who needs a GPU."""

import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from spreeze import forkserver
from tests.warm import FRESH, template

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


@pytest.fixture(scope="session", autouse=True)
def warm(cache: Path) -> Iterator[None]:
    """Spare runs in the test process the seconds of their imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forkserver, "launch", lambda *words: template().launch(*words))
        yield
    if template.cache_info().currsize:
        template().close()


@pytest.fixture(scope="module")
def cold() -> Iterator[None]:
    """Have runs of this module import what they need, as those of users do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forkserver, "launch", FRESH)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test marked `alone` run while no other test of this checkout does, in whatever process."""
    alone = item.get_closest_marker("alone") is not None
    with open(__file__) as turn:
        fcntl.flock(turn, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            return (yield)
        finally:
            fcntl.flock(turn, fcntl.LOCK_UN)  # Children that a test leaves behind have the file, too.


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests marked `gpu` out of the collection where there is no GPU."""
    need_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if need_gpu and not _has_gpu():
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]
        config.hook.pytest_deselected(items=need_gpu)
