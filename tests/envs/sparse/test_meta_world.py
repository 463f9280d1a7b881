"""Meta-World's ML1 families: what is hidden, what is rewarded, and that their experts solve them."""

from typing import Any

import numpy as np
import pytest

from spreeze.envs import environment
from spreeze.envs.sparse.meta_world import COUNTS, MetaWorldEnv, MetaWorldOptions, MetaWorldVector, benchmark

policies = pytest.importorskip("metaworld.policies", reason="pip install 'spreeze[meta]'")
NAMES = ["ml1-reach", "ml1-push", "ml1-reach-wall", "ml1-push-wall"]
LEAST = dict.fromkeys(NAMES, 10 - 1e-3) | {"ml1-push-wall": 9.0}
"""What success is worth at least."""
SMALL = "ml1-reach"


def made(name: str = SMALL, count: int = 1, **options: Any) -> MetaWorldVector:
    envs = environment(name).make_vector(MetaWorldOptions(**options), count, 0)
    assert isinstance(envs, MetaWorldVector)
    return envs


@pytest.mark.filterwarnings("ignore:Constant")
@pytest.mark.parametrize("task", [3, 52])
@pytest.mark.parametrize("name", NAMES)
def test_a_scripted_expert_solves_tasks_of_both_splits_and_is_paid_for_success_alone(name: str, task: int) -> None:
    own = f"{name.removeprefix('ml1-')}-v3"
    env, expert = MetaWorldEnv(own, MetaWorldOptions(visible_goal=True)), policies.ENV_POLICY_MAP[own]()
    env.given, steps = task, 0
    seen, _ = env.reset(seed=0)
    while not env.succeeded:
        seen, reward, terminated, truncated, info = env.step(expert.get_action(seen).clip(-1, 1))
        steps += 1
        assert not terminated and not truncated, "it takes less than an episode"
        assert reward == 0 if not info["success"] else LEAST[name] <= reward <= 10 + 1e-6
    assert steps > 10
    env.close()


def test_the_goal_is_hidden_unless_it_is_asked_for() -> None:
    tasks = np.array([0, 55])
    seen = made(count=2).begin(tasks)
    assert (seen[:, 36:] == 0).all()
    told = made(count=2, visible_goal=True).begin(tasks)
    np.testing.assert_array_equal(told[:, :36], seen[:, :36])
    assert (told[:, 36:] != 0).any()


def test_the_puck_tells_tasks_of_reach_apart_and_can_be_masked() -> None:
    tasks = np.array([0, 1])
    seen, masked = made(count=2).begin(tasks), made(count=2, mask_object=True)
    assert np.abs(seen[0, 4:7] - seen[1, 4:7]).max() > 0.01
    first = masked.begin(tasks)
    np.testing.assert_array_equal(first[0], first[1])
    moved = masked.step(np.full((2, 4), 0.5)).observation
    np.testing.assert_array_equal(moved[0], moved[1])
    assert (first[0, :4] != moved[0, :4]).any()


def test_tasks_are_those_of_the_benchmark_and_begin_alike_whatever_the_global_generator() -> None:
    np.random.seed(0)
    one = made(count=2).begin(np.array([7, 59])).copy()
    np.random.seed(1)
    other = made(count=2).begin(np.array([7, 59])).copy()
    np.testing.assert_array_equal(one, other)
    found = benchmark("reach-v3")
    assert len(found.train_tasks) == COUNTS.train and len(found.test_tasks) >= COUNTS.test
    assert len({task.data for task in [*found.train_tasks, *found.test_tasks]}) == 100
    with pytest.raises(ValueError, match="give one of 0 to 59"):
        made().begin(np.array([60]))


def test_an_episode_is_cut_after_150_steps_and_a_saved_one_goes_on_to_the_bit() -> None:
    one, other = made(), made()
    one.begin(np.array([51]))
    action = np.random.default_rng(0).uniform(-1, 1, (160, 1, 4))
    for step in range(20):
        one.step(action[step])
    other.load_state(one.state())
    for step in range(20, 152):
        first, second = one.step(action[step]), other.step(action[step])
        np.testing.assert_array_equal(first.observation, second.observation)
        assert bool(first.truncated[0]) == (step == 149)
    assert other.members[0].given == 51


def test_without_a_task_given_one_is_drawn_from_the_split() -> None:
    envs = made(count=3, tasks="test")
    envs.reset()
    assert [member.given for member in envs.members] == [-1] * 3
    assert len({tuple(row) for row in envs.reset()[:, 4:7]}) > 1
