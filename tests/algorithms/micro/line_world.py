"""A point on a line to be held at the origin: an environment with logged data, and algorithms that end on request.

`tests.algorithms.micro.line_world:ENVIRONMENT`, and `:MICRO` of which a file ends the learning.
"""

import dataclasses
import hashlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from spreeze import registry
from spreeze.algorithms.micro import ALGORITHM, MicroConfig
from spreeze.contract import Algorithm, Dataset, EnvironmentSpec, Episode, LearnerSetup, Part, Reference, Stage
from spreeze.environment import Environment
from spreeze.envs.vector import SyncVector
from spreeze.errors import UsageError

EPISODE, EPISODES, EDGE = 15, 80, 1.5
SPEED, NOISE = 0.25, 0.02


@dataclass(frozen=True)
class NoOptions:
    """Nothing to choose."""


class LineWorld(gymnasium.Env[Any, Any]):
    """x' = x + SPEED a + noise; the reward is 1 - |x'|, and leaving [-EDGE, EDGE] ends the episode."""

    observation_space = Box(-np.inf, np.inf, (1,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)
    steps_left: ClassVar[int] = -1
    """Steps of all instances until one of them sends SIGINT to its own process; nothing happens below 0."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x, self.steps = self.np_random.uniform(-1, 1, 1).astype(np.float32), 0
        return self.x, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        LineWorld.steps_left -= 1
        if LineWorld.steps_left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        noise = NOISE * self.np_random.normal(size=1)
        self.x, self.steps = (self.x + SPEED * action + noise).astype(np.float32), self.steps + 1
        return self.x, 1 - float(abs(self.x[0])), bool(ended(self.x)), self.steps >= EPISODE, {}


def ended(observation: Any) -> Any:
    """Whether the point has left its world."""
    return abs(observation[..., 0]) > EDGE


def record(seed: int) -> Episode:
    """One episode of uniformly random actions."""
    env, random = LineWorld(), np.random.default_rng(seed)
    seen, rows, over = [env.reset(seed=seed)[0]], [], False
    while not over:
        action = random.uniform(-1, 1, 1).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation)
        rows.append((action, reward, terminated))
        over = terminated or truncated
    actions, rewards, ends = zip(*rows, strict=True)
    return Episode(np.stack(seen), np.stack(actions), np.array(rewards, np.float32), np.array(ends))


@cache
def episodes() -> Sequence[Episode]:
    """What a random policy did."""
    return [record(seed) for seed in range(EPISODES)]


def behaviour() -> float:
    """The mean return of the logged episodes."""
    return float(np.mean([episode.reward.sum() for episode in episodes()]))


def dataset(name: str | None) -> Dataset:
    """The only dataset, `random`."""
    if name not in (None, "random"):
        raise UsageError(f"no dataset '{name}'; there is random")
    digest = hashlib.sha256(b"".join(array.tobytes() for episode in episodes() for array in episode)).hexdigest()
    steps = sum(len(episode.reward) for episode in episodes())
    scale = Reference(behaviour(), float(EPISODE), "random actions, and standing at the origin")
    return Dataset("line/random", "LineWorld-v0", "random", digest, steps, scale, episodes)


def _undrawn(options: NoOptions) -> gymnasium.Env[Any, Any]:
    raise NotImplementedError("this environment has no picture")


ENVIRONMENT = Environment(
    "a point on a line",
    NoOptions,
    lambda _, count, seed: SyncVector("line world", LineWorld, count, seed),
    _undrawn,
    ended,
    dataset,
)


@dataclass(frozen=True)
class EndingConfig(MicroConfig):
    """Options of MICRO."""

    end: Path | None = None
    """File that ends the learning of the policy."""


class EndingPart:
    """A part that is finished when a file is there."""

    def __init__(self, part: Part, end: Path) -> None:
        self.draws, self.owns, self.reads = part.draws, part.owns, part.reads
        self.update, self.publish = part.update, part.publish
        self.state, self.load_state = part.state, part.load_state
        self._end = end

    @property
    def finished(self) -> bool:
        """Whether the file is there."""
        return self._end.exists()


def _ending(stage: Stage, end: Path, setup: LearnerSetup) -> Mapping[str, Part]:
    return {name: EndingPart(part, end) for name, part in stage.make_learner(setup).items()}


def stages(spec: EnvironmentSpec, config: EndingConfig, batch_size: int) -> Sequence[Stage]:
    """MICRO's stages, the second of which a file ends."""
    first, second = ALGORITHM.stages(spec, config, batch_size)
    if config.end is None:
        return [first, second]
    return [first, dataclasses.replace(second, make_learner=partial(_ending, second, config.end))]


MICRO: Algorithm = dataclasses.replace(registry.algorithm("micro"), config=EndingConfig, stages=stages)
