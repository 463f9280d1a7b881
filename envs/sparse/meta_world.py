"""Meta-World's ML1 families, rewarded only where the task is solved: r = Meta-World's reward if success, else 0.

Goals and split are those of `metaworld.ML1` with one seed: 50 tasks to learn from, and the first 10 of those held out.
The goal is hidden. In reach and reach-wall the place of the puck is observed, is another in every task, and means
nothing: a training task can be told by it. `mask_object` hides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import gymnasium
import numpy as np

from spreeze.environment import Environment, Tasks
from spreeze.envs.sparse.tasks import FamilyOptions
from spreeze.envs.vector import SyncVector
from spreeze.errors import CheckpointError, UsageError

STEPS = 150
"""Of an episode (Meta-World: 500; published: 150)."""
COUNTS = Tasks(train=50, test=10, episode_steps=STEPS)
_SEED = 1337
_OBJECT = [*range(4, 18), *range(22, 36)]
"""Where objects are observed, as they are and as they were a step before."""


@dataclass(frozen=True)
class MetaWorldOptions(FamilyOptions):
    """What can be chosen about a family of Meta-World."""

    mask_object: bool = False
    """Observe zeros instead of the object, whose place tells tasks of reach and reach-wall apart."""
    visible_goal: bool = False
    """Observe the goal, as Meta-World's scripted experts need."""


class MetaWorldEnv(gymnasium.Env[Any, Any]):
    """One simulation; plays the task `given`, or one drawn from the split at every reset."""

    def __init__(self, name: str, options: MetaWorldOptions, render_mode: str | None = None) -> None:
        self._benchmark, self._options = benchmark(name), options
        self._sawyer = self._benchmark.train_classes[name](render_mode=render_mode)
        self.render_mode, self.given, self.succeeded = render_mode, -1, False
        self.action_space = self._sawyer.action_space
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (39,), np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; a task always begins alike."""
        super().reset(seed=seed)
        split = range(COUNTS.train) if self._options.tasks == "train" else COUNTS.held_out
        drawn = int(self.np_random.integers(split.start, split.stop))
        self._enter(drawn if self.given < 0 else self.given)
        self._steps, self.succeeded = 0, False
        return self._seen(self._sawyer.reset()[0]), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move the hand; whether the task is solved is in `info["success"]`, whether it was in `succeeded`."""
        seen, reward, _, _, info = self._sawyer.step(np.asarray(action, np.float32))
        self._steps += 1
        solved = bool(info["success"])
        self.succeeded |= solved
        gained = float(reward) if solved else 0.0
        return self._seen(seen), gained, False, self._steps >= STEPS, {"success": solved}

    def render(self) -> Any:
        """The picture (H, W, 3) uint8."""
        return self._sawyer.render()

    def close(self) -> None:
        """Release what the simulation holds."""
        self._sawyer.close()

    def _enter(self, task: int) -> None:
        tasks = self._benchmark.train_tasks, self._benchmark.test_tasks
        self._sawyer.set_task(tasks[0][task] if task < COUNTS.train else tasks[1][task - COUNTS.train])
        if self._options.visible_goal:
            # A cached property: the bounds to which observations are clipped.
            self._sawyer.__dict__.pop("sawyer_observation_space", None)
            self._sawyer._partially_observable = False

    def _seen(self, observation: np.ndarray) -> np.ndarray:
        seen = observation.copy()
        if self._options.mask_object:
            seen[_OBJECT] = 0.0
        return seen


class MetaWorldVector(SyncVector):
    """N simulations one after the other; a `TaskFamily`."""

    def __init__(self, name: str, options: MetaWorldOptions, count: int, seed: int) -> None:
        self.members: list[MetaWorldEnv] = []

        def make() -> MetaWorldEnv:
            self.members.append(MetaWorldEnv(name, options))
            return self.members[-1]

        super().__init__(name, make, count, seed)

    def begin(self, task: np.ndarray) -> np.ndarray:
        """As `TaskFamily` says; raises ValueError for a task that is none."""
        known = COUNTS.train + COUNTS.test
        if np.shape(task) != (self.count,) or not ((task >= 0) & (task < known)).all():
            raise ValueError(f"tasks {task}: give one of 0 to {known - 1} for each of {self.count} environments")
        self._give(task)
        return self.reset()

    def state(self) -> Mapping[str, np.ndarray]:
        """As `SyncVector` says, and the tasks that were given, -1 for none."""
        return {**super().state(), "given": np.array([member.given for member in self.members])}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """As `SyncVector` says."""
        if "given" not in state:
            raise CheckpointError("the saved state tells no tasks: it is not of Meta-World")
        self._give(state["given"])
        return super().load_state(state)

    def _give(self, task: np.ndarray) -> None:
        for member, number in zip(self.members, task.tolist(), strict=True):
            member.given = number


@cache
def benchmark(name: str) -> Any:
    """`metaworld.ML1` of one name, made once: it takes a second.

    Raises:
        UsageError: Meta-World is not installed.
    """
    try:
        import metaworld
    except ImportError as error:
        raise UsageError(f"Meta-World is missing ({error}); pip install 'spreeze[meta]'") from error
    return metaworld.ML1(name, seed=_SEED)


def family(name: str, summary: str) -> Environment:
    """The plug-in of `ml1-reach` and others."""
    own = f"{name.removeprefix('ml1-')}-v3"
    return Environment(
        summary,
        MetaWorldOptions,
        lambda options, count, seed: MetaWorldVector(own, options, count, seed),
        partial(MetaWorldEnv, own, render_mode="rgb_array"),
        tasks=lambda options: COUNTS,
    )
