"""Terminations agree with the environments of Gymnasium they stand for."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from spreeze import registry
from spreeze.envs.termination import termination

# Gymnasium says of every version 4 that there is a version 5.
pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")

NAMES = ("Hopper", "Walker2d", "HalfCheetah", "Ant", "Humanoid", "Swimmer", "Reacher", "Pusher", "InvertedPendulum")
INSTALLED = [f"{name}-v{version}" for name in NAMES for version in (4, 5) if (name, version) != ("Pusher", 4)]
"""Pusher-v4 needs a MuJoCo before 3."""

STEPS = 2000
ON_THE_BOUND = {
    "Hopper": [(0, 0.7), (1, 0.2), (1, -0.2), (2, 100.0), (3, -100.0), (4, 100.0)],
    "Walker2d": [(0, 0.8), (0, 2.0), (1, 1.0), (1, -1.0)],
    "Ant": [(0, 0.2), (0, 1.0)],
    "Humanoid": [(0, 1.0), (0, 2.0)],
    "InvertedPendulum": [(1, 0.2), (1, -0.2)],
}
"""Where an episode ends: (number of the observation, its value)."""


def made(identifier: str) -> Any:
    return gymnasium.make(identifier, disable_env_checker=True).unwrapped


def walk(environment: Any, seed: int, steps: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Next observations and what the environment says of them, under random actions of full strength."""
    generator = np.random.default_rng(seed)
    low, high = environment.action_space.low, environment.action_space.high
    environment.reset(seed=seed)
    for _ in range(steps):
        seen, _, terminated, _, _ = environment.step(generator.uniform(low, high).astype(np.float32))
        yield seen, bool(terminated)
        if terminated:
            environment.reset(seed=int(generator.integers(2**31)))


def judged(environment: Any, offset: int, index: int, value: float) -> tuple[np.ndarray, bool]:
    """An environment's observation with number `index` set to `value`, and whether it is healthy."""
    position, velocity = environment.init_qpos.copy(), np.zeros_like(environment.init_qvel)
    position[offset + index] = value
    environment.data.qpos[:], environment.data.qvel[:] = position, velocity
    return environment._get_obs(), not environment.is_healthy


@pytest.mark.parametrize("identifier", INSTALLED)
def test_terminations_are_those_of_the_environment_on_random_steps(identifier: str) -> None:
    ends = termination(identifier)
    assert ends is not None
    with closing(made(identifier)) as environment:
        pairs = list(walk(environment, 5, STEPS))
    observations, expected = np.stack([seen for seen, _ in pairs]), np.array([end for _, end in pairs])
    np.testing.assert_array_equal(ends(observations), expected)
    np.testing.assert_array_equal(ends(torch.from_numpy(observations)).numpy(), expected)


@pytest.mark.parametrize("identifier", [i for i in INSTALLED if i[:-3] in ON_THE_BOUND and "Pendulum" not in i])
def test_terminations_are_exact_on_both_sides_of_every_bound(identifier: str) -> None:
    ends = termination(identifier)
    assert ends is not None
    offset = 2 if identifier.startswith(("Ant", "Humanoid")) else 1
    with closing(made(identifier)) as environment:
        environment.reset(seed=0)
        for index, bound in ON_THE_BOUND[identifier[:-3]]:
            for value in (np.nextafter(bound, -np.inf), bound, np.nextafter(bound, np.inf)):
                seen, unhealthy = judged(environment, offset, index, float(value))
                assert bool(ends(seen)) == unhealthy, (index, value)


@pytest.mark.parametrize("version", [4, 5])
def test_a_pole_falls_beyond_a_fifth_of_a_radian(version: int) -> None:
    ends = termination(f"InvertedPendulum-v{version}")
    assert ends is not None
    angles = np.array([0.0, 0.2, np.nextafter(0.2, 1), -0.2, -0.21, np.nan])
    states = np.stack([np.zeros(6), angles, np.zeros(6), np.zeros(6)], axis=-1)
    assert ends(states).tolist() == [False, False, True, False, True, True]


@pytest.mark.parametrize("name", ["Hopper", "Walker2d", "Ant", "Humanoid", "InvertedPendulum"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_observation_that_is_not_finite_ends_an_episode(name: str, value: float) -> None:
    ends = termination(f"{name}-v5")
    assert ends is not None
    assert bool(ends(np.full(45, value)))
    assert bool(ends(torch.full((45,), value)))


@pytest.mark.parametrize("name", ["HalfCheetah", "Swimmer", "Reacher", "Pusher"])
def test_what_never_ends_never_ends(name: str) -> None:
    ends = termination(f"{name}-v5")
    assert ends is not None
    assert not ends(np.array([[np.nan, 1.0], [np.inf, 0.0]])).any()


def test_terminations_take_any_number_of_leading_axes() -> None:
    ends = termination("Hopper-v5")
    assert ends is not None
    batch = np.zeros((2, 3, 4, 11), np.float32)
    batch[..., 0] = 1.25
    batch[1, 2, 3, 0] = 0.5
    assert ends(batch).shape == (2, 3, 4)
    assert np.argwhere(ends(batch)).tolist() == [[1, 2, 3]]
    assert ends(batch[0, 0, 0]).shape == ()


@pytest.mark.parametrize("version", [4, 5])
def test_an_observation_of_two_poles_does_not_tell_the_height_that_ends_them(version: int) -> None:
    identifier = f"InvertedDoublePendulum-v{version}"
    with closing(made(identifier)) as environment:
        heights = [(height_seen(seen), environment.data.site_xpos[0][2]) for seen, _ in walk(environment, 5, 200)]
    from_observation, judged_by = np.array(heights).T
    assert abs(from_observation - judged_by).max() > 1e-6
    assert termination(identifier) is None


def height_seen(observation: np.ndarray) -> float:
    """Height of the tip of two poles of 0.6 m, whose sines and cosines stand in an observation."""
    (sine, turn_sine), (cosine, turn_cosine) = observation[1:3], observation[3:5]
    return float(0.6 * (cosine + cosine * turn_cosine - sine * turn_sine))


def test_environments_carry_their_termination() -> None:
    assert registry.environment("hopper").termination is termination("Hopper-v5")
    assert registry.environment("Walker2d-v4").termination is termination("Walker2d-v4")
    assert registry.environment("pendulum").termination is None
