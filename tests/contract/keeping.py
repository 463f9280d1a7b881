"""Two stages of which the second learns from what the first has collected, beside what it collects itself.

The first stage learns nothing. The second fits the goal to the rewards of the kept segments, and notes how many rows of
its own it has seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from spreeze import contract
from spreeze.contract import Draw, Field, LearnerSetup, Metrics, Stage, Store
from tests.contract.learning import LinearPolicy, ToyPart, linear

LENGTH, KEPT_STEPS, UPDATES = 5, 1000, 600
ROW = {"observation": Field((2,)), "action": Field((1,)), "reward": Field()}


@dataclass(frozen=True)
class KeepingConfig:
    """Options of the toy that keeps."""

    rate: float = 0.02
    """Step size of Adam."""


class Idle(ToyPart):
    """Learns nothing."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        return {}


class Fitting(ToyPart):
    """Fits the reward -(a - goal(x))^2 to what was kept."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        kept, own = batches["kept"], batches["own"]
        self.note_largest("kept_rows", kept["reward"].numel())
        self.note_largest("kept_action", kept["action"].abs().max())
        self.note_largest("own_action", own["action"].abs().max())
        expected = -(kept["action"] - self.owns["goal"](kept["observation"])).square()[..., 0]
        valid = kept["valid"].bool()
        return self.descend((expected - kept["reward"])[valid].square().mean())


def goal_of(setup: LearnerSetup) -> dict[str, contract.Part]:
    """The part of the second stage."""
    draws = {"kept": Draw("rows", segments=8), "own": Draw("own", segments=2)}
    return {"fitting": Fitting({"goal": linear(2)}, draws, 0.02)}


def stages(spaces: contract.EnvironmentSpec, config: KeepingConfig, batch_size: int) -> Sequence[Stage]:
    """Collect at random, then fit."""
    collect = Stage(
        name="collect",
        stores={"rows": Store("replay", ROW, KEPT_STEPS, LENGTH)},
        bundles={"idle": lambda: linear(2)},
        make_policy=lambda modules, generator: LinearPolicy(modules["idle"], generator),
        make_learner=lambda setup: {"idle": Idle({"idle": linear(2)}, {}, config.rate)},
        evaluate=None,
        warmup=1000 * KEPT_STEPS,  # So actions are random, also of what comes before the stage is ended.
        until=contract.Until(env_steps=KEPT_STEPS),
    )
    fit = Stage(
        name="fit",
        stores={"rows": Store("kept", ROW, KEPT_STEPS, LENGTH), "own": Store("replay", ROW, 500, LENGTH)},
        bundles={"goal": lambda: linear(2)},
        make_policy=lambda modules, generator: LinearPolicy(modules["goal"], generator),
        make_learner=goal_of,
        pace=contract.Pace(ratio=contract.Range(4, 1, 64)),
        modes=contract.Modes("exploit", "exploit", "exploit"),
        until=contract.Until(updates=UPDATES),
    )
    return [collect, fit]


ALGORITHM = contract.Algorithm(
    "a stage that keeps its store", "a toy", KeepingConfig, stages, contract.Range(32, 1, 64)
)
