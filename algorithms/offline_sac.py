"""SAC on logged data alone, without a model: the floor that offline methods are measured from."""

from spreeze.algorithms.micro import Method, ModelBasedConfig, algorithm

ALGORITHM = algorithm(
    "offline_sac",
    "SAC on logged data without any conservatism, for comparison",
    "Haarnoja et al. 2018, arXiv 1812.05905",
    ModelBasedConfig,
    Method(imagines=False),
)
