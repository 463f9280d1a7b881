"""Parameters of the model that one simulation has for itself."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from spreeze.envs.native import TASKS, load_model, native_vector, simulate
from spreeze.envs.native.vector import NativeVector
from spreeze.envs.vector import episode_seed
from spreeze.spaces import action_field

SEED, COUNT, STEPS = 3, 3, 40
KINDS = ("Walker2d-v5", "Humanoid-v5")
"""By mjbatch; by the loop, with a reward in which the masses count."""
every_kind = pytest.mark.parametrize("identifier", KINDS)


def vector(identifier: str) -> NativeVector:
    return native_vector(identifier, COUNT, SEED, limit=STEPS // 2)


def pushes(envs: NativeVector, steps: int = STEPS) -> np.ndarray:
    shape = (steps, envs.count, *action_field(envs.action_space).shape)
    return np.random.default_rng(0).uniform(-0.3, 0.3, shape).astype(np.float32)


def played(envs: NativeVector) -> np.ndarray:
    """Observations and rewards (T, N, O + 1) of the first episode."""
    envs.reset()
    steps = []
    for batch in pushes(envs):
        envs.step(batch)
        steps.append(np.column_stack([envs.exact_observation(), envs.exact_reward]))
    return np.stack(steps)


@every_kind
@pytest.mark.parametrize(
    ("name", "factor"), [("gravity", 0.5), ("body_mass", 1.3), ("geom_friction", 0.2), ("dof_damping", 3.0)]
)
def test_a_parameter_changes_only_its_simulation_and_as_it_changes_gymnasiums(
    identifier: str, name: str, factor: float
) -> None:
    with closing(vector(identifier)) as plain, closing(vector(identifier)) as changed:
        value = factor * plain.parameter(name)[1:2]
        changed.set_parameters({name: value}, np.array([1]))
        np.testing.assert_array_equal(changed.parameter(name)[1:2], value)
        np.testing.assert_array_equal(changed.parameter(name)[[0, 2]], plain.parameter(name)[[0, 2]])
        before, after = played(plain), played(changed)
        np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
        assert (after[:, 1] != before[:, 1]).any()
        expected = by_gymnasium(identifier, name, factor, pushes(plain)[:, 1])
        np.testing.assert_allclose(after[: len(expected), 1], expected, rtol=0, atol=1e-9)


def by_gymnasium(identifier: str, name: str, factor: float, actions: np.ndarray) -> np.ndarray:
    """Observations and rewards (T, O + 1) of environment 1 until its episode ends, with a changed model."""
    env: Any = gymnasium.make(identifier, disable_env_checker=True).unwrapped
    owner = env.model.opt if name == "gravity" else env.model
    getattr(owner, name)[...] *= factor
    mujoco.mj_setConst(env.model, mujoco.MjData(env.model))
    env.reset(seed=episode_seed(SEED, 1, 0))
    steps = []
    for action in actions[: STEPS // 2]:
        observation, reward, terminated, _, _ = env.step(action)
        steps.append([*observation, reward])
        if terminated:
            break
    env.close()
    return np.array(steps)


@every_kind
def test_what_the_model_derives_of_a_parameter_follows(identifier: str) -> None:
    task, two = TASKS[identifier], np.arange(2)
    simulations = simulate(task, load_model(task), 2)
    mass = simulations.parameter("body_mass") * np.array([[1.0], [2.0]])
    simulations.set_parameters({"body_mass": mass}, two)
    model = load_model(task)
    model.body_mass *= 2
    mujoco.mj_setConst(model, mujoco.MjData(model))
    simulations.forward(two)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    np.testing.assert_array_equal(simulations.state[1], integration_state(model, data))
    simulations.close()


def integration_state(model: Any, data: Any) -> np.ndarray:
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.zeros(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    return state


@every_kind
def test_setting_parameters_does_not_move_a_simulation(identifier: str) -> None:
    with closing(vector(identifier)) as envs:
        envs.reset()
        envs.step(pushes(envs)[0])
        state = envs.state()["physics"]
        envs.set_parameters({"body_mass": 2 * envs.parameter("body_mass")})
        np.testing.assert_array_equal(envs.state()["physics"], state)


@every_kind
def test_a_continuation_has_the_parameters_of_then(identifier: str) -> None:
    with closing(vector(identifier)) as original, closing(vector(identifier)) as heir:
        original.set_parameters({"body_mass": 1.5 * original.parameter("body_mass")[:1]}, np.array([0]))
        original.set_parameters({"gravity": np.array([[0.0, 0.5, -5.0]])}, np.array([2]))
        heir.set_parameters({"dof_damping": 2 * heir.parameter("dof_damping")})
        original.reset()
        batches = pushes(original)
        for batch in batches[:10]:
            original.step(batch)
        heir.load_state(original.state())
        for name in ("body_mass", "gravity", "dof_damping"):
            np.testing.assert_array_equal(heir.parameter(name), original.parameter(name))
        for batch in batches[10:]:
            mine, theirs = heir.step(batch), original.step(batch)
            assert mine.observation.tobytes() == theirs.observation.tobytes()
            assert mine.reward.tobytes() == theirs.reward.tobytes()


def lighter_or_heavier(random: np.random.Generator) -> Mapping[str, np.ndarray]:
    """Gravity within a factor of two."""
    return {"gravity": np.array([0.0, 0.0, -9.81 * random.uniform(0.5, 2.0)])}


@every_kind
def test_what_is_drawn_for_an_episode_is_a_function_of_its_seed(identifier: str) -> None:
    task, seen = TASKS[identifier], []
    for count in (1, 2):
        simulations = simulate(task, load_model(task), count)
        envs = NativeVector(identifier, task, simulations, SEED, limit=10, randomise=lighter_or_heavier)
        envs.reset()
        gravities = []
        for _ in range(25):
            envs.step(0 * pushes(envs, 1)[0])
            gravities.append(envs.parameter("gravity")[0, 2])
        seen.append(gravities)
        envs.close()
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 3
    assert seen[0][:10] == [seen[0][0]] * 10


@pytest.mark.parametrize("name", ["timestep", "no_such_field"])
def test_what_simulations_cannot_differ_in_is_refused(name: str) -> None:
    with closing(vector("Walker2d-v5")) as envs, pytest.raises(ValueError, match=f"'{name}' is no field"):
        envs.set_parameters({name: np.ones(COUNT)})
