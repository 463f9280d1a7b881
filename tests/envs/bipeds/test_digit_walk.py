"""Digit walks under the ALIP walker, without anything learned."""

from typing import Any

import numpy as np
import pytest
import torch

from spreeze import registry
from spreeze.algorithms.alip_walker import Walker, WalkerConfig, WalkerPolicy
from spreeze.contract import EnvironmentSpec, Step
from spreeze.envs.bipeds import make_vector
from spreeze.envs.bipeds.episodes import Bipeds
from spreeze.envs.bipeds.options import WalkingOptions

COMMANDS = np.array([[0.0, 0.0, 0.0], [0.8, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.3, 0.2, 0.0], [0.3, 0.0, 0.3]])


def walked(commands: np.ndarray, decisions: int, **options: Any) -> tuple[Bipeds, np.ndarray]:
    """A robot for each command (N, 3), and the errors of their mean speeds (T, N, 3)."""
    count = len(commands)
    vector = make_vector("digit", WalkingOptions(speed_changes=0, **options), count, 0)
    policy = WalkerPolicy(Walker(EnvironmentSpec(vector.observation_space, vector.action_space), WalkerConfig()))
    space, none, state = vector.scheme.action_space, torch.zeros(count), policy.initial_state(count)
    seen, errors = vector.reset(), []
    vector.conditions.wanted[:] = commands[:, None]
    for _ in range(decisions):
        action, state, _ = policy.act(Step(torch.from_numpy(seen), none, none, none.bool()), state, "walk")
        moment = vector.step(space.low + (action.numpy() + 1) / 2 * (space.high - space.low))
        assert not moment.terminated.any()
        seen = moment.observation
        ahead = (vector.speed @ [1, 1j]) * np.exp(-1j * vector.gait.heading)
        turning = vector.world.controller.posture().attitude_rate[:, 2]
        errors.append(np.column_stack([ahead.real, ahead.imag, turning]) - vector.conditions.command)
    return vector, np.array(errors)


def test_it_steps_forward_and_sideways_for_three_seconds_within_all_limits() -> None:
    vector, errors = walked(np.array([[0.4, 0.1, 0.0], [0.0, -0.1, 0.2]]), 100)
    assert np.abs(errors[-15:, :, :2].mean(axis=0)).max() < 0.1
    assert not vector.metrics()["walking/failed"].any()
    assert vector.metrics()["walking/saturated"].mean() < 0.02


def test_the_foot_that_stands_lies_on_a_slope() -> None:
    vector, _ = walked(np.array([[0.6, 0.0, 0.0]]), 90, slope=(4.0, 4.0))
    posture, stance = vector.world.controller.posture(), vector.gait.stance[0]
    x, _, z = posture.feet[0, stance]
    assert x > 0.5
    assert abs(z - np.tan(np.radians(4)) * x) < 0.005
    frame = vector.world.controller.dynamics.terms["frames"][0, stance]  # type: ignore[attr-defined]
    np.testing.assert_allclose(frame[2, 0], np.sin(np.radians(4)), atol=0.01)


@pytest.mark.slow
def test_it_walks_for_nine_seconds_as_fast_as_commanded() -> None:
    vector, errors = walked(COMMANDS, 300)
    settled = errors[150:]
    assert np.sqrt((settled[:, :, 0] ** 2).mean(axis=0)).max() < 0.05
    assert np.sqrt((settled[:, :, 1] ** 2).mean(axis=0)).max() < 0.1
    assert np.abs(settled[:, :, 2].mean(axis=0)).max() < 0.05
    assert not vector.metrics()["walking/failed"].any()
    turned = vector.world.controller.posture().attitude[:, 2]
    np.testing.assert_allclose(turned, vector.gait.heading, atol=0.05)
    np.testing.assert_allclose(turned[4], 0.3 * 9, atol=0.15)


@pytest.mark.slow
def test_it_withstands_a_push_a_payload_and_a_slope() -> None:
    for options in (dict(push=(20.0, 20.0)), dict(payload=(5.0, 5.0)), dict(slope=(-3.0, -3.0))):
        walked(np.array([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]]), 200, **options)


def test_it_is_found_by_name_and_drawn() -> None:
    environment = registry.environment("digit")
    env = environment.make_rendered(environment.options(slope=(5.0, 5.0), payload=(5.0, 5.0)))
    env.reset(seed=1)
    rendered: Any = env
    np.testing.assert_allclose(rendered.data.geom("floor").xmat[6], np.sin(np.radians(5)))
    assert rendered.model.body_mass.sum() > 52
    known = rendered.vector.world.controller.dynamics.model
    np.testing.assert_allclose(known.body_mass.sum(), 47.925, atol=1e-3)
    env.step(env.action_space.sample())
    frame: Any = env.render()
    assert frame.std() > 0
    env.close()
