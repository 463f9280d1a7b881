"""Environments that press Ctrl-C: after a number of steps that the test sets, they send SIGINT to their own process."""

import os
import signal
from typing import Any, ClassVar

import gymnasium

from spreeze.environment import Environment
from spreeze.envs.vector import SyncVector
from tests.contract.environments import Line, NoOptions

LIMIT = 45
"""Steps after which an episode of the pendulum is truncated."""


class Interrupting(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Counts the steps of all its instances down to the interrupt; does nothing below 0."""

    steps_left: ClassVar[int] = -1

    def step(self, action: Any) -> Any:
        """Step, and interrupt at the end of the count."""
        Interrupting.steps_left -= 1
        if Interrupting.steps_left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return self.env.step(action)


def _pendulum() -> gymnasium.Env[Any, Any]:
    return Interrupting(gymnasium.make("Pendulum-v1", max_episode_steps=LIMIT))


def _line() -> gymnasium.Env[Any, Any]:
    return Interrupting(Line())


def _undrawn(options: NoOptions) -> gymnasium.Env[Any, Any]:
    raise NotImplementedError("these environments have no picture")


PENDULUM = Environment(
    "a pendulum", NoOptions, lambda _, count, seed: SyncVector("pendulum", _pendulum, count, seed), _undrawn
)
LINE = Environment("a line", NoOptions, lambda _, count, seed: SyncVector("line", _line, count, seed), _undrawn)
