"""Two supervised stages: a teacher learns the goal from collected rewards, then a student imitates the teacher.

The second stage has no source: it inherits the teacher's bundle, draws its inputs from a dataset, and ends when the
student is near enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from spreeze import contract
from spreeze.contract import Draw, Field, LearnerSetup, Metrics, Stage, Store
from tests.contract.learning import LinearPolicy, ToyPart, linear


@dataclass(frozen=True)
class TwoStageConfig:
    """Options of the two-stage toy."""

    rate: float = 0.02
    """Step size of Adam."""
    near: float = 1e-6
    """Mean squared distance to the teacher at which the student has learned enough."""


class Teacher(ToyPart):
    """Fits the reward -(a - teacher(x))^2 to the rewards that were collected."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        batch = batches["batch"]
        expected = -(batch["action"] - self.owns["teacher"](batch["observation"])).square()[:, 0]
        return self.descend((expected - batch["reward"]).square().mean())


class Student(ToyPart):
    """Imitates the inherited teacher on the inputs of the dataset."""

    def __init__(self, config: TwoStageConfig, batch_size: int, setup: LearnerSetup) -> None:
        super().__init__({"student": linear(2)}, {"batch": Draw("inputs", rows=batch_size)}, config.rate)
        self.near, self.teacher = config.near, linear(2)
        self.teacher.load_state_dict(setup.inherited["teacher"])

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        x = batches["batch"]["observation"]
        distance = (self.owns["student"](x) - self.teacher(x).detach()).square().mean()
        self.finished = bool(distance < self.near)
        return self.descend(distance)


def inputs() -> Iterator[Mapping[str, np.ndarray]]:
    """The dataset: 200 states without an order."""
    yield {"observation": np.random.default_rng(0).normal(size=(201, 2)).astype(np.float32)}


def collect(config: TwoStageConfig, batch_size: int) -> Stage:
    """The teacher's stage: random actions, no evaluation."""
    row = {"observation": Field((2,)), "action": Field((1,)), "reward": Field()}
    draws = {"batch": Draw("rows", rows=batch_size)}
    return Stage(
        name="collect",
        stores={"rows": Store("replay", row, capacity=1000)},
        bundles={"teacher": lambda: linear(2)},
        make_policy=lambda modules, generator: LinearPolicy(modules["teacher"], generator),
        make_learner=lambda setup: {"teacher": Teacher({"teacher": linear(2)}, draws, config.rate)},
        evaluate=None,
        pace=contract.Pace(ratio=contract.Range(16, 1, 64)),
        modes=contract.Modes(collect="random"),
        until=contract.Until(env_steps=1000),
    )


def imitate(config: TwoStageConfig, batch_size: int) -> Stage:
    """The student's stage: no samplers; the default evaluation on the line."""
    return Stage(
        name="imitate",
        stores={"inputs": Store("dataset", {"observation": Field((2,))}, load=inputs)},
        bundles={"student": lambda: linear(2)},
        make_policy=lambda modules, generator: LinearPolicy(modules["student"], generator),
        make_learner=lambda setup: {"student": Student(config, batch_size, setup)},
        make_source=None,
        until=contract.Until(updates=5000),
    )


def stages(spaces: contract.EnvironmentSpec, config: TwoStageConfig, batch_size: int) -> Sequence[Stage]:
    """Collect, then imitate."""
    return [collect(config, batch_size), imitate(config, batch_size)]


ALGORITHM = contract.Algorithm("teacher and student", "a toy", TwoStageConfig, stages, contract.Range(32, 1, 256))
