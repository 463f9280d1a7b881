"""spreeze: reinforcement learning as fast as one computer can, from one command.

Import algorithms from `spreeze.algorithms`, environments from `spreeze.envs`, and what plug-ins are made of from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spreeze.contract import (
        Algorithm,
        Block,
        Draw,
        EnvironmentSpec,
        Evaluation,
        Field,
        Pace,
        Range,
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
    "EnvironmentSpec",
    "Evaluation",
    "Field",
    "Pace",
    "Range",
    "SpreezeError",
    "Stage",
    "Step",
    "Store",
    "Transition",
    "Until",
]

_HOMES = {
    "Environment": "spreeze.environment",
    "Transition": "spreeze.environment",
    "SpreezeError": "spreeze.errors",
}
if not TYPE_CHECKING:  # Checkers know the names above and no others.

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first asked for, so that the command line pays for none."""
        if name not in __all__:
            raise AttributeError(f"module 'spreeze' has no attribute '{name}'")
        home = _HOMES.get(name, "spreeze.contract")
        return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
