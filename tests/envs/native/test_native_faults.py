"""Whatever goes wrong in the physics ends the run, and the message names the place."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mujoco
import numpy as np
import pytest

from spreeze.envs.native import native_vector
from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.native.loop import LoopSimulations
from spreeze.envs.native.task import Task
from spreeze.envs.native.terms import uniform
from spreeze.envs.native.vector import NativeVector
from spreeze.envs.vector import episode_seed
from spreeze.errors import EnvironmentFault
from spreeze.spaces import action_field

SEED, COUNT = 5, 3

HEAP = "".join(f'<body pos="{0.05 * n} 0 .1"><freejoint/><geom size=".1"/></body>' for n in range(12))
CROWDED = f"""
<mujoco>
  <size memory="100K"/>
  <worldbody><geom type="plane" size="5 5 .1"/><body><joint name="turn"/><geom size=".1"/></body>{HEAP}</worldbody>
  <actuator><motor joint="turn" ctrlrange="-1 1"/></actuator>
</mujoco>
"""
"""A heap of bodies, for whose contacts there is no memory."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo writes its warnings to a file in the folder it is in."""
    monkeypatch.chdir(tmp_path)


def still(envs: NativeVector) -> np.ndarray:
    """Actions (N, A) that do nothing."""
    return np.zeros((envs.count, *action_field(envs.action_space).shape))


def fault_of(identifier: str, spoil: Callable[[NativeVector], np.ndarray], steps: int = 2) -> str:
    """The message when, after `steps` steps at rest, the actions are those that `spoil` returns."""
    with closing(native_vector(identifier, COUNT, SEED)) as envs:
        envs.reset()
        for _ in range(steps):
            envs.step(still(envs))
        with pytest.raises(EnvironmentFault) as caught:
            envs.step(spoil(envs))
    return str(caught.value)


def assert_names_the_place(message: str, identifier: str, index: int, step: int) -> None:
    seed = episode_seed(SEED, index, 0)
    assert message.startswith(f"environment '{identifier}', index {index}, episode seed {seed}, step {step}, ")


def nan_action(envs: NativeVector) -> np.ndarray:
    actions = still(envs)
    actions[1, 0] = np.nan
    return actions


@pytest.mark.parametrize("identifier", ["HalfCheetah-v5", "Ant-v5"])
def test_a_reward_that_is_nan_is_a_fault_that_tells_of_the_action(identifier: str) -> None:
    message = fault_of(identifier, nan_action)
    assert_names_the_place(message, identifier, 1, 3)
    assert "returned the reward nan, which is not finite; the action it was given is not finite either" in message


def test_an_action_that_is_nan_is_a_fault_where_no_reward_shows_it() -> None:
    message = fault_of("InvertedPendulum-v5", nan_action)
    assert_names_the_place(message, "InvertedPendulum-v5", 1, 3)
    assert "MuJoCo met a control that is NaN" in message
    assert message.endswith("; the action it was given is not finite either")


@pytest.mark.parametrize("identifier", ["HalfCheetah-v5", "Humanoid-v5"])
@pytest.mark.parametrize(("field", "word"), [("qpos", "a position"), ("qvel", "a velocity")])
def test_a_simulation_that_mujoco_resets_is_a_fault(identifier: str, field: str, word: str) -> None:
    def spoil(envs: NativeVector) -> np.ndarray:
        getattr(envs._simulations, field)[2, 0] = 1e11
        return still(envs)

    message = fault_of(identifier, spoil)
    assert_names_the_place(message, identifier, 2, 3)
    assert f"MuJoCo met {word} that is NaN, infinite or huge, and reset the simulation" in message


def test_an_acceleration_that_is_huge_is_a_fault() -> None:
    def spoil(envs: NativeVector) -> np.ndarray:
        envs.set_parameters({"gravity": np.array([[0.0, 0.0, -1e12]])}, np.array([0]))
        return still(envs)

    message = fault_of("HalfCheetah-v5", spoil)
    assert_names_the_place(message, "HalfCheetah-v5", 0, 3)
    assert "an acceleration that is NaN, infinite or huge" in message


@pytest.mark.parametrize("kind", [BatchSimulations, LoopSimulations])
def test_an_error_of_mujoco_is_a_fault_that_names_the_place(kind: type[BatchSimulations | LoopSimulations]) -> None:
    task = Task("", 5, uniform(0.0), lambda s: (s.qvel,), lambda outcome: np.zeros(len(outcome.action)))
    simulations = kind(mujoco.MjModel.from_xml_string(CROWDED), 2, (), 1)
    with closing(NativeVector("a heap", task, simulations, SEED)) as envs:
        with pytest.raises(EnvironmentFault) as caught:
            envs.reset()
        assert_names_the_place(str(caught.value), "a heap", 0, 0)
        assert "MuJoCo failed: " in str(caught.value)
        assert "out of memory" in str(caught.value)


@pytest.mark.parametrize("identifier", ["HalfCheetah-v5", "Ant-v5"])
def test_an_action_that_begins_an_episode_may_be_anything(identifier: str) -> None:
    with closing(native_vector(identifier, COUNT, SEED, limit=1)) as envs:
        envs.reset()
        assert envs.step(still(envs)).truncated.all()
        assert (envs.step(np.nan * still(envs)).reward == 0).all()
        assert np.isfinite(envs.step(still(envs)).reward).all()
