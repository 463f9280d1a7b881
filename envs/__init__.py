"""Environments by name: Gymnasium's classics, bipeds, robots over terrain, families of tasks, any Gymnasium id.

Nothing here imports gymnasium, numpy or a simulator until an environment is asked for.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if __name__ != "spreeze.envs":
    raise ImportError(f"import spreeze.envs, not {__name__}: `from spreeze.envs import ...`")

from spreeze.envs import sparse, terrain
from spreeze.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spreeze.environment import Environment

_CLASSICS = {
    "hopper": ("Hopper-v5", "hop forward on one leg (MuJoCo)"),
    "halfcheetah": ("HalfCheetah-v5", "run forward on two legs in the plane (MuJoCo)"),
    "walker2d": ("Walker2d-v5", "walk forward on two legs in the plane (MuJoCo)"),
    "ant": ("Ant-v5", "walk forward on four legs (MuJoCo)"),
    "humanoid": ("Humanoid-v5", "walk forward as a humanoid (MuJoCo)"),
    "swimmer": ("Swimmer-v5", "swim forward with three links (MuJoCo)"),
    "reacher": ("Reacher-v5", "reach a target with a two-joint arm (MuJoCo)"),
    "pusher": ("Pusher-v5", "push a cylinder to a target with a seven-joint arm (MuJoCo)"),
    "inverted-pendulum": ("InvertedPendulum-v5", "balance one pole on a cart (MuJoCo)"),
    "inverted-double-pendulum": ("InvertedDoublePendulum-v5", "balance two poles on a cart (MuJoCo)"),
    "pendulum": ("Pendulum-v1", "swing a pendulum up and hold it"),
    "cartpole": ("CartPole-v1", "balance a pole on a cart, discrete actions"),
    "mountaincar": ("MountainCarContinuous-v0", "drive an underpowered car up a hill"),
    "acrobot": ("Acrobot-v1", "swing the tip of two links up, discrete actions"),
}

SHORT_NAMES: dict[str, str] = {name: identifier for name, (identifier, _) in _CLASSICS.items()}
"""Short name to Gymnasium id."""


def summaries() -> dict[str, str]:
    """Return one line for each short name, biped, robot over terrain and family of tasks."""
    from spreeze.envs.bipeds import BIPEDS

    classics = {name: f"{identifier}: {summary}" for name, (identifier, summary) in _CLASSICS.items()}
    bipeds = {name: biped.summary for name, biped in BIPEDS.items()}
    return classics | bipeds | terrain.SUMMARIES | sparse.SUMMARIES


def environment(name: str) -> Environment:
    """Return the environment called `name`: one of `summaries`, a Gymnasium id or `module:Id-v0`.

    Raises:
        UnknownName: nothing is called so; the message names the nearest.
        UsageError: the module of `module:Id-v0` cannot be imported.
    """
    from spreeze.envs import bipeds

    if name in bipeds.BIPEDS:
        return bipeds.environment(name)
    if name in terrain.SUMMARIES:
        return terrain.environment(name)
    if name in sparse.SUMMARIES:
        return sparse.environment(name)
    from spreeze.envs._gymnasium import gymnasium_environment

    identifier = gymnasium_id(name)
    return gymnasium_environment(identifier, summaries().get(name, f"{identifier} of Gymnasium"))


def gymnasium_id(name: str) -> str:
    """Return what `gymnasium.make` takes for `name`; raises as `environment` does."""
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    import gymnasium

    module, _, identifier = name.rpartition(":")
    if module:
        _import(module, name)
    if identifier not in gymnasium.registry:
        raise UnknownName("environment", name, [*summaries(), *_nearest(identifier, gymnasium.registry)])
    return name


def _import(module: str, name: str) -> None:
    import importlib

    try:
        importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"environment '{name}': cannot import '{module}' ({error}); is it installed?") from error


def _nearest(name: str, identifiers: Iterable[str]) -> list[str]:
    folded = {identifier.lower(): identifier for identifier in identifiers}
    return [folded[near] for near in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
