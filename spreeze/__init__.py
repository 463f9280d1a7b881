"""spreeze: reinforcement learning as fast as one computer can, from one command. Import algorithms from
`spreeze.algorithms`, environments from `spreeze.envs`, and what plug-ins are made of from here.
"""

from spreeze.contract import (
    Algorithm,
    Block,
    Draw,
    Evaluation,
    Field,
    Pace,
    Range,
    Spaces,
    Stage,
    Step,
    Store,
    Until,
)
from spreeze.environment import Environment, Transition
from spreeze.errors import SpreezeError

__version__ = "0.1.0"

__all__ = [
    "Algorithm",
    "Block",
    "Draw",
    "Environment",
    "Evaluation",
    "Field",
    "Pace",
    "Range",
    "Spaces",
    "SpreezeError",
    "Stage",
    "Step",
    "Store",
    "Transition",
    "Until",
]
