"""The native engine gives what the installed Gymnasium gives: the same seeds, the same actions, the same numbers."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest

from spreeze.envs.native import TASKS, native_vector
from spreeze.envs.vector import episode_seed

# Gymnasium says of every version 4 that there is a version 5.
pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")

SEED, COUNT, STEPS, LIMIT = 11, 2, 1000, 130
"""LIMIT: episodes that nothing else ends are truncated, so that begins are compared in every environment."""
TOLERANCE = 1e-9


class ByHand:
    """One environment of Gymnasium, stepped and reset one call at a time as the documentation of `VectorEnv` says."""

    def __init__(self, identifier: str, index: int) -> None:
        self.env = gymnasium.make(identifier, max_episode_steps=LIMIT, disable_env_checker=True)
        self.index, self.episode, self.ended = index, -1, True

    def begin(self) -> np.ndarray:
        self.episode, self.ended = self.episode + 1, False
        seen: np.ndarray = self.env.reset(seed=episode_seed(SEED, self.index, self.episode))[0]
        return seen

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        if self.ended:
            return self.begin(), 0.0, False, False
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self.ended = bool(terminated or truncated)
        return observation, float(reward), bool(terminated), truncated


def actions(space: Any) -> Iterator[np.ndarray]:
    """Actions (N, A) that rest, move little, move much, and go beyond what the actuators take."""
    generator, step = np.random.default_rng(3), 0
    while True:
        strength = (0.0, 0.3, 1.0, 1.5)[step // 25 % 4]
        yield (strength * generator.uniform(space.low, space.high, (COUNT, *space.shape))).astype(np.float32)
        step += 1


@pytest.mark.parametrize("identifier", TASKS)
def test_a_thousand_steps_equal_gymnasiums(identifier: str) -> None:
    single = [ByHand(identifier, index) for index in range(COUNT)]
    with closing(native_vector(identifier, COUNT, SEED, LIMIT)) as envs:
        assert envs.observation_space == single[0].env.observation_space
        assert envs.action_space == single[0].env.action_space
        envs.reset()
        np.testing.assert_allclose(envs.exact_observation(), [env.begin() for env in single], rtol=0, atol=TOLERANCE)
        for step, batch in zip(range(STEPS), actions(envs.action_space), strict=False):
            rows = [env.step(action) for env, action in zip(single, batch, strict=True)]
            observation, reward, terminated, truncated = map(np.array, zip(*rows, strict=True))
            transition = envs.step(batch)
            np.testing.assert_array_equal(transition.terminated, terminated, err_msg=f"step {step}")
            np.testing.assert_array_equal(transition.truncated, truncated, err_msg=f"step {step}")
            np.testing.assert_allclose(envs.exact_reward, reward, rtol=0, atol=TOLERANCE, err_msg=f"step {step}")
            seen = envs.exact_observation()
            np.testing.assert_allclose(seen, observation, rtol=0, atol=TOLERANCE, err_msg=f"step {step}")
            np.testing.assert_array_equal(transition.observation, seen.astype(np.float32))
            np.testing.assert_array_equal(transition.reward, envs.exact_reward.astype(np.float32))
    assert all(env.episode >= STEPS // LIMIT - 1 for env in single)
    for env in single:
        env.env.close()


def test_every_environment_of_the_ten_families_is_there_but_the_one_that_gymnasium_cannot_make() -> None:
    families = ("Ant", "HalfCheetah", "Hopper", "Humanoid", "InvertedDoublePendulum", "InvertedPendulum", "Pusher",
                "Reacher", "Swimmer", "Walker2d")  # fmt: skip
    assert {*TASKS, "Pusher-v4"} == {f"{family}-v{version}" for family in families for version in (4, 5)}
    with pytest.raises(ImportError, match="mujoco<3"):
        gymnasium.make("Pusher-v4")
