"""The planar walker as a robot over terrain."""

import numpy as np

from spreeze.envs.terrain import walker
from spreeze.envs.terrain.mirror import mirror
from spreeze.envs.terrain.planar_body import PlanarBody
from spreeze.envs.terrain.planar_senses import PlanarSenses
from spreeze.envs.terrain.robot import Robot
from spreeze.envs.terrain.scenes import PlanarScene

WALKER = Robot(
    model=walker.model,
    start=walker.start,
    body=PlanarBody,
    senses=PlanarSenses,
    mirror=mirror,
    scene=PlanarScene,
    motors=np.arange(3, 9),
    height=walker.HEIGHT,
    period=walker.PERIOD,
    spatial=False,
)
