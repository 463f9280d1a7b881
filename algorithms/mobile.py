"""MOBILE: as MICRO, with the disagreement of the elites' values taken off the reward.

Source: Sun et al., Model-Bellman Inconsistency for Model-based Offline Reinforcement Learning, ICML 2023; settings
as in OfflineRL-Kit (MIT), for D4RL. Equations: docs/micro.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spreeze.algorithms.micro import Method, ModelBasedConfig, Operator, algorithm
from spreeze.algorithms.micro.operator import disagreement, penalised_reward_target
from spreeze.errors import UsageError


@dataclass(frozen=True)
class MobileConfig(ModelBasedConfig):
    """Options of MOBILE."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense; the spread of one value is not defined."""
        super().check()
        if self.elites < 2:
            raise UsageError(f"--elites {self.elites}: MOBILE penalises their disagreement and needs at least 2")

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Published settings for twelve datasets of D4RL."""
        own: Mapping[str, Mapping[str, Any]] = {
            "halfcheetah-random": {"beta": 0.5},
            "hopper-random": {"beta": 5.0},
            "walker2d-random": {"beta": 2.0},
            "halfcheetah-medium": {"beta": 0.5},
            "hopper-medium": {"beta": 1.5, "automatic_temperature": False, "initial_temperature": 0.2},
            "walker2d-medium": {"beta": 0.5},
            "halfcheetah-medium-replay": {"beta": 0.1},
            "hopper-medium-replay": {"beta": 0.1},
            "walker2d-medium-replay": {"beta": 0.5, "horizon": 1},
            "halfcheetah-medium-expert": {"beta": 2.0},
            "hopper-medium-expert": {"beta": 1.5},
            "walker2d-medium-expert": {"beta": 1.5, "horizon": 1},
        }
        return {name: {"deterministic_backup": True, "dynamics_epochs": 30, **found} for name, found in own.items()}


MOBILE = Operator(disagreement, penalised_reward_target)
ALGORITHM = algorithm(
    "mobile",
    "MOBILE: offline, model-based, penalises disagreement of Bellman targets",
    "Sun et al. 2023, ICML (PMLR 202)",
    MobileConfig,
    Method(MOBILE),
)
