"""Ground that is not level, what is sensed of it, and robots that walk over it. `docs/terrain.md` is the map.

Nothing here imports a simulator until an environment is asked for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from spreeze.environment import Environment

if TYPE_CHECKING:
    from spreeze.environment import Mirror
    from spreeze.envs.terrain.episodes import TerrainWalkers
    from spreeze.envs.terrain.options import TerrainOptions

SUMMARIES: dict[str, str] = {
    "walker2d-terrain": "walk over ridges, stairs and blocks that are seen ahead, seven links in the plane (MuJoCo)",
    "cassie-terrain": "walk over ridges, stairs and blocks that are seen ahead, ten motors, springs, 33 kg (MuJoCo)",
}
"""By name."""


def environment(name: str) -> Environment:
    """Return the environment called `name`, one of `SUMMARIES`."""
    from spreeze.envs.terrain.options import TerrainOptions

    return Environment(
        SUMMARIES[name],
        TerrainOptions,
        partial(make_vector, name),
        partial(make_rendered, name),
        mirror=partial(_mirror, name),
    )


def make_vector(name: str, options: TerrainOptions, count: int, seed: int, threads: int = 1) -> TerrainWalkers:
    """`count` environments called `name`, whose physics `threads` threads step."""
    from spreeze.envs.native.batch import BatchSimulations
    from spreeze.envs.terrain.episodes import FIELDS, TerrainWalkers
    from spreeze.envs.terrain.robot import robot_of

    robot = robot_of(name)
    return TerrainWalkers(name, robot, BatchSimulations(robot.model(), count, FIELDS, threads), options, seed)


def make_rendered(name: str, options: TerrainOptions) -> Any:
    """One environment called `name` that can be drawn."""
    from spreeze.envs.terrain.rendering import RenderedTerrain

    return RenderedTerrain(make_vector(name, options, 1, 0))


def _mirror(name: str, options: TerrainOptions) -> Mirror:
    from spreeze.envs.terrain.robot import robot_of

    return robot_of(name).mirror(options)
