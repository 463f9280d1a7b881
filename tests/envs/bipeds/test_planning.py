"""What planners observe, against the template's equations."""

import numpy as np
import pytest
from gymnasium.spaces import Dict

from spreeze.algorithms.alip import template
from spreeze.envs.bipeds import make_vector
from spreeze.envs.bipeds.options import WalkingOptions
from spreeze.envs.bipeds.planning import later


def test_the_momentum_at_touch_down_by_hand() -> None:
    found = later(np.array([[0.5]]), np.array([[0.1]]), np.array([[2.0]]), np.array([[0.5]]))
    assert found[0, 0] == pytest.approx(0.5 * 1.5430806348 + 2 * 1.1752011936 * 0.1)


@pytest.mark.parametrize("name", ["rabbit", "digit"])
def test_the_momentum_at_touch_down_is_the_template_s(name: str) -> None:
    vector = make_vector(name, WalkingOptions(), 3, 0)
    space = vector.observation_space
    assert isinstance(space, Dict)
    middle = np.tile((vector.scheme.action_space.low + vector.scheme.action_space.high) / 2, (3, 1))
    vector.reset()
    seen = [vector.step(middle).observation for _ in range(5)][-1].astype(float)
    edges = np.cumsum([0, *(part.shape[0] for part in space.values() if part.shape)])
    entry = {key: seen[:, begin:end] for key, begin, end in zip(space, edges, edges[1:], strict=False)}
    rate, left = entry["template"][:, :1], entry["left"]
    _, expected = template.later(entry["mass_center"], entry["momentum"], rate, left)
    np.testing.assert_allclose(entry["touch_down"], expected, atol=1e-5)
    assert (left > 0).all() and np.abs(expected - entry["momentum"]).max() > 1e-3
    vector.close()
