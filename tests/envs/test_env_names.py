"""Which names environments answer to."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spreeze.envs import SHORT_NAMES, environment, gymnasium_id, sparse, summaries, terrain
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.envs.bipeds import BIPEDS
from spreeze.errors import UnknownName, UsageError
from spreeze.spaces import probe


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_short_name_makes_an_environment_that_steps(name: str) -> None:
    observation, _ = probe(environment(name), GymnasiumOptions())
    assert observation.shape is not None
    assert gymnasium_id(name) == SHORT_NAMES[name]


def test_an_installed_id_is_its_own_name() -> None:
    assert gymnasium_id("FrozenLake-v1") == "FrozenLake-v1"
    envs = environment("FrozenLake-v1").make_vector(GymnasiumOptions(), 2, 0)
    assert envs.reset().shape == (2,)
    assert envs.step(np.zeros(2, np.int64)).observation.dtype == np.int64


def test_a_module_may_be_named_before_the_id() -> None:
    assert gymnasium_id("tests.envs.faulty:test/choices-v0") == "tests.envs.faulty:test/choices-v0"


@pytest.mark.parametrize(
    ("typo", "nearest"),
    [
        ("hoper", "hopper"),
        ("HalfCheetah", "halfcheetah"),
        ("inverted-pendulun", "inverted-pendulum"),
        ("FrozenLak-v1", "FrozenLake-v1"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(typo: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=f"no environment '{typo}'; did you mean '{nearest}'"):
        environment(typo)


def test_what_is_available_is_listed_briefly() -> None:
    with pytest.raises(UnknownName) as caught:
        environment("tetris")
    assert "hopper" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(UsageError, match="cannot import 'no_such_module'"):
        environment("no_such_module:Game-v0")


def test_summaries_cover_the_short_names_without_a_simulator(root: Path) -> None:
    assert summaries().keys() == {*SHORT_NAMES, *sparse.SUMMARIES, *terrain.SUMMARIES, *BIPEDS}
    code = "import sys; from spreeze.envs import summaries; summaries(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert not {"gymnasium", "mujoco", "torch", "numpy"} & set(done.stdout.split())


def test_the_folder_cannot_be_imported_as_a_package_of_its_own(root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import envs"], cwd=root, capture_output=True, text=True, timeout=60)
    assert "import spreeze.envs, not envs" in done.stderr
