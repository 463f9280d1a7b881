"""A planner of footsteps, learned by PPO from the state of a template: settings that suit it, of an unchanged PPO.

Source: Castillo et al., Template model inspired task space learning for robust bipedal locomotion, arXiv 2309.15442,
of which only the structure is known; the settings are ours. `template.py` is the pendulum itself, in NumPy.
"""

from spreeze.algorithms.alip.plugin import ALGORITHM as ALGORITHM
from spreeze.algorithms.alip.plugin import ALIPConfig as ALIPConfig
