"""Families on the native engine, against MuJoCo's own bindings and the formulas of their rewards."""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
import pytest

from spreeze.environment import Watchable
from spreeze.envs import environment, sparse
from spreeze.envs.sparse.goals import FAMILIES as GOALS
from spreeze.envs.sparse.native import FamilyVector, near
from spreeze.envs.sparse.random_params import BASES, factors
from spreeze.envs.sparse.tasks import FamilyOptions
from spreeze.envs.sparse.velocity import FAMILIES as VELOCITIES
from spreeze.errors import CheckpointError

SIZES = {
    "cheetah-vel-sparse": (100, 30, 64, 20),
    "walker-vel-sparse": (40, 30, 64, 17),
    "reacher-goal-sparse": (80, 20, 64, 11),
    "ant-goal-sparse": (80, 20, 32, 29),
    "hopper-rand-params": (40, 10, 64, 11),
    "walker-rand-params": (40, 10, 64, 17),
}
"""Tasks to learn from, held out, steps of an episode, numbers of an observation."""
every_family = pytest.mark.parametrize("name", SIZES)


def made(name: str, count: int = 2, seed: int = 0) -> FamilyVector:
    envs = environment(name).make_vector(FamilyOptions(), count, seed)
    assert isinstance(envs, FamilyVector)
    return envs


def actions(envs: FamilyVector, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (envs.count, *envs.action_space.shape)).astype(np.float32)  # type: ignore[misc]


def test_every_family_is_tested_here_or_has_a_file_of_its_own() -> None:
    assert {name for name in sparse.SUMMARIES if not name.startswith(("point-", "ml1-"))} == SIZES.keys()


@every_family
def test_sizes_are_the_published_ones_and_tasks_held_out_are_others(name: str) -> None:
    envs, counts = made(name), environment(name).tasks(FamilyOptions())  # type: ignore[misc]
    train, test, steps, observations = SIZES[name]
    assert (counts.train, counts.test, counts.episode_steps) == (train, test, steps)
    assert envs.observation_space.shape == (observations,)
    rows = environment(name).make_vector(FamilyOptions(), train + test, 0)
    rows.begin(np.arange(train + test))  # type: ignore[attr-defined]
    values = rows.assignment.values.reshape(train + test, -1)  # type: ignore[attr-defined]
    assert len(np.unique(values.round(12), axis=0)) == train + test


@every_family
def test_a_family_is_drawn_as_it_is_simulated(name: str) -> None:
    env, envs = environment(name).make_rendered(FamilyOptions()), made(name, count=1, seed=5)
    drawn: Any = env
    for _ in range(2):
        first, _ = env.reset(seed=5)
        envs.begin_with(5)
        np.testing.assert_array_equal(first, envs.exact_observation()[0].astype(np.float32))
        action = actions(envs)
        for _ in range(3):
            seen, reward, *_ = env.step(action[0])
            wanted = envs.step(action)
        np.testing.assert_array_equal(seen, wanted.observation[0])
        assert reward == pytest.approx(float(wanted.reward[0]))
        np.testing.assert_array_equal(drawn.data.qpos, envs.simulations.qpos[0])
        assert np.isfinite(drawn.data.xpos).all() and drawn.model.nbody == len(drawn.data.xpos)
    assert (env.reset(seed=6)[0] != first).any()
    frame: Any = env.render()
    assert frame.shape == (360, 640, 3) and frame.std() > 0
    assert env.metadata["render_fps"] == round(1 / envs.seconds)
    env.close()


@every_family
def test_who_watches_sees_what_is_rewarded(name: str) -> None:
    env: Any = environment(name).make_rendered(FamilyOptions())
    assert issubclass(type(env), Watchable) and list(env.controls()) == []
    env.reset(seed=3)
    env.step(env.action_space.high)
    overlay, task = env.overlay(), env.vector.assignment.values[0]
    if name.startswith(("ant", "reacher")):
        assert overlay.charts == {} and overlay.markers["goal"].position == pytest.approx((*task, 0.01))
    else:
        assert overlay.markers == {}
        wanted = task[0] if "vel" in name else 1.5
        assert overlay.charts == {
            "velocity [m/s]": pytest.approx({"rewarded": wanted, "reached": env.data.qvel[0]}, rel=1e-6)
        }
    env.close()


