"""What broken environments are answered with."""

import re
from typing import Any

import numpy as np
import pytest

from spreeze.environment import VectorEnv
from spreeze.envs import environment
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.envs.vector import episode_seed
from spreeze.errors import EnvironmentFault, UnsupportedSpace, UsageError
from spreeze.spaces import probe
from tests.envs.faulty import BROKEN_STEPS, FAULTY_STEP

MODULE = "tests.envs.faulty"


def name_of(fault: str) -> str:
    return f"{MODULE}:test/{fault}-v0"


def faulty(fault: str, seed: int = 5) -> VectorEnv:
    return environment(name_of(fault)).make_vector(GymnasiumOptions(), 2, seed)


def step_until_broken(envs: VectorEnv, action: float = 0.0) -> None:
    envs.reset()
    for _ in range(FAULTY_STEP):
        envs.step(np.full((2, 1), action, np.float32))


def assert_names_the_place(text: str, fault: str, step: int) -> None:
    for part in (f"environment '{name_of(fault)}'", "index 0", f"episode seed {episode_seed(5, 0, 0)}", f"step {step}"):
        assert part in text


@pytest.mark.parametrize("fault", BROKEN_STEPS)
@pytest.mark.filterwarnings("ignore:.*ragged nested sequences")
def test_a_broken_step_is_a_fault_that_names_place_and_field(fault: str) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        step_until_broken(faulty(fault))
    assert_names_the_place(str(caught.value), fault, FAULTY_STEP)
    field = "reward" if "reward" in fault else "observation"
    assert f"returned the {field} " in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("nan-observation", "nan"),
        ("infinite-reward", "-inf"),
        ("wrong-shape", r"shape \(4,\), declared is \(3,\)"),
        ("reward-array", r"shape \(2,\), declared is \(\)"),
    ],
)
def test_a_fault_shows_the_value(fault: str, value: str) -> None:
    with pytest.raises(EnvironmentFault, match=value):
        step_until_broken(faulty(fault))


def test_a_first_observation_that_is_nan_is_a_fault_at_step_0() -> None:
    with pytest.raises(EnvironmentFault) as caught:
        faulty("nan-reset").reset()
    assert_names_the_place(str(caught.value), "nan-reset", 0)


def test_a_fault_after_a_nan_action_says_so() -> None:
    with pytest.raises(EnvironmentFault, match="action it was given is not finite"):
        step_until_broken(faulty("nan-observation"), action=float("nan"))


def test_an_environment_that_raises_keeps_its_error_with_a_note_of_the_place() -> None:
    with pytest.raises(RuntimeError, match="the simulation diverged") as caught:
        step_until_broken(faulty("raises"))
    assert_names_the_place(caught.value.__notes__[0], "raises", FAULTY_STEP)


def test_a_reset_that_raises_keeps_its_error_with_a_note_of_the_place() -> None:
    with pytest.raises(RuntimeError, match="no episode begins") as caught:
        faulty("reset-raises").reset()
    assert_names_the_place(caught.value.__notes__[0], "reset-raises", 0)


def probed(name: str, **options: Any) -> Any:
    return probe(environment(name), GymnasiumOptions(**options))


@pytest.mark.parametrize("fault", [*BROKEN_STEPS, "raises", "reset-raises", "nan-reset"])
@pytest.mark.filterwarnings("ignore:.*ragged nested sequences")
def test_a_probe_finds_every_fault(fault: str) -> None:
    with pytest.raises(EnvironmentFault, match=re.escape(name_of(fault))):
        probed(name_of(fault))


def test_a_probe_refuses_spaces_that_are_not_one_array() -> None:
    with pytest.raises(UnsupportedSpace):
        probed(name_of("paired"))


def test_an_entry_that_is_missing_in_an_observation_is_named() -> None:
    with pytest.raises(EnvironmentFault, match=r"forgetful.*without the entry 'high'"):
        probed(name_of("forgetful"))


def test_a_probe_returns_the_spaces_of_one_environment() -> None:
    observation, action = probed("pendulum")
    assert (observation.shape, action.shape) == ((3,), (1,))


def test_a_package_that_is_not_installed_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("Box2D", "gymnasium.envs.box2d", "gymnasium.envs.box2d.lunar_lander"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UsageError, match="cannot make environment 'LunarLander-v3'"):
        probed("LunarLander-v3")


def test_an_episode_without_steps_is_refused() -> None:
    with pytest.raises(UsageError, match="max_episode_steps is 0"):
        probed("pendulum", max_episode_steps=0)
