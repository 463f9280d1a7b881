"""Runs to look at, trained once."""

import shutil
from pathlib import Path

import pytest

from spreeze.cli import main
from tests.spreeze.viewer.trained import train


@pytest.fixture(scope="session")
def hopper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a MuJoCo environment whose episodes are short; not to be written to."""
    return train(tmp_path_factory.mktemp("hopper") / "run", "hopper")


@pytest.fixture(scope="session")
def cheetah(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a MuJoCo environment whose episodes are long; not to be written to."""
    return train(tmp_path_factory.mktemp("cheetah") / "run", "halfcheetah")


@pytest.fixture(scope="session")
def pendulum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an environment that draws pictures; not to be written to."""
    return train(tmp_path_factory.mktemp("pendulum") / "run", "pendulum")


@pytest.fixture(scope="session")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a biped that walks without having learned it; not to be written to."""
    folder = tmp_path_factory.mktemp("walker") / "run"
    words = ("run", "--algo", "alip_walker", "--env", "rabbit", "--speed", "0", "0", "--serial", "--visualize", "none")
    assert main([*words, "--evaluation-episodes", "1", "--max-episode-steps", "100", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def own(hopper: Path, tmp_path: Path) -> Path:
    """A copy of the hopper's run that may be changed."""
    return Path(shutil.copytree(hopper, tmp_path / "own"))
