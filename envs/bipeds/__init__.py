"""Bipeds that walk under a planner: the robots, their controllers at 1 kHz, and environments of 33 decisions a second.

`robot.py` says what a robot is to its environments, `docs/alip.md` which file does what. Nothing here imports a
simulator until an environment is asked for.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from spreeze.environment import Environment

if TYPE_CHECKING:
    from spreeze.envs.bipeds.episodes import Bipeds
    from spreeze.envs.bipeds.options import WalkingOptions


class Biped(NamedTuple):
    """An environment: which module has the `ROBOT`, and which class of which module is its scheme."""

    robot: str
    scheme: str
    summary: str


_PLANNING, _JOINTS = "planning:Planning", "joints:Joints"
BIPEDS: dict[str, Biped] = {
    "rabbit": Biped("rabbit", _PLANNING, "plan the footsteps of Rabbit, five links in the plane (MuJoCo)"),
    "walker2d-alip": Biped("walker2d", _PLANNING, "plan the footsteps of Walker2D, seven links in the plane (MuJoCo)"),
    "rabbit-joints": Biped("rabbit", _JOINTS, "walk as Rabbit by targets of its joints, end to end (MuJoCo)"),
    "walker2d-joints": Biped("walker2d", _JOINTS, "walk as Walker2D by targets of its joints, end to end (MuJoCo)"),
    "digit": Biped("digit", _PLANNING, "plan the footsteps of Digit, 20 motors in three dimensions (MuJoCo)"),
}
"""By name."""


def environment(name: str) -> Environment:
    """Return the environment called `name`, one of `BIPEDS`."""
    from spreeze.envs.bipeds.options import WalkingOptions

    return Environment(BIPEDS[name].summary, WalkingOptions, partial(make_vector, name), partial(make_rendered, name))


def make_vector(name: str, options: WalkingOptions, count: int, seed: int, threads: int = 1) -> Bipeds:
    """`count` environments called `name`, whose physics `threads` threads step."""
    from spreeze.envs.native.batch import BatchSimulations

    return _walking(name, options, BatchSimulations(*_simulated(name, count), threads), seed)


def make_rendered(name: str, options: WalkingOptions) -> Any:
    """One environment called `name` that can be drawn, watched and pushed."""
    from spreeze.envs.bipeds.rendering import RenderedBiped
    from spreeze.envs.bipeds.watching import PushedSimulations

    simulations = PushedSimulations(*_simulated(name, 1), 1)
    return RenderedBiped(_walking(name, options, simulations, 0), simulations)


def _simulated(name: str, count: int) -> tuple[Any, int, tuple[str, ...]]:
    """Model, number, and the fields of `MjData` that are needed."""
    import mujoco

    robot = _found(f"{BIPEDS[name].robot}:ROBOT")
    return mujoco.MjModel.from_xml_path(str(robot.model)), count, (*robot.fields, "xfrc_applied")


def _walking(name: str, options: WalkingOptions, simulations: Any, seed: int) -> Bipeds:
    from spreeze.envs.bipeds.episodes import Bipeds

    robot, scheme = _found(f"{BIPEDS[name].robot}:ROBOT"), _found(BIPEDS[name].scheme)
    return Bipeds(name, robot, scheme, simulations, options, seed)


def _found(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(f"spreeze.envs.bipeds.{module}"), attribute)
