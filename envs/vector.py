"""Environments stepped together in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np

from spreeze.environment import Transition
from spreeze.envs._actions import ActionLog
from spreeze.errors import CheckpointError, EnvironmentFault
from spreeze.spaces import action_field, in_one_array, observation_field

_PLAIN_NUMBERS = frozenset({float, int, np.float64, np.float32})


def episode_seed(seed: int, index: int, episode: int) -> int:
    """Return the seed, in [0, 2^32), from which episode `episode` of environment `index` is reset."""
    return int(np.random.SeedSequence([seed, index, episode]).generate_state(1)[0])


def place(name: str, index: int, seed: int, step: int) -> str:
    """Return what messages call a step of environment `index` in the episode that began from `seed`."""
    return f"environment '{name}', index {index}, episode seed {seed}, step {step}"


def fault(where: str, complaint: str, action: np.ndarray) -> EnvironmentFault:
    """Return the fault of a `place`, which also says so if `action`, the last one there, is not finite."""
    cause = "" if np.isfinite(action).all() else "; the action it was given is not finite either"
    return EnvironmentFault(f"{where}, {complaint}{cause}")


def not_finite(field: str, value: np.ndarray) -> str:
    """Return the complaint about one environment's `value` of a field."""
    return f"returned the {field} {np.array2string(value, threshold=20)}, which is not finite"


def first_not_finite(values: np.ndarray) -> int:
    """Return the first environment whose `values` (N, ...) are not all finite."""
    return int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(axis=1)))


def empty_transition(count: int, shape: tuple[int, ...], dtype: np.dtype) -> Transition:
    """Return arrays for the transitions of `count` environments whose observations have `shape` and `dtype`."""
    observation = np.zeros((count, *shape), dtype)
    return Transition(observation, np.zeros(count, np.float32), np.zeros(count, bool), np.zeros(count, bool))


