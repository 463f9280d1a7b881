"""MICRO: offline model-based reinforcement learning with a conservative Bellman operator.

Source: Liu et al., IJCAI 2024, arXiv 2312.03991; equations, options and deviations: docs/micro.md. Used without the
orchestrator: the example there.
"""

from spreeze.algorithms.micro.config import MicroConfig, ModelBasedConfig
from spreeze.algorithms.micro.ensemble import DynamicsEnsemble, EliteModel
from spreeze.algorithms.micro.fitting import DynamicsPart, FitOptions, Transitions
from spreeze.algorithms.micro.imagination import ImaginationSource
from spreeze.algorithms.micro.learner import OfflinePolicy, Operator, make_parts
from spreeze.algorithms.micro.operator import conservative_target, elite_values, worst_case_gap
from spreeze.algorithms.micro.plugin import Method, algorithm

__all__ = [
    "ALGORITHM",
    "MICRO",
    "DynamicsEnsemble",
    "DynamicsPart",
    "EliteModel",
    "FitOptions",
    "ImaginationSource",
    "Method",
    "MicroConfig",
    "ModelBasedConfig",
    "OfflinePolicy",
    "Operator",
    "Transitions",
    "algorithm",
    "conservative_target",
    "elite_values",
    "make_parts",
    "worst_case_gap",
]

MICRO = Operator(worst_case_gap, conservative_target)
"""The conservative Bellman operator."""

ALGORITHM = algorithm(
    "micro",
    "MICRO: offline, model-based, conservative Bellman operator",
    "Liu et al. 2024, arXiv 2312.03991",
    MicroConfig,
    Method(MICRO),
)
