"""RL2: trials of several episodes, and what its policy is told."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box

from spreeze.algorithms._meta.trials import Trials
from spreeze.algorithms.rl2 import ALGORITHM, RL2Config
from spreeze.contract import EnvironmentSpec, EvaluationSetup, Step
from spreeze.envs.sparse.point import PointVector, tasks
from spreeze.envs.sparse.tasks import FamilyOptions
from spreeze.stages import build_modules, build_policy
from tests.contract.playing import play

CONFIG = RL2Config(task_episodes=2, memory=8, hidden=(8,), horizon=64)


def points(count: int, seed: int) -> PointVector:
    return PointVector("points", tasks(False), FamilyOptions(), count, seed, noisy=False)


def trials(count: int = 3) -> Trials:
    return Trials(points(count, 0), tasks(False).counts, 2, lambda trial, number: np.arange(number) + 10 * trial)


def test_a_trial_is_two_episodes_of_a_task_and_tells_action_reward_and_beginning() -> None:
    envs, inner = trials(), points(3, 0)
    first = envs.reset()
    np.testing.assert_array_equal(first, np.tile([0, 0, 0, 0, 0, 1], (3, 1)))
    position = inner.begin(np.arange(3))
    for step in range(1, 65):
        move = np.clip(tasks(False).values[:3] - position, -0.1, 0.1).astype(np.float32)
        expected, given = inner.step(move), envs.step(move)
        begins = step == 32
        position = inner.begin(np.arange(3)) if begins else expected.observation
        np.testing.assert_array_equal(given.observation[:, :2], position)
        np.testing.assert_allclose(given.observation[:, 2:4], move / 0.1, atol=1e-5)
        np.testing.assert_array_equal(given.observation[:, 4], expected.reward)
        assert (given.observation[:, 5] == begins).all()
        assert given.truncated.all() == (step == 64) and not given.terminated.any()
    again = envs.step(np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(again.observation, first)
    assert (again.reward == 0).all() and envs._task.tolist() == [10, 11, 12]


def test_a_saved_trial_goes_on_to_the_bit() -> None:
    one, other = trials(), trials()
    one.reset()
    moves = np.random.default_rng(0).uniform(-0.1, 0.1, (90, 3, 2)).astype(np.float32)
    for step in range(40):
        one.step(moves[step])
    other.load_state(one.state())
    for step in range(40, 90):
        first, second = one.step(moves[step]), other.step(moves[step])
        np.testing.assert_array_equal(first.observation, second.observation)
        np.testing.assert_array_equal(first.reward, second.reward)


def test_on_a_plain_environment_the_policy_tells_itself_what_trials_do() -> None:
    spec = EnvironmentSpec(Box(-1, 1, (2,)), Box(-0.1, 0.1, (2,)), tasks=tasks(False).counts)
    [stage] = ALGORITHM.stages(spec, CONFIG, 64)
    policy = build_policy(stage, build_modules(stage), 0)[0]
    seen, action, reward = torch.rand(3, 2), torch.rand(3, 2), torch.rand(3)
    for first in (torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)):
        told = torch.cat((seen, action, reward[:, None], first.float()[:, None]), -1)
        acted = [policy.act(Step(o, action, reward, first), policy.initial_state(3), "mean") for o in (seen, told)]
        torch.testing.assert_close(acted[0][0], acted[1][0])
    assert stage.evaluate is not None
    found = stage.evaluate(EvaluationSetup(policy, {}, points, "mean", 1, 0))
    assert len(found.returns) == 20 and found.lengths == [32] * 20
    assert found.metrics.keys() == {"explored/return_1"}


def test_a_run_ends_with_an_evaluation_on_tasks_held_out(tmp_path: Path) -> None:
    small: dict[str, Any] = {"hidden": [8], "memory": 8, "epochs": 1}
    run: dict[str, Any] = {"steps": 1500, "envs_per_sampler": 4, "serial": True}
    summary = play(tmp_path, "rl2", "point-robot-sparse", small, **run)
    assert summary["exit_reason"] == "finished"
    assert len(summary["evaluations"][-1]["returns"]) == 20
