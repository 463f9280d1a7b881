"""Heights, neighbours and rays: NumPy by hand-made terrains, C by NumPy, rays by MuJoCo's own."""

import mujoco
import numpy as np
import pytest

from spreeze.envs.terrain import noise
from spreeze.envs.terrain._native import NativeTerrains, library, wrong_depth
from spreeze.envs.terrain.lookup import EMPTY, Terrains
from spreeze.envs.terrain.shapes import make_terrain

needs_compiler = pytest.mark.skipif(library() is None, reason="no C compiler")


def both(count: int, most: int) -> list[Terrains]:
    found = library()
    return [Terrains(count, most)] + ([] if found is None else [NativeTerrains(found, count, most)])


def step() -> np.ndarray:
    """A step of 0.3 m from x = 1 on, left half only; a ramp from 0 to 1 m at x = 3 to 4."""
    return np.array([[1.0, 2.0, 0.0, 5.0, 0.3, 0.3], [3.0, 4.0, -5.0, 5.0, 0.0, 1.0]])


def test_heights_of_a_step_and_a_ramp() -> None:
    points = [[0.99, 1.0], [1.01, 1.0], [1.99, 0.01], [1.5, -0.01], [2.01, 1.0], [3.25, -4.0], [3.75, 4.0], [4.01, 0]]
    for terrains in both(2, 5):
        terrains.lay(1, step())
        found = terrains.heights(np.array([points, points]))
        np.testing.assert_array_equal(found[0], 0)
        np.testing.assert_allclose(found[1], [0, 0.3, 0.3, 0, 0, 0.25, 0.75, 0])


def test_the_nearest_boxes_come_first_and_missing_ones_are_nowhere() -> None:
    for terrains in both(1, 5):
        terrains.lay(0, step())
        near = terrains.nearest(np.array([[4.5, 0.0]]), 3)
        np.testing.assert_array_equal(near[0], [step()[1], step()[0], EMPTY])


def test_too_many_boxes_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Terrains(1, 1).lay(0, step())


def test_rays_meet_a_step_from_ahead_from_above_and_from_behind() -> None:
    rays = np.array([[1.0, 0, 0], [0, 0, -1], [1, 0, -1], [-1, 0, 0], [0, 0, 1]])
    no_capsules = np.zeros((1, 0, 7))
    for terrains in both(1, 5):
        terrains.lay(0, step())

        def cast(terrains: Terrains, origin: list[float]) -> np.ndarray:
            found: np.ndarray = terrains.rays(np.array([origin]), np.eye(3)[None], rays, no_capsules, 3.0)[0]
            return found

        np.testing.assert_allclose(cast(terrains, [0, 1, 0.2]), [1, 0.2, 0.2, 3, 3])
        np.testing.assert_allclose(cast(terrains, [1.5, 1, 0.5]), [2.0, 0.2, 0.2, 3, 3])
        np.testing.assert_allclose(cast(terrains, [2.5, 1, 0.1]), [0.6, 0.1, 0.1, 0.5, 3])
        np.testing.assert_allclose(cast(terrains, [1.5, 1, 0.1]), 0)


@needs_compiler
@pytest.mark.parametrize("spatial", [False, True])
def test_c_gives_what_numpy_gives(spatial: bool) -> None:
    random = np.random.default_rng(0)
    numpy, native = both(5, 320)
    for n, kind in enumerate(("flat", "hills", "ridges", "stairs", "blocks")):
        terrain = make_terrain(kind, "train", 0.8, random, 1.0, spatial)  # type: ignore[arg-type]
        numpy.lay(n, terrain)
        native.lay(n, terrain)
    places = random.uniform(-1, 6, (5, 2)) * [1, 0.3]
    np.testing.assert_array_equal(native.nearest(places, 12), numpy.nearest(places, 12))
    points = random.uniform(-2, 6, (5, 200, 2)) * [1, 0.3]
    np.testing.assert_allclose(native.heights(points), numpy.heights(points), atol=1e-12)
    origins = np.column_stack([places, random.uniform(0.5, 2, 5)])
    capsules = np.concatenate([random.uniform(-1, 1, (5, 6, 6)), random.uniform(0.02, 0.1, (5, 6, 1))], axis=2)
    capsules[:, :, :3] += origins[:, None]
    capsules[:, :, 3:6] += origins[:, None]
    arguments = origins, rotations(random, 5), random.normal(size=(300, 3)), capsules, 3.0
    np.testing.assert_allclose(native.rays(*arguments), numpy.rays(*arguments), atol=1e-9)


@needs_compiler
def test_c_errs_as_numpy_does() -> None:
    random = np.random.default_rng(0)
    depth = np.minimum(random.uniform(0, 3.5, (3, 12, 7)), 3.0)
    keys, counts = random.integers(2**63, size=3), np.array([0, 7, 499])
    arguments = depth, keys, counts, 0.01, 0.8, 3.0
    np.testing.assert_allclose(wrong_depth(*arguments), noise.wrong_depth(*arguments), atol=1e-12)


def rotations(random: np.random.Generator, count: int) -> np.ndarray:
    found = np.zeros((count, 9))
    for matrix in found:
        quat = random.normal(size=4)
        mujoco.mju_quat2Mat(matrix, quat / np.linalg.norm(quat))
    return found.reshape(-1, 3, 3)


def test_rays_are_those_of_mujoco_on_random_scenes() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        spec = mujoco.MjSpec()
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
        middles, halves = np.append(random.uniform(-2, 2, (6, 2)), np.zeros((6, 1)), 1), random.uniform(0.1, 1, (6, 3))
        for middle, half in zip(middles, halves, strict=True):
            spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=middle, size=half)
        ends, radii = random.uniform(-1.5, 1.5, (4, 6)), random.uniform(0.03, 0.2, 4)
        for pair, radius in zip(ends, radii, strict=True):
            spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=pair, size=[radius, 0, 0])
        model = spec.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        low, high = middles - halves, middles + halves
        boxes = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1], high[:, 2], high[:, 2]])
        origin, rays = np.array([0.0, 0.0, 2.5]), random.normal(size=(200, 3)) - [0, 0, 1]
        met = [mujoco.mj_ray(model, data, origin, ray, None, 1, -1, np.zeros(1, np.int32)) for ray in rays]
        expected = np.where(np.array(met) < 0, 5.0, np.minimum(met, 5.0))
        for terrains in both(1, 6):
            terrains.lay(0, boxes)
            capsules = np.column_stack([ends, radii])[None]
            found = terrains.rays(origin[None], np.eye(3)[None], rays, capsules, 5.0)[0]
            np.testing.assert_allclose(found, expected, atol=1e-6)
