"""MetaCURE as a plug-in: its stage and its learner."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from spreeze.algorithms._meta.adaptation import record
from spreeze.algorithms._meta.episodes import evaluate
from spreeze.algorithms._meta.stage import ROWS, meta_stage, plan_of
from spreeze.algorithms.metacure.config import MetaCUREConfig
from spreeze.algorithms.metacure.learner import MetaCUREPart
from spreeze.algorithms.sac import Shape
from spreeze.contract import Algorithm, EnvironmentSpec, LearnerSetup, Part, Stage


def learner(
    spec: EnvironmentSpec, config: MetaCUREConfig, setup: LearnerSetup, rows: int = int(ROWS.default)
) -> Mapping[str, Part]:
    """The only part."""
    shape, plan = Shape.of(spec, "MetaCURE"), plan_of(spec, config, "MetaCURE")
    generator = torch.Generator(setup.device("metacure")).manual_seed(setup.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        return {"metacure": MetaCUREPart((shape.observations, shape.actions), config, plan, rows, generator)}


def stages(spec: EnvironmentSpec, config: MetaCUREConfig, batch_size: int) -> Sequence[Stage]:
    """One stage; without a policy that exploits, the last episode is the explorer's too."""
    shape, plan = Shape.of(spec, "MetaCURE"), plan_of(spec, config, "MetaCURE")
    stage = meta_stage(
        "metacure", shape, config, plan, lambda setup: learner(spec, config, setup, batch_size), explorer=True
    )
    if config.last_episode == "exploiter":
        return [stage]
    return [
        replace(
            stage,
            evaluate=lambda setup: evaluate(setup._replace(mode="probe"), plan),
            adapt=lambda setup: record(setup._replace(mode="probe"), plan),
        )
    ]


ALGORITHM = Algorithm(
    summary="MetaCURE: learns to explore sparse rewards of many tasks, then to exploit what it inferred",
    source="Zhang et al. 2021, arXiv 2006.08170 (its abstract and its published code)",
    config=MetaCUREConfig,
    stages=stages,
    batch_size=ROWS,
)
