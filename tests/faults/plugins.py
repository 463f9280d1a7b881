"""A third party's plug-ins, unwell on request: `tests.faults.plugins:ALGORITHM` and `tests.faults.plugins:ENVIRONMENT`.

The algorithm is SAC with small networks, the environment the pendulum.
"""

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spreeze import registry
from spreeze.algorithms import sac
from spreeze.contract import (
    Block,
    Draw,
    EnvironmentSpec,
    Evaluation,
    EvaluationSetup,
    LearnerSetup,
    Metrics,
    Part,
    Source,
    SourceSetup,
    Stage,
    environment_source,
    episode_evaluation,
)
from spreeze.environment import Environment, Transition, VectorEnv
from spreeze.envs._gymnasium import GymnasiumOptions

NEVER = 1e9


@dataclass(frozen=True)
class TroubleConfig(sac.SACConfig):
    """Options of SAC, and of what goes wrong."""

    hidden: tuple[int, ...] = (16, 16)
    warmup: int = 100
    capacity: int = 20_000
    evaluate: bool = False
    """Whether there is an evaluator."""
    evaluation_s: float = 0.0
    """Seconds that an evaluation takes longer."""
    nan_at: int = 0
    """Update at which the critic becomes NaN."""
    end: Path | None = None
    """File that ends the learning."""
    slow_sampler_at: float = NEVER
    """Seconds after its first step at which a sampler becomes three times slower."""
    slow_learner_at: float = NEVER
    """Seconds after its first update at which the learner becomes three times slower."""
    slow_for: float = NEVER
    """How long either stays so [s]."""


class Slowness:
    """Makes what takes a time take three times as long, during an interval that begins with the first call."""

    def __init__(self, begin_s: float, length_s: float) -> None:
        self._begin_s, self._length_s, self._first_s = begin_s, length_s, 0.0

    def follow(self, duration_s: float) -> None:
        """Sleep twice as long as what was done took."""
        now = time.monotonic()
        self._first_s = self._first_s or now
        if 0 <= now - self._first_s - self._begin_s < self._length_s:
            time.sleep(2 * duration_s)


class TroubledSource:
    """The default source, slowed."""

    def __init__(self, source: Source, slowness: Slowness) -> None:
        self.state, self.load_state = source.state, source.load_state
        self._source, self._slowness = source, slowness

    def collect(self, mode: str) -> Iterable[Block]:
        """The source's blocks."""
        begin = time.monotonic()
        blocks = self._source.collect(mode)
        self._slowness.follow(time.monotonic() - begin)
        return blocks


class TroubledPart:
    """A part of the learner, slowed, or NaN from some update on."""

    def __init__(self, part: Part, slowness: Slowness, nan_at: int, end: Path | None) -> None:
        self.draws: Mapping[str, Draw] = part.draws
        self.owns: Mapping[str, nn.Module] = part.owns
        self.reads: Mapping[str, nn.Module] = part.reads
        self.publish = part.publish
        self.updates = 0
        self._part, self._slowness, self._nan_at, self._end = part, slowness, nan_at, end

    @property
    def finished(self) -> bool:
        """Whether the file is there that ends the learning."""
        return self._end is not None and self._end.exists()

    @torch.no_grad()
    def poison(self) -> None:
        """Make every parameter that this part owns NaN."""
        for module in self.owns.values():
            for parameter in module.parameters():
                parameter.fill_(float("nan"))

    def state(self) -> Mapping[str, Tensor]:
        """The part's state and the number of updates."""
        return {**self._part.state(), "updates": torch.tensor(self.updates)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self._part.load_state(state)
        self.updates = int(state["updates"])

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        """The part's update."""
        begin, self.updates = time.monotonic(), self.updates + 1
        if self.updates == self._nan_at:
            self.poison()
        metrics = self._part.update(batches)
        self._slowness.follow(time.monotonic() - begin)
        return metrics


def _learner(stage: Stage, config: TroubleConfig, setup: LearnerSetup) -> Mapping[str, Part]:
    slow, nan_at = partial(Slowness, config.slow_learner_at, config.slow_for), {"critic": config.nan_at}
    parts = stage.make_learner(setup)
    return {name: TroubledPart(part, slow(), nan_at.get(name, 0), config.end) for name, part in parts.items()}


def _source(config: TroubleConfig, setup: SourceSetup) -> Source:
    return TroubledSource(environment_source(setup), Slowness(config.slow_sampler_at, config.slow_for))


def _evaluate(config: TroubleConfig, setup: EvaluationSetup) -> Evaluation:
    time.sleep(config.evaluation_s)
    return episode_evaluation(setup)


def stages(spaces: EnvironmentSpec, config: TroubleConfig, batch_size: int) -> Sequence[Stage]:
    """SAC's stage with what the configuration does to it."""
    [stage] = sac.stages(spaces, config, batch_size)
    return [
        dataclasses.replace(
            stage,
            make_learner=partial(_learner, stage, config),
            make_source=partial(_source, config),
            evaluate=partial(_evaluate, config) if config.evaluate else None,
        )
    ]


ALGORITHM = dataclasses.replace(sac.ALGORITHM, summary="SAC, unwell", config=TroubleConfig, stages=stages)


@dataclass(frozen=True)
class TroubleOptions(GymnasiumOptions):
    """Options of the pendulum, and what goes wrong with it."""

    raise_at: int = 0
    """Step at which every vector of environments raises."""
    raise_with: float = 0.0
    """Probability with which a step of one environment raises."""
    dawdle_s: float = 0.0
    """Seconds that every step takes longer."""


class TroubledEnvs:
    """Environments that raise, or dawdle."""

    def __init__(self, envs: VectorEnv, options: TroubleOptions, seed: int) -> None:
        self.observation_space, self.action_space, self.count = envs.observation_space, envs.action_space, envs.count
        self.reset, self.state, self.load_state, self.close = envs.reset, envs.state, envs.load_state, envs.close
        self._envs, self._options, self._steps = envs, options, 0
        self._random = np.random.default_rng(seed)

    def step(self, actions: np.ndarray) -> Transition:
        """Step all environments with `actions` (N, ...)."""
        self._steps += 1
        if self._steps == self._options.raise_at:
            raise RuntimeError("the motor burned out")
        if (self._random.random(self.count) < self._options.raise_with).any():
            raise RuntimeError("the motor stuttered")
        time.sleep(self._options.dawdle_s)
        return self._envs.step(actions)


def _make_vector(pendulum: Environment, options: TroubleOptions, count: int, seed: int) -> VectorEnv:
    return TroubledEnvs(pendulum.make_vector(options, count, seed), options, seed)


def _make_rendered(pendulum: Environment, options: TroubleOptions) -> Any:
    return pendulum.make_rendered(options)


def _environment() -> Environment:
    pendulum = registry.environment("pendulum")
    make_vector, make_rendered = partial(_make_vector, pendulum), partial(_make_rendered, pendulum)
    return Environment("the pendulum, unwell", TroubleOptions, make_vector, make_rendered)


ENVIRONMENT = _environment()
