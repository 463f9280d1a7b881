"""Which environments the native engine has."""

from __future__ import annotations

from types import ModuleType

from spreeze.envs.native import (
    ant,
    half_cheetah,
    hopper,
    humanoid,
    inverted_double_pendulum,
    inverted_pendulum,
    pusher,
    reacher,
    swimmer,
    walker2d,
)
from spreeze.envs.native.task import Task

_FAMILIES: dict[str, ModuleType] = {
    "Ant": ant,
    "HalfCheetah": half_cheetah,
    "Hopper": hopper,
    "Humanoid": humanoid,
    "InvertedDoublePendulum": inverted_double_pendulum,
    "InvertedPendulum": inverted_pendulum,
    "Pusher": pusher,
    "Reacher": reacher,
    "Swimmer": swimmer,
    "Walker2d": walker2d,
}

TASKS: dict[str, Task] = {
    f"{name}-v{version}": getattr(family, f"V{version}")
    for name, family in _FAMILIES.items()
    for version in (4, 5)
    if hasattr(family, f"V{version}")
}
"""By Gymnasium id."""


def entry_point(identifier: str) -> str:
    """How Gymnasium's own entry point begins for the id of a task."""
    name, _, version = identifier.rpartition("-v")
    family = _FAMILIES[name].__name__.rpartition(".")[2]
    return f"gymnasium.envs.mujoco.{family}_v{version}:"
