"""MOPO: SAC on imagined rows whose reward is lowered by the model's own uncertainty.

Source: Yu et al., MOPO: Model-based Offline Policy Optimization, arXiv 2005.13239; settings as in OfflineRL-Kit (MIT),
for D4RL. Equations: docs/micro.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spreeze.algorithms.micro import Method, ModelBasedConfig, algorithm


@dataclass(frozen=True)
class MopoConfig(ModelBasedConfig):
    """Options of MOPO; `beta` is its lambda."""

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Published settings for nine datasets of D4RL; the floor of targets is not MOPO's."""
        own: Mapping[str, Mapping[str, Any]] = {
            "halfcheetah-medium": {"beta": 0.5},
            "hopper-medium": {"beta": 5.0},
            "walker2d-medium": {"beta": 0.5},
            "halfcheetah-medium-replay": {"beta": 0.5},
            "hopper-medium-replay": {"beta": 2.5},
            "walker2d-medium-replay": {"beta": 2.5, "horizon": 1},
            "halfcheetah-medium-expert": {"beta": 2.5},
            "hopper-medium-expert": {"beta": 5.0},
            "walker2d-medium-expert": {"beta": 2.5, "horizon": 1},
        }
        return {name: {"target_floor": "none", **found} for name, found in own.items()}


ALGORITHM = algorithm(
    "mopo",
    "MOPO: offline, model-based, penalises the reward by the model's uncertainty",
    "Yu et al. 2020, arXiv 2005.13239",
    MopoConfig,
    Method(penalises_reward=True),
)
