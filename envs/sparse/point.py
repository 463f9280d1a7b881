"""A point in the plane, rewarded within 0.3 of a goal on the unit half circle; all N of them in NumPy.

Each axis moves by at most 0.1 a step. The noisy variant observes a third number: uniform noise near (0, -1), opposite
the goals, and 0 elsewhere. It says nothing of the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from spreeze.environment import Environment, Sketch, Transition
from spreeze.envs.sparse.picture import PointPicture
from spreeze.envs.sparse.tasks import Assignment, FamilyOptions, TaskList, half_circle
from spreeze.envs.vector import empty_transition, episode_seed, fault, first_not_finite, not_finite, place
from spreeze.errors import CheckpointError

STEPS = 32
STRIDE = 0.1
"""Largest move along an axis in a step."""
REACH = 0.3
"""Rewarded are points so near the goal, with 1 less their distance."""
GOAL_SEED = 1337
NOISE_PLACE, NOISE_REACH, NOISE_HIGH = np.array([0.0, -1.0]), 0.3, 4.0
"""Where the noise is observed, and its upper bound."""
_SAVED = ("seed", "episode", "elapsed", "due", "position", "noise", "task", "given")


class PointVector:
    """N points; a `TaskFamily`. Arrays of a transition are used by turns, as `SyncVector` does."""

    def __init__(self, name: str, tasks: TaskList, options: FamilyOptions, count: int, seed: int, noisy: bool) -> None:
        self._name, self.count, self._noisy = name, count, noisy
        size = 3 if noisy else 2
        self.observation_space: gymnasium.Space[Any] = Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space: gymnasium.Space[Any] = Box(-STRIDE, STRIDE, (2,), np.float32)
        self.assignment = Assignment(tasks, options.tasks, count)
        self._seed, self._episode = np.array([seed]), np.full(count, -1)
        self._elapsed, self._due = np.zeros(count, np.int64), np.zeros(count, bool)
        self.position = np.zeros((count, 2))
        self._noise = np.zeros((count, STEPS + 1))
        self._turns = [empty_transition(count, (size,), np.dtype(np.float32)) for _ in range(2)]

    def begin(self, task: np.ndarray) -> np.ndarray:
        """As `TaskFamily` says."""
        self.assignment.give(task)
        return self.reset()

    def reset(self) -> np.ndarray:
        """Begin a new episode in every environment; return the observations (N, O)."""
        self._due[:] = False
        self._begin(np.arange(self.count))
        return self._observe(self._turn())

    def step(self, actions: np.ndarray) -> Transition:
        """Move by `actions` (N, 2), clipped to the stride.

        Raises:
            EnvironmentFault: an action is not finite.
        """
        moves = self._checked(actions)
        transition, due = self._turn(), self._due.nonzero()[0]
        self._elapsed += 1
        self.position += np.clip(moves, -STRIDE, STRIDE)
        transition.reward[:] = reward(self.position, self.assignment.values)
        np.greater_equal(self._elapsed, STEPS, out=transition.truncated)
        if due.size:
            self._begin(due)
            transition.reward[due], transition.truncated[due] = 0.0, False
        self._due[:] = transition.truncated
        self._observe(transition)
        return transition

    def state(self) -> Mapping[str, np.ndarray]:
        """Episodes, positions, noise to come and tasks, each (N, ...)."""
        return {name: value.copy() for name, value in zip(_SAVED, self._arrays(), strict=True)}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on where `state` was taken; return the observations (N, O).

        Raises:
            CheckpointError: it belongs to something else, or to another number of environments.
        """
        for name, own in zip(_SAVED, self._arrays(), strict=True):
            if name not in state or state[name].shape != own.shape:
                raise CheckpointError(f"the saved state does not fit {self.count} x '{self._name}': {name}")
        for name, own in zip(_SAVED, self._arrays(), strict=True):
            own[...] = state[name]
        self.assignment.restore(state["task"], state["given"])
        return self._observe(self._turn())

    @property
    def sketch(self) -> Sketch:
        """As `Sketched` says."""
        places = {"noise": (tuple(NOISE_PLACE.tolist()), NOISE_REACH)} if self._noisy else {}
        goals = tasks(self._noisy).values
        return Sketch(("x", "y"), lambda observation: observation[..., :2], goals, REACH, places=places)

    def close(self) -> None:
        """Nothing is held."""

    def _arrays(self) -> tuple[np.ndarray, ...]:
        own = (self._seed, self._episode, self._elapsed, self._due, self.position, self._noise)
        return *own, self.assignment.number, self.assignment.given

    def _turn(self) -> Transition:
        self._turns.reverse()
        return self._turns[0]

    def _begin(self, indices: np.ndarray) -> None:
        self._episode[indices] += 1
        self._elapsed[indices], self.position[indices] = 0, 0.0
        for index in indices.tolist():
            if self._noisy or not self.assignment.given[index]:
                random = np.random.default_rng(self._episode_seed(index))
                self.assignment.draw(index, random)
                self._noise[index] = random.uniform(0, NOISE_HIGH, STEPS + 1)

    def _observe(self, transition: Transition) -> np.ndarray:
        observation = transition.observation
        observation[:, :2] = self.position
        if self._noisy:
            now = self._noise[np.arange(self.count), self._elapsed]
            observation[:, 2] = np.where(near_noise(self.position), now, 0.0)
        return observation

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        moves = np.asarray(actions, np.float64)
        if moves.shape != (self.count, 2):
            raise ValueError(f"actions have shape {moves.shape}, '{self._name}' takes {(self.count, 2)}")
        if not np.isfinite(moves).all():
            index = first_not_finite(moves)
            where = place(self._name, index, self._episode_seed(index), int(self._elapsed[index]))
            raise fault(where, not_finite("position", self.position[index] + moves[index]), moves[index])
        return moves

    def _episode_seed(self, index: int) -> int:
        return episode_seed(int(self._seed[0]), index, int(self._episode[index]))


def reward(position: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """1 - d (N,) for positions (N, 2) at a distance d <= 0.3 from their goals (N, 2), else 0."""
    distance = np.sqrt(np.square(position - goal).sum(axis=1))
    return np.where(distance <= REACH, 1.0 - distance, 0.0)


def near_noise(position: np.ndarray) -> np.ndarray:
    """(...,) bool: whether positions (..., 2) are where noise is observed."""
    near: np.ndarray = np.square(position - NOISE_PLACE).sum(axis=-1) <= NOISE_REACH**2
    return near


@cache
def tasks(noisy: bool) -> TaskList:
    """Goals (K, 2) on the half circle: 40 to learn from, of the noisy variant 80, and 20 held out."""
    train = 80 if noisy else 40
    return TaskList(half_circle(train + 20, 1.0, GOAL_SEED), 20, STEPS)


def family(name: str, summary: str) -> Environment:
    """The plug-in of either variant."""
    noisy = name.endswith("noise")

    def make_vector(options: FamilyOptions, count: int, seed: int) -> PointVector:
        return PointVector(name, tasks(noisy), options, count, seed, noisy)

    return Environment(
        summary,
        FamilyOptions,
        make_vector,
        lambda options: PointPicture(partial(make_vector, options, 1)),
        tasks=lambda options: tasks(noisy).counts,
    )
