"""Several episodes of one task as one: what a recurrent policy needs to learn to adapt by its memory alone."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Space

from spreeze.contract import TaskFamily, Tasks, Transition
from spreeze.spaces import ActionScale


def told_space(observation: Space[Any], action: Space[Any]) -> Box:
    """Of (s, previous action, previous reward, whether an episode begins): (O + A + 2,)."""
    assert observation.shape is not None and action.shape is not None
    return Box(-np.inf, np.inf, (observation.shape[0] + action.shape[0] + 2,), np.float32)


class Trials:
    """N trials side by side: `episodes` episodes of a task, cut once at their end; a new task follows."""

    def __init__(
        self, family: TaskFamily, tasks: Tasks, episodes: int, choose: Callable[[int, int], np.ndarray]
    ) -> None:
        """Play tasks that `choose(number of the trial, N)` gives (N,), on the environments of `family`."""
        self._family, self._tasks, self._episodes, self._choose = family, tasks, episodes, choose
        self.count, self.action_space = family.count, family.action_space
        self.observation_space: Space[Any] = told_space(family.observation_space, family.action_space)
        self.scale = ActionScale(family.action_space)
        self._progress = np.zeros(3, np.int64)
        """Trials begun, steps of this one, whether the next step begins another."""
        self._task, self._never = np.zeros(self.count, np.int64), np.zeros(self.count, bool)

    def reset(self) -> np.ndarray:
        """Begin a trial of new tasks; return the observations (N, O + A + 2)."""
        self._task = self._choose(int(self._progress[0]), self.count)
        self._progress[:] = self._progress[0] + 1, 0, 0
        return self._begin(np.zeros((self.count, self.actions), np.float32), np.zeros(self.count, np.float32))

    def step(self, actions: np.ndarray) -> Transition:
        """Step with `actions` (N, A), in the units of the action space."""
        if self._progress[2]:
            return Transition(self.reset(), np.zeros(self.count, np.float32), self._never, self._never)
        seen, reward, _, _ = self._family.step(actions)
        self._progress[1] += 1
        whole, part = divmod(int(self._progress[1]), self._tasks.episode_steps)
        ended = whole == self._episodes
        self._progress[2] = ended
        chosen = self.scale.from_env(actions)
        told = self._told(seen, chosen, reward, 0) if part or ended else self._begin(chosen, reward)
        return Transition(told, reward.copy(), self._never, np.full(self.count, ended))

    def state(self) -> Mapping[str, np.ndarray]:
        """What `load_state` needs to go on to the bit."""
        own = {
            "trial/progress": self._progress.copy(),
            "trial/task": self._task.copy(),
            "trial/seen": self._seen.copy(),
        }
        return {**self._family.state(), **own}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on where `state` was taken; return the observations of that moment."""
        self._family.load_state({name: array for name, array in state.items() if not name.startswith("trial/")})
        self._progress, self._task, self._seen = (state[f"trial/{n}"].copy() for n in ("progress", "task", "seen"))
        return self._seen

    def close(self) -> None:
        """Release what the environments hold."""
        self._family.close()

    @property
    def actions(self) -> int:
        """A."""
        return int(cast(Box, self.action_space).shape[0])

    def _begin(self, action: np.ndarray, reward: np.ndarray) -> np.ndarray:
        return self._told(self._family.begin(self._task), action, reward, 1)

    def _told(self, seen: np.ndarray, action: np.ndarray, reward: np.ndarray, begins: int) -> np.ndarray:
        flag = np.full((self.count, 1), begins)
        self._seen = np.concatenate((seen, action, reward[:, None], flag), axis=1, dtype=np.float32)
        return self._seen