@every_family
def test_a_sketch_tells_where_bodies_are_and_where_they_are_rewarded(name: str) -> None:
    envs = made(name, count=3)
    seen, sketch = envs.begin(np.array([0, 1, 2])).copy(), envs.sketch
    assert sketch is not None
    for _ in range(4):
        seen = envs.step(actions(envs)).observation
    simulations, task = envs.simulations, environment(name).tasks(FamilyOptions())  # type: ignore[misc]
    assert len(sketch.goals) == task.train + task.test
    if len(sketch.labels) == 1:
        wanted = simulations.qvel[:, :1]
    elif name.startswith("ant"):
        wanted = simulations.qpos[:, :2]
    else:
        model, data = envs._model, mujoco.MjData(envs._model)
        data.qpos[:] = simulations.qpos[0]
        mujoco.mj_forward(model, data)
        wanted, seen = data.body("fingertip").xpos[None, :2], seen[:1]
    np.testing.assert_allclose(sketch.track(seen), wanted, atol=1e-2)


@every_family
def test_an_episode_is_cut_by_the_clock_and_by_nothing_else(name: str) -> None:
    envs = made(name)
    envs.begin(np.array([0, 1]))
    for step in range(1, SIZES[name][2] + 1):
        transition = envs.step(np.ones((2, *envs.action_space.shape), np.float32))  # type: ignore[misc]
        assert not transition.terminated.any()
        assert transition.truncated.all() == (step == SIZES[name][2])


@every_family
def test_nothing_observed_tells_the_task(name: str) -> None:
    seen: list[np.ndarray] = []
    for task in (0, SIZES[name][0]):
        envs = made(name)
        first = envs.begin(np.full(2, task)).copy()
        after = envs.step(actions(envs)).observation.copy()
        seen.append(first if "params" in name else np.stack((first, after)))
    np.testing.assert_array_equal(seen[0], seen[1])


