"""PEARL: a belief over tasks by a product of Gaussians, explored by posterior sampling.

Source: Rakelly et al., Efficient Off-Policy Meta-Reinforcement Learning via Probabilistic Context Variables,
arXiv 1903.08254. On the machinery of MetaCURE, and on the same rewards: one policy acts on a z that is drawn from the
belief anew for every episode, before anything happened from the prior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from spreeze.algorithms._meta.batches import Batch, Pairing
from spreeze.algorithms._meta.config import MetaConfig
from spreeze.algorithms._meta.episodes import Plan
from spreeze.algorithms._meta.inference import Exploiting
from spreeze.algorithms._meta.stage import ROWS, meta_stage, plan_of
from spreeze.algorithms._training import load_part_state, part_state
from spreeze.algorithms.sac import Shape
from spreeze.contract import Algorithm, EnvironmentSpec, LearnerSetup, Metrics, Part, Stage


@dataclass(frozen=True)
class PEARLConfig(MetaConfig):
    """Options of PEARL."""

    encoder: Literal["attention", "recurrent", "product"] = "product"
    """Causal attention with a learned query, gated recurrent unit, or product of Gaussians (paper)."""
    exploit_episodes: int = 1
    """Further episodes while training, of which the belief is not told; when adapting there is one."""


class PEARLPart:
    """The only part."""

    def __init__(
        self, sizes: tuple[int, int], config: MetaConfig, plan: Plan, rows: int, generator: torch.Generator
    ) -> None:
        self.generator, self.pairing = generator, Pairing(plan, config, rows, generator)
        self.draws = {"episodes": self.pairing.draw}
        self.exploit = Exploiting(*sizes, config, generator)
        self.owns: Mapping[str, nn.Module] = self.exploit.modules()
        self.reads: Mapping[str, nn.Module] = {}
        self.finished = False

    def update(self, batches: Mapping[str, Batch]) -> Metrics:
        """One step of critics and encoder, then of the policy."""
        mixed, _ = self.pairing.rows(batches["episodes"], self.exploit.encoder)  # type: ignore[arg-type]
        return self.exploit.update(mixed)

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Encoder and policy."""
        return {name: self.owns[name].state_dict() for name in ("encoder", "exploiter")}

    def state(self) -> Mapping[str, Tensor]:
        """Networks, optimisers and generator."""
        return part_state(self.owns, self.exploit.optimizers(), self.generator)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        load_part_state(state, self.owns, self.exploit.optimizers(), self.generator)


def learner(
    spec: EnvironmentSpec, config: PEARLConfig, setup: LearnerSetup, rows: int = int(ROWS.default)
) -> Mapping[str, Part]:
    """The only part."""
    shape, plan = Shape.of(spec, "PEARL"), plan_of(spec, config, "PEARL")
    generator = torch.Generator(setup.device("pearl")).manual_seed(setup.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.seed)
        return {"pearl": PEARLPart((shape.observations, shape.actions), config, plan, rows, generator)}


def stages(spec: EnvironmentSpec, config: PEARLConfig, batch_size: int) -> Sequence[Stage]:
    """One stage."""
    shape, plan = Shape.of(spec, "PEARL"), plan_of(spec, config, "PEARL")
    return [
        meta_stage("pearl", shape, config, plan, lambda setup: learner(spec, config, setup, batch_size), explorer=False)
    ]


ALGORITHM = Algorithm(
    summary="PEARL: infers the task from its episodes, explores by sampling from the belief",
    source="Rakelly et al. 2019, arXiv 1903.08254",
    config=PEARLConfig,
    stages=stages,
    batch_size=ROWS,
)
