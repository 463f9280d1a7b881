"""The planner as a plug-in: PPO with settings of its own."""

from dataclasses import dataclass

from spreeze.algorithms.ppo.config import PPOConfig
from spreeze.algorithms.ppo.plugin import stages
from spreeze.contract import Algorithm, Range


@dataclass(frozen=True)
class ALIPConfig(PPOConfig):
    """Options of PPO, as they suit a planner of 33 decisions a second; all values are ours."""

    discount: float = 0.985
    """Discount factor gamma: a half of what is worth counting comes within one and a half seconds."""
    learning_rate: float = 5e-4
    """Step size of Adam."""
    anneal: float = 1.0
    """Decisions over which the step size falls linearly to a twentieth of that; up to 1, a share of the run's
    (none if only --seconds ends it); 0: it never does."""
    horizon: int = 16
    """L, decisions of each environment that an update takes."""
    initial_log_std: float = -1.6
    """Log standard deviation of decisions at the first update, in units of half their range."""
    until: int = 600_000
    """Decisions of a run without --steps: five hours of walking."""


ALGORITHM = Algorithm(
    summary="ALIP planner: footsteps of bipeds from the state of a template, learned by PPO",
    source="Castillo et al. 2023, arXiv 2309.15442",
    config=ALIPConfig,
    stages=stages,
    batch_size=Range(256, 8, 65536),
)
