"""Small tasks that need what a plain vector and a memoryless policy do not have."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete

from spreeze.envs._gymnasium import gymnasium_environment


class Recall(gymnasium.Env[np.ndarray, np.int64]):
    """The first observation shows one of two cues; after a gap without any, acting like the cue gives 1, else -1."""

    observation_space = Box(-1.0, 1.0, (3,), np.float32)
    action_space = Discrete(2)
    GAP = 5

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.cue, self.steps = int(self.np_random.integers(2)), 0
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        over = self.steps == self.GAP
        reward = (1.0 if action == self.cue else -1.0) if over else 0.0
        self.steps += 1
        return self._seen(), reward, over, False, {}

    def _seen(self) -> np.ndarray:
        shown = (2 * self.cue - 1) if self.steps == 0 else 0
        return np.array([shown, self.steps == 0, self.steps == self.GAP], np.float32)


class Doors(gymnasium.Env[dict[str, Any], np.int64]):
    """Of ten doors three are open, as the mask says; the best one has the largest number. A closed one is an error."""

    observation_space = Dict({"action_mask": Box(0, 1, (10,), np.int8), "room": Discrete(2)})
    action_space = Discrete(10)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self._draw(), {}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        if action not in self.open:
            raise ValueError(f"door {action} is closed; open are {self.open}")
        reward = float(action == max(self.open))
        self.steps += 1
        return self._draw(), reward, False, self.steps == 10, {}

    def _draw(self) -> dict[str, Any]:
        self.open = sorted(self.np_random.choice(10, 3, replace=False).tolist())
        mask = np.zeros(10, np.int8)
        mask[self.open] = 1
        return {"action_mask": mask, "room": int(self.np_random.integers(2))}


class Compass(gymnasium.Env[dict[str, Any], np.ndarray]):
    """A dictionary of where one stands and where the goal is; the step (continuous) that leads there gives most."""

    observation_space = Dict({"goal": Box(-1.0, 1.0, (2,), np.float32), "place": Box(-1.0, 1.0, (2,), np.float32)})
    action_space = Box(-1.0, 1.0, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self.goal, self.place, self.steps = *self.np_random.uniform(-0.5, 0.5, (2, 2)), 0
        return self._seen(), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self.place = np.clip(self.place + 0.2 * action, -1, 1)
        self.steps += 1
        return self._seen(), -float(np.linalg.norm(self.place - self.goal)), False, self.steps == 10, {}

    def _seen(self) -> dict[str, Any]:
        return {"goal": self.goal.astype(np.float32), "place": self.place.astype(np.float32)}


for name in ("Recall", "Doors", "Compass"):
    gymnasium.register(f"Tasks/{name}-v0", f"{__name__}:{name}")
RECALL, DOORS, COMPASS = (
    gymnasium_environment(f"Tasks/{name}-v0", "a task of the tests") for name in ("Recall", "Doors", "Compass")
)
