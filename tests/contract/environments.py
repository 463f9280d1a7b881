"""Two tiny environments whose best behaviour is known exactly: `LINE`, and `FAMILY` of four tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from spreeze.environment import Environment, Transition
from spreeze.envs.vector import SyncVector

MOTION = np.array([[0.8, 0.2], [-0.2, 0.8]], np.float32)
PUSH = np.array([0.1, 0.3], np.float32)
"""x' = MOTION x + PUSH a."""
GOAL = np.array([0.5, -0.25], np.float32)
"""The reward of action a in state x is -(a - GOAL x)^2."""
EPISODE = 10
"""Steps after which an episode is truncated."""
TASKS = np.array([-0.6, -0.2, 0.2, 0.6], np.float32)
"""Of the family: the reward of action a in task k is -(a - TASKS[k])^2."""


@dataclass(frozen=True)
class NoOptions:
    """Nothing to choose."""


class Line(gymnasium.Env[Any, Any]):
    """A linear system with a quadratic reward; deterministic after its reset."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x, self.steps = self.np_random.uniform(-1, 1, 2).astype(np.float32), 0
        return self.x, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = -float((action[0] - GOAL @ self.x) ** 2)
        self.x = MOTION @ self.x + PUSH * action[0]
        self.steps += 1
        return self.x, reward, False, self.steps >= EPISODE, {}


class Family:
    """Environments of which each plays the task that it is given; the observation says nothing of the task."""

    observation_space: gymnasium.Space[Any] = Box(-1.0, 1.0, (1,), np.float32)
    action_space: gymnasium.Space[Any] = Box(-1.0, 1.0, (1,), np.float32)
    tasks = len(TASKS)

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.task = count, np.zeros(count, np.int64)

    def begin(self, task: np.ndarray) -> np.ndarray:
        """Begin an episode of task[n] in environment n."""
        self.task = task
        return self.reset()

    def reset(self) -> np.ndarray:
        return np.zeros((self.count, 1), np.float32)

    def step(self, actions: np.ndarray) -> Transition:
        never = np.zeros(self.count, bool)
        return Transition(self.reset(), -((actions[:, 0] - TASKS[self.task]) ** 2), never, never)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"task": self.task}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        return self.begin(state["task"])

    def close(self) -> None:
        """Nothing is held."""


def _undrawn(options: NoOptions) -> gymnasium.Env[Any, Any]:
    raise NotImplementedError("these environments have no picture")


LINE = Environment("a linear system", NoOptions, lambda _, count, seed: SyncVector("line", Line, count, seed), _undrawn)
FAMILY = Environment("four tasks", NoOptions, lambda _, count, seed: Family(count, seed), _undrawn)
