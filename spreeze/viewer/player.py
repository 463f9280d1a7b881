"""Single episodes of one environment under a policy, for viewers and videos."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch

from spreeze.contract import Policy, Step
from spreeze.errors import EnvironmentFault
from spreeze.spaces import ActionScale, action_field, in_one_array, observation_field


class Player:
    """Steps one environment with a policy; an episode is over when `done`."""

    def __init__(self, env: gymnasium.Env[Any, Any], policy: Policy, mode: str) -> None:
        self.env, self.policy, self.mode = env, policy, mode
        self._scale, self._field = ActionScale(env.action_space), action_field(env.action_space)
        self._seen = observation_field(env.observation_space)
        self.done, self.length, self.total = True, 0, 0.0

    def reset(self, seed: int) -> None:
        """Begin an episode."""
        self._observation, _ = self.env.reset(seed=seed)
        self._action, self._reward = np.zeros((1, *self._field.shape), self._field.dtype), 0.0
        self._state = self.policy.initial_state(1)
        self.done, self.length, self.total = False, 0, 0.0

    @torch.inference_mode()
    def step(self) -> None:
        """Take one step.

        Raises:
            EnvironmentFault: the reward is NaN or infinite.
        """
        seen = np.asarray(in_one_array(self.env.observation_space, self._observation), self._seen.dtype)[None]
        told = (seen, self._action, np.array([self._reward], np.float32), np.array([self.length == 0]))
        chosen, self._state, _ = self.policy.act(Step(*map(torch.from_numpy, told)), self._state, self.mode)
        self._action = chosen.numpy()
        self._observation, reward, terminated, truncated, _ = self.env.step(self._scale.to_env(self._action)[0])
        self._reward = float(reward)
        if not np.isfinite(self._reward):
            raise EnvironmentFault(f"the reward of step {self.length} is {self._reward}")
        self.length, self.total, self.done = self.length + 1, self.total + self._reward, terminated or truncated