class SyncVector:
    """N Gymnasium environments stepped one after the other, as `VectorEnv` says.

    What `reset` and `step` return lives in two sets of arrays used by turns: a transition stays as it is until the
    step after the next one begins. Continuation by `state` and `load_state` replays the actions of the running
    episodes, exact for environments that are deterministic for a given reset seed.
    """

    def __init__(self, name: str, make: Callable[[], gymnasium.Env[Any, Any]], count: int, seed: int) -> None:
        """Make `count` environments; `name` is what messages call them.

        Raises:
            UnsupportedSpace: the observation or action space is not an array or a number.
        """
        self._name, self._seed, self.count = name, seed, count
        self._envs = [make() for _ in range(count)]
        self._steps = [env.step for env in self._envs]
        self.observation_space = self._envs[0].observation_space
        self.action_space = self._envs[0].action_space
        field = observation_field(self.observation_space)
        self._shape, self._dtype = field.shape, np.dtype(field.dtype)
        self._discrete = isinstance(self.action_space, gymnasium.spaces.Discrete)
        self._actions_shape = (count, *action_field(self.action_space).shape)
        self._log = ActionLog(count, self._actions_shape[1:], np.dtype(self.action_space.dtype))
        self._episodes = [-1] * count
        self._due = np.zeros(count, bool)
        self._turns = [empty_transition(count, self._shape, self._dtype) for _ in range(2)]

    def reset(self) -> np.ndarray:
        """Begin a new episode in every environment; return the observations (N, ...)."""
        observation = self._turn().observation
        self._due[:] = False
        for index in range(self.count):
            observation[index] = self._begin(index)
        self._check_finite("observation", observation)
        return observation

    def step(self, actions: np.ndarray) -> Transition:
        """Step with `actions` (N, ...), in the units of the action space.

        Raises:
            EnvironmentFault: an environment returned NaN, infinity or a wrong shape.
        """
        batch = self._checked(actions)
        self._log.append(batch)
        transition = observation, reward, terminated, truncated = self._turn()
        index, due, shape = 0, self._due.tolist(), self._shape
        for index in np.flatnonzero(self._due).tolist():
            observation[index] = self._begin(index)
            reward[index], terminated[index], truncated[index] = 0.0, False, False
        try:
            for index, action in enumerate(self._native(batch)):
                if due[index]:
                    continue
                seen, gain, terminated[index], truncated[index], _ = self._steps[index](action)
                if getattr(seen, "shape", None) != shape:
                    seen = self._array(index, "observation", seen, shape)
                observation[index] = seen
                reward[index] = gain if type(gain) in _PLAIN_NUMBERS else self._array(index, "reward", gain, ())
        except EnvironmentFault:
            raise
        except Exception as error:
            error.add_note(f"raised by {self._where(index)}")
            raise
        np.logical_or(terminated, truncated, out=self._due)
        self._check_finite("reward", reward)
        self._check_finite("observation", observation)
        return transition

    def state(self) -> Mapping[str, np.ndarray]:
        """What `load_state` needs to go on to the bit, once `reset` was called.

        `seed` (1,); of each environment: `episode` (N,), its number; `due` (N,) bool, whether the next step resets;
        `lengths` (N,) and `actions` (N, T, ...), what it did since its episode began.
        """
        return {
            "seed": np.array([self._seed], np.int64),
            "episode": np.array(self._episodes, np.int64),
            "due": self._due.copy(),
            **self._log.state(),
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on where `state` was taken, with the seed of then; return the observations (N, ...) of that moment.

        Raises:
            CheckpointError: the state belongs to another number of environments, action space or engine.
        """
        if "actions" not in state:
            raise CheckpointError(
                f"the saved state of '{self._name}' has no actions: it is not of the gymnasium engine; "
                "resume with sampler_engine: native in the run's config.yaml"
            )
        actions = state["actions"]
        if (actions.shape[0], *actions.shape[2:]) != self._actions_shape:
            raise CheckpointError(
                f"saved actions {actions.shape} (environments, steps, ...) do not fit {self.count} x '{self._name}'"
            )
        self._seed = int(state["seed"][0])
        self._episodes = [int(episode) - 1 for episode in state["episode"]]
        observation = self._turn().observation
        for index, length in enumerate(state["lengths"]):
            observation[index], ended = self._replay(index, actions[index, :length])
            self._due[index] = ended or state["due"][index]
        self._log.load_state(actions, state["lengths"])
        return observation

    def close(self) -> None:
        """Release what the environments hold."""
        for env in self._envs:
            env.close()

    def _turn(self) -> Transition:
        self._turns.reverse()
        return self._turns[0]

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        # A copy: environments may keep or change the action they are given.
        batch = np.array(actions, self.action_space.dtype)
        if batch.shape != self._actions_shape:
            raise ValueError(f"actions have shape {batch.shape}, '{self._name}' takes {self._actions_shape}")
        return batch

    def _native(self, actions: np.ndarray) -> Iterable[Any]:
        return actions.tolist() if self._discrete else actions

    def _begin(self, index: int) -> np.ndarray:
        self._episodes[index] += 1
        self._log.begin(index)
        try:
            seen, _ = self._envs[index].reset(seed=self._episode_seed(index))
        except Exception as error:
            error.add_note(f"raised by {self._where(index)}")
            raise
        return self._array(index, "observation", seen, self._shape)

    def _replay(self, index: int, actions: np.ndarray) -> tuple[np.ndarray, bool]:
        seen, ended = self._begin(index), False
        for action in self._native(actions.copy()):
            seen, _, terminated, truncated, _ = self._steps[index](action)
            ended = bool(terminated or truncated)
            if ended:
                break
        return self._array(index, "observation", seen, self._shape), ended

    def _array(self, index: int, field: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
        try:
            if field == "observation":
                array = np.asarray(in_one_array(self.observation_space, value), self._dtype)
            else:
                array = np.asarray(value, np.float32)
        except KeyError as error:
            raise self._fault(index, f"returned an observation without the entry {error}") from None
        except (TypeError, ValueError):
            raise self._fault(index, f"returned the {field} {value!r:.200}, which is not numeric") from None
        if value is None or array.shape != shape:
            complaint = f"{value!r:.200} of shape {array.shape}, declared is {shape}"
            raise self._fault(index, f"returned the {field} {complaint}")
        return array

    def _check_finite(self, field: str, values: np.ndarray) -> None:
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            index = first_not_finite(values)
            raise self._fault(index, not_finite(field, values[index]))

    def _fault(self, index: int, complaint: str) -> EnvironmentFault:
        return fault(self._where(index), complaint, self._log.of(index)[-1:])

    def _where(self, index: int) -> str:
        return place(self._name, index, self._episode_seed(index), self._log.length(index))

    def _episode_seed(self, index: int) -> int:
        return episode_seed(self._seed, index, self._episodes[index])
