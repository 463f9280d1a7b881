"""Minibatches in C do what autograd does, from the loss to the optimiser's moments."""

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor

from spreeze.algorithms.ppo import PPOConfig, PPOPart, learner, native
from spreeze.contract import EnvironmentSpec, LearnerSetup

CONFIG = PPOConfig(hidden=(24, 40), entropy_weight=0.01, epochs=2, max_gradient_norm=0.3)
pytestmark = pytest.mark.skipif(native.library() is None, reason="there is no C compiler")


def part_of(config: PPOConfig, batch: int, without: bool = False) -> PPOPart:
    spec = EnvironmentSpec(Box(-np.inf, np.inf, (11,), np.float32), Box(-1.0, 1.0, (3,), np.float32))
    part = learner(spec, config, LearnerSetup({"*": torch.device("cpu")}, 0, {}), batch)["ppo"]
    assert isinstance(part, PPOPart) and part.native is not None
    if without:
        part.native = None
    return part


def batch_of(rows: int) -> dict[str, Tensor]:
    """Segments of random numbers; ratios on either side of the clip, some rows without a transition."""
    random = torch.Generator().manual_seed(1)
    seen = torch.randn(rows + 1, 2, 11, generator=random)
    flags = {name: torch.rand(rows, 2, generator=random) < 0.05 for name in ("terminated", "truncated", "is_first")}
    return flags | {
        "observation": seen[:-1],
        "next_observation": seen[1:],
        "reward": torch.randn(rows, 2, generator=random),
        "choice": torch.randn(rows, 2, 3, generator=random),
        "log_probability": -4 + torch.randn(rows, 2, generator=random),
        "version": torch.zeros(rows, 2),
        "valid": (torch.rand(rows, 2, generator=random) < 0.9).to(torch.uint8),
    }


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("rows", "batch"), [(3, 2), (40, 16), (700, 600)])
def test_an_update_is_that_of_autograd(activation: str, rows: int, batch: int) -> None:
    config = dataclasses.replace(CONFIG, activation=activation, anneal=2 * rows)  # type: ignore[arg-type]
    parts = part_of(config, batch), part_of(config, batch, without=True)
    for _ in range(2):
        mine, theirs = (part.update({"segments": batch_of(rows)}) for part in parts)
        for name in theirs:
            torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5)
    for own, other in zip(parts[0].weights, parts[1].weights, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)
    states = [part.state() for part in parts]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("to_native", [False, True])
def test_a_state_goes_on_on_the_other_side(to_native: bool) -> None:
    first, second = part_of(CONFIG, 16, without=to_native), part_of(CONFIG, 16, without=not to_native)
    first.update({"segments": batch_of(40)})
    second.load_state(first.state())
    for part in (first, second):
        part.update({"segments": batch_of(40)})
    for own, other in zip(first.weights, second.weights, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_what_is_not_finite_stays_so() -> None:
    part, batch = part_of(CONFIG, 16), batch_of(40)
    batch["choice"][3] = torch.nan
    batch["valid"][3] = 1
    metrics = part.update({"segments": batch})
    assert not np.isfinite(float(metrics["loss/actor"]))
    assert not all(bool(torch.isfinite(weight).all()) for weight in part.weights)