def stepped(envs: FamilyVector, index: int, action: np.ndarray, change: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """The model, and data before and after a step of simulation `index`, by MuJoCo's bindings."""
    model = envs._model
    for name, value in change.items():
        getattr(model, name)[...] = value
    before, after = mujoco.MjData(model), mujoco.MjData(model)
    state = envs.state()["physics"][index]
    for data in (before, after):
        mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        mujoco.mj_forward(model, data)
    after.ctrl[:] = action
    mujoco.mj_step(model, after, envs._task.frame_skip)
    return model, before, after


@pytest.mark.parametrize("name", VELOCITIES)
def test_a_velocity_is_rewarded_by_its_formula(name: str) -> None:
    envs, action = made(name), np.full((2, 6), 0.1, np.float32)
    order = np.argsort(VELOCITIES[name].tasks.values[:, 0])
    envs.begin(order[[0, -1]])
    envs._simulations.qvel[:, 0] = 0.1
    model, before, after = stepped(envs, 0, action[0], {})
    velocity = (after.qpos[0] - before.qpos[0]) / (model.opt.timestep * envs._task.frame_skip)
    transition = envs.step(action)
    low, high = envs.assignment.values[:, 0]
    assert abs(velocity - low) < 0.5 < high - velocity
    cost = 0.05 * 6 * 0.01
    assert envs.exact_reward == pytest.approx([2 - abs(velocity - low) - cost, -cost], abs=1e-6)
    if name.startswith("cheetah"):
        np.testing.assert_allclose(
            transition.observation[0, :17], np.concatenate((after.qpos[1:], after.qvel)), atol=1e-5
        )
        np.testing.assert_allclose(transition.observation[0, 17:], after.body("torso").xpos, atol=0.02)


def test_reacher_is_rewarded_by_the_distance_before_the_step() -> None:
    envs, action = made("reacher-goal-sparse"), np.full((2, 2), 0.1, np.float32)
    goals = GOALS["reacher-goal-sparse"].tasks.values
    envs.begin(np.argsort(goals[:, 0])[[-1, 0]])
    _, before, _ = stepped(envs, 0, action[0], {})
    distance = np.linalg.norm(before.body("fingertip").xpos - [*envs.assignment.values[0], 0.01])
    assert distance < 0.09, "the arm begins near the goal at angle 0"
    envs.step(action)
    assert envs.exact_reward == pytest.approx([0.2 - distance - 0.02, -0.02], abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(goals, axis=1), 0.2131, atol=1e-4)


def test_ant_is_rewarded_by_the_sum_of_both_distances() -> None:
    envs, action = made("ant-goal-sparse"), np.full((2, 8), 0.1, np.float32)
    envs.begin(np.array([3, 3]))
    envs._simulations.qpos[0, :2] = envs.assignment.values[0] + [0.3, -0.2]
    _, _, after = stepped(envs, 0, action[0], {})
    missed = abs(after.qpos[:2] - envs.assignment.values[0]).sum()
    observation = envs.step(action).observation
    np.testing.assert_allclose(observation[0], np.concatenate((after.qpos, after.qvel)), atol=1e-4)
    assert envs.exact_reward == pytest.approx([2 - missed - 0.008, -0.008], abs=0.01)


@pytest.mark.parametrize("name", ["hopper-rand-params", "walker-rand-params"])
def test_physics_differs_by_the_factors_of_the_task_and_the_reward_does_not(name: str) -> None:
    envs, action = made(name), np.full((2, 3 if "hopper" in name else 6), 0.1, np.float32)
    nominal = {field: getattr(envs._model, field).copy() for field in BASES}
    envs.begin(np.array([0, 41]))
    assert envs._model.opt.timestep * envs._task.frame_skip == pytest.approx(0.016)
    begin, tasks, own = 0, factors(envs._model), dict[str, np.ndarray]()
    for field, base in BASES.items():
        size = nominal[field].size
        for index, task in enumerate((0, 41)):
            scale = tasks[task, begin : begin + size].reshape(nominal[field].shape)
            assert base**-3 <= scale.min() and scale.max() <= base**3
            own[field] = nominal[field] * scale
            np.testing.assert_allclose(envs.parameter(field)[index], own[field])
        begin += size
    envs._simulations.qvel[:, 0] = 1.5
    model = envs._model
    for field, value in own.items():
        getattr(model, field)[...] = value
    mujoco.mj_setConst(model, mujoco.MjData(model))
    _, before, after = stepped(envs, 1, action[1], {})
    velocity = (after.qpos[0] - before.qpos[0]) / 0.016
    observation = envs.step(action).observation
    np.testing.assert_allclose(observation[1, : model.nq - 1], after.qpos[1:], atol=1e-5)
    assert envs.exact_reward[1] == pytest.approx(0.8 - abs(velocity - 1.5) - 1e-5 * action.shape[1], abs=1e-6)


@pytest.mark.parametrize("name", ["ant-goal-sparse", "hopper-rand-params"])
def test_a_saved_state_goes_on_to_the_bit(name: str) -> None:
    one, other = made(name, seed=1), made(name, seed=2)
    one.reset()
    for step in range(SIZES[name][2] - 3):
        one.step(actions(one, step))
    other.reset()
    other.load_state(one.state())
    for step in range(8):
        first, second = one.step(actions(one, step)), other.step(actions(one, step))
        np.testing.assert_array_equal(first.observation, second.observation)
        np.testing.assert_array_equal(first.reward, second.reward)
    assert (one.assignment.number == other.assignment.number).all()
    with pytest.raises(CheckpointError, match="tells no tasks"):
        other.load_state({name: array for name, array in one.state().items() if name != "task"})


def test_tasks_are_drawn_anew_for_every_episode_unless_they_were_given() -> None:
    envs = made("cheetah-vel-sparse", 6)
    envs.reset()
    drawn = [envs.assignment.number.copy()]
    for _ in range(66):
        envs.step(actions(envs))
    drawn.append(envs.assignment.number.copy())
    assert (drawn[0] != drawn[1]).any() and max(map(max, drawn)) < 100
    envs.begin(np.arange(6) + 100)
    for _ in range(66):
        envs.step(actions(envs))
    assert envs.assignment.number.tolist() == list(range(100, 106))


def test_what_is_near_is_rewarded_up_to_the_edge() -> None:
    assert near(np.array([0, 0.5, 0.5001]), 0.5, 2.0).tolist() == [2.0, 1.5, 0.0]
