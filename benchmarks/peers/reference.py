"""The policy that drives every side of the sampling benchmark, with numpy alone: peers' environments import it too.

a = tanh(mean(o) + std noise): two hidden layers of 256 with ReLU, one std for all. The last layer is small, so that
actions stay healthy: a policy that saturates, or is NaN, changes the states visited and with them the speed of physics.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

HIDDEN, STD = 256, 0.5
OUTPUT_SCALE = 0.1
"""Of the last layer, beside the usual uniform initialisation."""
SATURATED = 0.99
"""An action of this size counts as saturated."""

Weights = Mapping[str, np.ndarray]


def make_weights(observations: int, actions: int, seed: int) -> dict[str, np.ndarray]:
    """Return `w0, b0, w1, b1, w2, b2` (float32; w of shape (inputs, outputs)) and `log_std`, drawn from `seed`."""
    random, weights = np.random.default_rng(seed), {}
    for layer, (inputs, outputs) in enumerate([(observations, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, actions)]):
        bound = (OUTPUT_SCALE if layer == 2 else 1.0) / np.sqrt(inputs)
        weights[f"w{layer}"] = random.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
        weights[f"b{layer}"] = random.uniform(-bound, bound, outputs).astype(np.float32)
    return weights | {"log_std": np.float32(np.log(STD)).reshape(1)}


def load_weights(path: Path) -> dict[str, np.ndarray]:
    """Read what `numpy.savez` wrote of `make_weights`."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


class Policy:
    """Acts for up to `batch` environments at once, in buffers that are used again."""

    def __init__(self, weights: Weights, batch: int, seed: int) -> None:
        self._weights, self._random = weights, np.random.default_rng(seed)
        self._std = float(np.exp(weights["log_std"][0]))
        self._hidden = [np.empty((batch, HIDDEN), np.float32) for _ in range(2)]
        self._action = np.empty((batch, weights["w2"].shape[1]), np.float32)
        self._noise = np.empty_like(self._action)

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Return actions (N, A) in (-1, 1), valid until the next call, for observations (N, O) of any float type."""
        count, x = len(observation), observation.astype(np.float32, copy=False)
        for layer, buffer in enumerate(self._hidden):
            out = buffer[:count]
            np.matmul(x, self._weights[f"w{layer}"], out=out)
            out += self._weights[f"b{layer}"]
            x = np.maximum(out, 0, out=out)
        action, noise = self._action[:count], self._noise[:count]
        np.matmul(x, self._weights["w2"], out=action)
        action += self._weights["b2"]
        self._random.standard_normal(dtype=np.float32, out=noise)
        noise *= self._std
        action += noise
        return np.tanh(action, out=action)


class Watch:
    """What is seen of a side while it samples: whether all is finite, and how large its actions are."""

    def __init__(self) -> None:
        self.steps = self.ended = 0
        self._size = self._saturated = self._reward = 0.0

    def see(self, observation: np.ndarray, action: np.ndarray, reward: np.ndarray) -> None:
        """Account some rows: observations (N, O), actions (N, A) in [-1, 1], rewards (N,).

        Raises:
            FloatingPointError: one of them is not finite.
        """
        for name, values in (("observation", observation), ("action", action), ("reward", reward)):
            if not np.isfinite(values).all():
                raise FloatingPointError(f"an {name} is not finite")
        size = np.abs(action)
        self.steps += len(reward)
        self._size += float(size.mean()) * len(reward)
        self._saturated += float((size > SATURATED).mean()) * len(reward)
        self._reward += float(reward.sum())

    def means(self) -> dict[str, float]:
        """Return the mean size of an action, the share of saturated ones, and the mean reward."""
        steps = max(self.steps, 1)
        return {"action": self._size / steps, "saturated": self._saturated / steps, "reward": self._reward / steps}


def scaled(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return actions (N, A) of [-1, 1] in the units of a space between `low` and `high` (A,)."""
    return np.asarray(low + 0.5 * (action + 1.0) * (high - low), np.float32)
