"""Options of MetaCURE."""

from dataclasses import dataclass
from typing import Literal

from spreeze.algorithms._meta.config import MetaConfig
from spreeze.errors import UsageError


@dataclass(frozen=True)
class MetaCUREConfig(MetaConfig):
    """Options of MetaCURE."""

    intrinsic_weight: float = 0.2
    """lambda, of the intrinsic reward beside the environment's (published: 0.2, also 0.1 and 3); 0: the ablation."""
    intrinsic: Literal["information", "prediction-error"] = "information"
    """The intrinsic reward: context error minus identity error (published), or, as a foil, the context error alone."""
    intrinsic_dynamics: bool = False
    """Let predictors also foretell the next observation, and their errors enter (published: for some tasks)."""
    exploration_pairing: Literal["random", "sequence"] = "random"
    """Transitions with which the explorer's beliefs are paired: random ones of the task (published), or their own."""
    last_episode: Literal["exploiter", "explorer"] = "exploiter"
    """Who plays the last episode when adapting; explorer: the ablation without a policy that exploits."""
    predictor_width: int = 128
    """Width of the two hidden layers of each predictor (published: 300, or 64, three layers)."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        super().check()
        if self.predictor_width < 1:
            raise UsageError(f"--predictor-width {self.predictor_width}: at least 1 is needed")
