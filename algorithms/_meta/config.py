"""Options that algorithms share which learn to adapt."""

from dataclasses import dataclass
from typing import Literal

from spreeze.algorithms._passes import Precision
from spreeze.errors import UsageError

COUNTS = ("explore_episodes", "exploit_episodes", "tasks_per_update", "segments_per_task", "latent", "encoder_width")


@dataclass(frozen=True)
class MetaConfig:
    """Options of MetaCURE and PEARL."""

    explore_episodes: int = 3
    """Episodes of a meta-episode from which the task is inferred, also when adapting (published: 3 or 1)."""
    exploit_episodes: int = 2
    """Episodes of the exploiting policy that follow while training; when adapting there is one."""
    prior_share: float = 0.25
    """Share of these that draw z from N(0, 1) instead of the belief."""
    latent: int = 5
    """Size of z (published: 5, 4 or 2)."""
    encoder: Literal["attention", "recurrent", "product"] = "attention"
    """Causal attention with a learned query, gated recurrent unit, or product of Gaussians (PEARL's)."""
    encoder_width: int = 64
    """Width of the encoder."""
    context_steps: int = 0
    """Transitions of a context, from its first, that an update encodes; 0: all of them (published: 64 or 96)."""
    kl_weight: float = 1e-3
    """Weight of KL(belief || N(0, 1)) in the encoder's loss (published: 1e-3 to 1, beside scaled rewards)."""
    tasks_per_update: int = 16
    """Tasks of one update (published: 16 or 10)."""
    segments_per_task: int = 4
    """Meta-episodes of each of them that are drawn: beliefs are of the first, transitions of all."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers of policies and critics (published: 300, 300, 300)."""
    learning_rate: float = 1e-3
    """Step size of the Adam optimisers (published: 3e-4)."""
    discount: float = 0.9
    """Discount factor gamma (published: 0.9 on point robot and reacher, else 0.99)."""
    polyak_rate: float = 0.01
    """Share of a critic that enters its target at every update (published: 0.005)."""
    temperature: float = 0.01
    """Weight alpha of the entropy, fixed (published: 1, with rewards multiplied by 100, 10 or 1)."""
    precision: Precision = "float32"
    """Of products between hidden layers, where no gradient of z is needed; auto: bfloat16 where that is faster."""
    evaluation_latent: Literal["mean", "sample"] = "mean"
    """z of the last episode when adapting: the belief's mean, or drawn from it (published)."""
    warmup: int = 20_000
    """Environment steps with uniformly random actions before the first update."""
    capacity: int = 1_000_000
    """Steps that the store holds (published: 1e6 for each task)."""
    until: int = 4_000_000
    """Environment steps of a run without --steps."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        for name in COUNTS:
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)}: at least 1 is needed")
        if self.context_steps < 0:
            raise UsageError(f"--context-steps {self.context_steps}: give at least 1, or 0 for all")
        if not 0 <= self.prior_share <= 1:
            raise UsageError(f"--prior-share {self.prior_share:g}: give a share between 0 and 1")
        if self.temperature <= 0:
            raise UsageError(f"--temperature {self.temperature:g}: more than 0 is needed")

    @property
    def episodes(self) -> int:
        """Of a meta-episode while training."""
        return self.explore_episodes + self.exploit_episodes
