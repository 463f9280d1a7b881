"""Friction and gravity of the MuJoCo model that one environment has for itself."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from spreeze.envs import environment
from spreeze.envs._gymnasium import GymnasiumOptions
from spreeze.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")
NAMES = ["hopper", "walker2d", "halfcheetah", "ant", "Hopper-v4"]
PLAIN, CHANGED = GymnasiumOptions(), GymnasiumOptions(friction=2.0, gravity=0.5)


def made(name: str, options: GymnasiumOptions) -> Any:
    """One environment, after a reset."""
    env = environment(name).make_rendered(options).unwrapped
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("name", NAMES)
def test_a_body_in_the_air_falls_by_the_gravity_that_was_chosen(name: str) -> None:
    fallen = []
    for options in (PLAIN, CHANGED):
        env = made(name, options)
        model, data = env.model, mujoco.MjData(env.model)
        data.qpos[2 if model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE else 1] += 10
        before = mass_height(model, data)
        for _ in range(10):
            mujoco.mj_step(model, data)
        fallen.append(before - mass_height(model, data))
    assert fallen[0] > 0
    assert fallen[1] == pytest.approx(0.5 * fallen[0], rel=1e-3)


def mass_height(model: Any, data: Any) -> float:
    """Height of the centre of mass of everything [m]."""
    mujoco.mj_forward(model, data)
    return float(data.subtree_com[0][2])


@pytest.mark.parametrize("name", NAMES)
def test_contacts_have_the_friction_that_was_chosen(name: str) -> None:
    frictions = []
    for options in (PLAIN, CHANGED):
        env = made(name, options)
        for _ in range(100):
            env.step(np.zeros(env.action_space.shape, np.float32))
            if env.data.ncon:
                break
        frictions.append(env.data.contact[0].friction.copy())
    np.testing.assert_allclose(frictions[1], 2 * frictions[0])


def test_a_reset_keeps_them_and_other_environments_do_not_have_them() -> None:
    changed, plain, own = made("hopper", CHANGED), made("hopper", PLAIN), gymnasium.make("Hopper-v5").unwrapped
    changed.reset(seed=1)
    np.testing.assert_array_equal(changed.model.opt.gravity, [0, 0, -9.81 / 2])
    np.testing.assert_array_equal(plain.model.opt.gravity, own.model.opt.gravity)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(plain.model.geom_friction, own.model.geom_friction)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(changed.model.geom_friction, 2 * plain.model.geom_friction)


def test_environments_stepped_together_each_have_them() -> None:
    still = np.zeros((2, 3), np.float32)
    seen = []
    for options in (PLAIN, CHANGED):
        envs = environment("hopper").make_vector(options, 2, 0)
        envs.reset()
        seen.append(envs.step(still).observation.copy())
        envs.close()
    assert (seen[0] != seen[1]).any(axis=1).all()


@pytest.mark.parametrize("options", [GymnasiumOptions(friction=2.0), GymnasiumOptions(gravity=0.5)])
def test_an_environment_without_a_model_refuses_them(options: GymnasiumOptions) -> None:
    with pytest.raises(UsageError, match=r"'Pendulum-v1' has no MuJoCo model; leave friction and gravity at 1"):
        environment("pendulum").make_vector(options, 1, 0)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["friction", "gravity"])
def test_a_factor_that_makes_no_sense_is_refused(name: str, factor: float) -> None:
    with pytest.raises(UsageError, match=f"{name} is {factor}; give a finite factor above 0"):
        environment("hopper").make_vector(GymnasiumOptions(**{name: factor}), 1, 0)  # type: ignore[arg-type]
