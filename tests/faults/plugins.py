"""A third party's plug-ins, unwell on request: `tests.faults.plugins:ALGORITHM` and `tests.faults.plugins:ENVIRONMENT`.

The algorithm is SAC with small networks, the environment the pendulum.
"""

import dataclasses
import faulthandler
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

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
    Policy,
    Recurrent,
    Source,
    SourceSetup,
    Stage,
    Step,
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
    nan_in: Literal["weights", "loss", "gradient", "state"] = "weights"
    """Where that begins; in `state`, what is saved of the optimiser."""
    nan_action_at: int = 0
    """Steps after which the policy gives NaN for an action."""
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

    def __init__(self, part: Part, slowness: Slowness, config: TroubleConfig, nan_at: int) -> None:
        self.draws: Mapping[str, Draw] = part.draws
        self.owns: Mapping[str, nn.Module] = part.owns
        self.reads: Mapping[str, nn.Module] = part.reads
        self.publish = part.publish
        self.updates = 0
        self._part, self._slowness, self._nan_at = part, slowness, nan_at
        self._end, self._nan_in = config.end, config.nan_in

    @property
    def finished(self) -> bool:
        """Whether the file is there that ends the learning."""
        return self._end is not None and self._end.exists()

    @torch.no_grad()
    def poison(self, gradient: bool) -> None:
        """Make every parameter that this part owns NaN, or its gradient before a step of the optimiser."""
        for module in self.owns.values():
            for parameter in module.parameters():
                if gradient:
                    parameter.grad = torch.full_like(parameter, torch.nan)
                else:
                    parameter.fill_(torch.nan)
        if gradient:
            self._part.optimizer.step()  # type: ignore[attr-defined]

    def state(self) -> Mapping[str, Tensor]:
        """The part's state and the number of updates."""
        own = {**self._part.state(), "updates": torch.tensor(self.updates)}
        if self._nan_in == "state" and 0 < self._nan_at <= self.updates:
            own["optimizer/0.exp_avg"] = torch.full_like(own["optimizer/0.exp_avg"], float("nan"))
        return own

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self._part.load_state(state)
        self.updates = int(state["updates"])

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        """The part's update."""
        begin, self.updates = time.monotonic(), self.updates + 1
        spoilt = self.updates == self._nan_at
        if spoilt and self._nan_in in ("weights", "gradient"):
            self.poison(self._nan_in == "gradient")
        metrics = self._part.update(batches)
        if spoilt and self._nan_in == "loss":
            metrics = {**metrics, "loss/critic": float("nan")}
        self._slowness.follow(time.monotonic() - begin)
        return metrics


class TroubledPolicy:
    """A policy that gives NaN for an action from some step on."""

    def __init__(self, policy: Policy, nan_at: int) -> None:
        self.initial_state, self._policy, self._nan_at, self._steps = policy.initial_state, policy, nan_at, 0

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """The policy's action, spoilt when it is time."""
        self._steps += 1
        action, state, extras = self._policy.act(step, state, mode)
        return (torch.full_like(action, torch.nan) if self._steps == self._nan_at else action), state, extras


def _policy(stage: Stage, config: TroubleConfig, *given: Any) -> Policy:
    assert stage.make_policy is not None
    policy = stage.make_policy(*given)
    return TroubledPolicy(policy, config.nan_action_at) if config.nan_action_at else policy


def _learner(stage: Stage, config: TroubleConfig, setup: LearnerSetup) -> Mapping[str, Part]:
    slow, nan_at = partial(Slowness, config.slow_learner_at, config.slow_for), {"critic": config.nan_at}
    parts = stage.make_learner(setup)
    return {name: TroubledPart(part, slow(), config, nan_at.get(name, 0)) for name, part in parts.items()}


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
            make_policy=partial(_policy, stage, config),
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
    lives: Path | None = None
    """Folder in which every life of a sampler leaves a mark; the first lives end by what `ends` names, in turn."""
    ends: tuple[str, ...] = ()
    """Of segfault, exit, leave, raise, hang; at the tenth step."""
    spoil: Literal["nothing", "observation", "reward", "shape"] = "nothing"
    """What the last environment gives back wrong."""
    spoil_at: int = 40
    """Step at which it does."""
    spoil_with: float = float("nan")
    """Number that takes the place of a right one."""


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
        if self._steps == 10:
            self._end_this_life()
        time.sleep(self._options.dawdle_s)
        return self._spoilt(self._envs.step(actions))

    def _end_this_life(self) -> None:
        if self._options.lives is None:
            return
        lived = len(list(self._options.lives.iterdir()))
        (self._options.lives / str(lived)).touch()
        if lived < len(self._options.ends):
            ENDS[self._options.ends[lived]]()

    def _spoilt(self, given: Transition) -> Transition:
        if self._options.spoil == "nothing" or self._steps != self._options.spoil_at:
            return given
        observation, reward = given.observation.copy(), given.reward.copy()
        if self._options.spoil == "observation":
            observation[-1, 0] = self._options.spoil_with
        elif self._options.spoil == "reward":
            reward[-1] = self._options.spoil_with
        else:
            observation = observation[:, :1]
        return given._replace(observation=observation, reward=reward)


def _raise() -> None:
    raise RuntimeError("the motor burned out")


ENDS = {
    "segfault": faulthandler._sigsegv,  # type: ignore[attr-defined]
    "exit": partial(os._exit, 7),
    "leave": partial(sys.exit, 7),
    "raise": _raise,
    "hang": partial(time.sleep, 3600),
}


def _make_vector(pendulum: Environment, options: TroubleOptions, count: int, seed: int) -> VectorEnv:
    return TroubledEnvs(pendulum.make_vector(options, count, seed), options, seed)


def _make_rendered(pendulum: Environment, options: TroubleOptions) -> Any:
    return pendulum.make_rendered(options)


def _environment() -> Environment:
    pendulum = registry.environment("pendulum")
    make_vector, make_rendered = partial(_make_vector, pendulum), partial(_make_rendered, pendulum)
    return Environment("the pendulum, unwell", TroubleOptions, make_vector, make_rendered)


ENVIRONMENT = _environment()
