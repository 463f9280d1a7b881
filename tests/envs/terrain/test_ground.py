"""The ground in the model: a ball that falls comes to rest where the terrain says that the ground is."""

import mujoco
import numpy as np
import pytest

from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.terrain.ground import Ground, toe_strikes, with_ground
from spreeze.envs.terrain.ranges import KINDS, Kind
from spreeze.envs.terrain.shapes import make_terrain

BALL = """<mujoco><option timestep="0.002"/><worldbody><body name="ball"><joint type="slide" axis="0 0 1" damping="2"/>
<geom size="0.02" mass="0.5" contype="1" conaffinity="0" condim="1"/></body></worldbody></mujoco>"""
RADIUS = 0.02


def ground(count: int, spatial: bool) -> tuple[BatchSimulations, Ground]:
    spec = mujoco.MjSpec.from_string(BALL)
    with_ground(spec, spatial)
    simulations = BatchSimulations(spec.compile(), count, ("mocap_pos", "mocap_quat"), 1)
    return simulations, Ground(simulations, spatial)


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_balls_come_to_rest_on_the_height_that_is_looked_up(kind: Kind, spatial: bool) -> None:
    random = np.random.default_rng(0)
    simulations, made = ground(24, spatial)
    places = np.column_stack([random.uniform(0, 8, 24), random.uniform(-1, 1, 24) * spatial])
    bodies = simulations.live_parameter("body_pos")
    bodies[:, simulations.model.body("ball").id, :2] = places
    for index in range(24):
        made.lay(index, make_terrain(kind, "train", 0.8, np.random.default_rng(index), spatial=spatial))
    around = places[:, None] + np.array([[0, 0], [0.03, 0], [-0.03, 0], [0, 0.03], [0, -0.03]])
    heights = made.heights(around)
    made.follow(places)
    simulations.qpos[:, 0] = heights.max(axis=1) + RADIUS
    simulations.step(400)
    level = np.ptp(heights, axis=1) < 1e-9
    assert level.sum() > 10 or kind == "hills"
    np.testing.assert_allclose(simulations.qpos[level, 0], heights[level, 0] + RADIUS, atol=3e-3)
    slopes = (heights[:, 1] - heights[:, 2]) / 0.06
    even = (np.abs(heights[:, 1] + heights[:, 2] - 2 * heights[:, 0]) < 1e-9) & (
        np.ptp(heights[:, [0, 3, 4]], axis=1) == 0
    )
    upright = heights[even, 0] + RADIUS * np.sqrt(1 + slopes[even] ** 2)
    np.testing.assert_allclose(simulations.qpos[even, 0], upright, atol=4e-3)


def test_every_simulation_has_its_own_terrain_and_edges_are_crisp() -> None:
    simulations, made = ground(3, False)
    made.lay(1, np.array([[0.5, 1.5, -10, 10, 0.4, 0.4]]))
    bodies = simulations.live_parameter("body_pos")
    bodies[:, simulations.model.body("ball").id, 0] = [1.0, 1.0, 1.0]
    made.follow(np.zeros((3, 2)))
    simulations.qpos[:] = 0.6
    simulations.step(1000)
    np.testing.assert_allclose(simulations.qpos[:, 0], [0.02, 0.42, 0.02], atol=2e-3)
    heights = made.heights(np.tile([[0.4999, 0.0], [0.5001, 0.0]], (3, 1, 1)))
    np.testing.assert_array_equal(heights, [[0, 0], [0, 0.4], [0, 0]])


def test_a_toe_strikes_a_riser_and_neither_an_edge_below_nor_one_out_of_reach() -> None:
    _, made = ground(1, False)
    made.lay(0, np.array([[1.0, 2.0, -10, 10, 0.2, 0.2]]))
    toes = np.array([[[0.98, 0, 0.1], [0.98, 0, 0.25], [0.9, 0, 0.1], [1.5, 0, 0.25]]])
    np.testing.assert_array_equal(toe_strikes(made, toes, np.array([[1.0, 0.0]]), 0.05), [[True, False, False, False]])
    assert not toe_strikes(made, toes, np.array([[-1.0, 0.0]]), 0.05).any()
