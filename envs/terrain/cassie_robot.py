"""Cassie as a robot over terrain."""

from typing import Any

from spreeze.envs.terrain import cassie
from spreeze.envs.terrain.cassie_body import CassieBody
from spreeze.envs.terrain.cassie_legs import start
from spreeze.envs.terrain.cassie_mirror import mirror
from spreeze.envs.terrain.cassie_senses import CassieSenses
from spreeze.envs.terrain.robot import Robot
from spreeze.envs.terrain.scenes import SpatialScene


def scene(vector: Any) -> SpatialScene:
    """What is drawn of the robot of an environment."""
    return SpatialScene(vector, cassie.grounded())


CASSIE = Robot(
    model=cassie.model,
    start=start,
    body=CassieBody,
    senses=CassieSenses,
    mirror=mirror,
    scene=scene,
    motors=cassie.POSITIONS,
    height=cassie.HEIGHT,
    period=cassie.PERIOD,
    spatial=True,
)
