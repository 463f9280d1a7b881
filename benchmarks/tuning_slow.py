"""`tuning_slow:SlowPendulum-v0`: the pendulum, every step of which keeps a core busy for 5 ms."""

import time
from typing import Any

import gymnasium
import numpy as np

STEP_S = 5e-3


class Slow(gymnasium.Wrapper[np.ndarray, np.ndarray, np.ndarray, np.ndarray]):
    """Computes in vain after every step."""

    def step(self, action: np.ndarray) -> Any:
        """Step, and return no earlier than `STEP_S` later."""
        until = time.perf_counter() + STEP_S
        result = self.env.step(action)
        while time.perf_counter() < until:
            pass
        return result


def make(**options: Any) -> Slow:
    """Make one."""
    return Slow(gymnasium.make("Pendulum-v1", **options).unwrapped)


gymnasium.register("SlowPendulum-v0", make, max_episode_steps=200)
