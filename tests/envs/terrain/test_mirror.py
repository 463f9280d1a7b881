"""Left and right exchanged: twice is the identity, and a mirrored walker does the mirrored thing."""

from typing import Any

import numpy as np
import pytest

from spreeze import registry
from spreeze.envs.terrain import SUMMARIES, make_vector
from spreeze.envs.terrain.mirror import exchanged
from spreeze.envs.terrain.options import TerrainOptions

NAME = "walker2d-terrain"
LEGS = exchanged(9, ((3, 3),))
"""Of positions and velocities of the model."""


@pytest.mark.parametrize("name", SUMMARIES)
@pytest.mark.parametrize("senses", ["blind", "map", "all"])
@pytest.mark.parametrize("clock", ["learned", "fixed"])
def test_mirrored_twice_is_the_same(name: str, senses: Any, clock: Any) -> None:
    environment = registry.environment(name)
    assert environment.mirror is not None
    options = TerrainOptions(senses=senses, clock=clock)
    vector = environment.make_vector(options, 1, 0)
    for (index, sign), space in zip(
        environment.mirror(options), (vector.reset()[0], vector.action_space.sample()), strict=True
    ):
        values = np.arange(len(space), dtype=np.float32)
        once = sign * values[index]
        assert len(index) == len(space) and (once != values).any()
        np.testing.assert_array_equal(sign * once[index], values)


@pytest.mark.parametrize("terrain", ["flat", "stairs", "ridges"])
def test_a_mirrored_state_gives_mirrored_physics_and_the_mirrored_observation(terrain: Any) -> None:
    options = TerrainOptions(terrain=terrain, noise=False, randomise=False, depth="always")
    environment = registry.environment(NAME)
    assert environment.mirror is not None
    seen, chosen = environment.mirror(options)
    one, other = (make_vector(NAME, options, 1, 4) for _ in range(2))
    one.reset(), other.reset()
    for name in ("qpos", "qvel"):
        getattr(other.simulations, name)[:] = getattr(one.simulations, name)[:, LEGS]
    other.clock.phase[:] = (one.clock.phase + 0.5) % 1
    random = np.random.default_rng(0)
    for _ in range(25):
        action = random.uniform(-0.25, 0.25, (1, 9))
        moment, mirrored = one.step(action), other.step(action[:, chosen[0]] * chosen[1])
        np.testing.assert_allclose(other.simulations.qpos, one.simulations.qpos[:, LEGS], atol=1e-6)
        expected = moment.observation[:, seen[0]] * seen[1]
        np.testing.assert_allclose(mirrored.observation, expected, atol=2e-4)
        np.testing.assert_allclose(mirrored.reward, moment.reward, atol=1e-4)
        assert mirrored.terminated[0] == moment.terminated[0]
        if moment.terminated[0]:
            break
