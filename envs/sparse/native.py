"""Families of tasks on the native engine: simulations that differ in what is rewarded, or in their parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from spreeze.environment import Environment, Sketch
from spreeze.envs.native import load_model, simulate
from spreeze.envs.native.task import Task
from spreeze.envs.native.vector import NativeVector
from spreeze.envs.sparse.tasks import Assignment, FamilyOptions, TaskList
from spreeze.envs.vector import episode_seed
from spreeze.errors import CheckpointError


@dataclass(frozen=True)
class Family:
    """One family on the engine."""

    tasks: TaskList
    task: Callable[[np.ndarray], Task]
    """Rows (N, ...) of tasks, which change in place whenever an episode begins -> what is observed and rewarded."""
    parameters: Callable[[Any, np.ndarray], Mapping[str, np.ndarray]] | None = None
    """(model, rows (K, ...) of tasks) -> values (K, ...) of fields of `MjModel`."""
    timestep: float | None = None
    """Of the physics [s]; None: the model's own."""
    sketch: Sketch | None = None
    """How its tasks are drawn."""

    def environment(self, name: str, summary: str) -> Environment:
        """The plug-in."""

        def make_vector(options: FamilyOptions, count: int, seed: int) -> FamilyVector:
            return FamilyVector(name, self, options, count, seed)

        def make_rendered(options: FamilyOptions) -> gymnasium.Env[Any, Any]:
            from spreeze.envs.sparse.rendering import RenderedFamily

            one = make_vector(options, 1, 0)
            return RenderedFamily(one, one.simulations, one.seconds)

        return Environment(summary, FamilyOptions, make_vector, make_rendered, tasks=lambda options: self.tasks.counts)


class FamilyVector(NativeVector):
    """N simulations of a family; a `TaskFamily`."""

    def __init__(self, name: str, family: Family, options: FamilyOptions, count: int, seed: int) -> None:
        self.assignment, self._parameters = Assignment(family.tasks, options.tasks, count), family.parameters
        self.sketch = family.sketch
        task = family.task(self.assignment.values)
        self._model = load_model(task)
        if family.timestep is not None:
            self._model.opt.timestep = family.timestep
        self.simulations = simulate(task, self._model, count)
        super().__init__(name, task, self.simulations, seed, family.tasks.episode_steps)

    def begin(self, task: np.ndarray) -> np.ndarray:
        """As `TaskFamily` says."""
        self.assignment.give(task)
        return self.reset()

    def begin_with(self, seed: int) -> np.ndarray:
        """Begin the first episode that environments of this seed have; return the observations (N, O)."""
        self._seed[:], self._episodes[:] = seed, -1
        return self.reset()

    @property
    def seconds(self) -> float:
        """Simulated time of a step."""
        return float(self._seconds)

    def state(self) -> Mapping[str, np.ndarray]:
        """As `NativeVector` says, and the tasks."""
        own = {"task": self.assignment.number.copy(), "given": self.assignment.given.copy()}
        return {**super().state(), **own}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """As `NativeVector` says."""
        if "task" not in state or "given" not in state:
            raise CheckpointError(f"the saved state tells no tasks: it is not of '{self._name}'")
        observation = super().load_state(state)
        self.assignment.restore(state["task"], state["given"])
        return observation

    def _begin(self, indices: np.ndarray) -> None:
        for index in indices.tolist():
            seed = episode_seed(int(self._seed[0]), index, int(self._episodes[index]) + 1)
            self.assignment.draw(index, np.random.default_rng([seed, 1]))
        if self._parameters is not None:
            self.set_parameters(self._parameters(self._model, self.assignment.values[indices]), indices)
        super()._begin(indices)


def near(distance: np.ndarray, reach: float, height: float) -> np.ndarray:
    """height - distance (N,) where the distance is at most `reach`, else 0."""
    return np.where(distance <= reach, height - distance, 0.0)
