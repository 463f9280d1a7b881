"""What is told of the ground: signs and directions on hand-made steps, noise within its limits, delays."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.terrain import depth, heightmap, noise
from spreeze.envs.terrain.depth import FARTHEST, FIELD_OF_VIEW, DepthCamera, DepthNoise, DepthSensor, tilted
from spreeze.envs.terrain.ground import Ground, with_ground
from spreeze.envs.terrain.heightmap import ACROSS, AHEAD, Heightmap, MapNoise, MapSensor

STEP = np.array([[0.7, 5.0, 0.2, 5.0, 0.3, 0.3]])
"""0.3 m high, from 0.7 m ahead on, from 0.2 m to the left on."""


def ground(count: int, scale: float = 1.0) -> Ground:
    spec = mujoco.MjSpec()
    with_ground(spec, spatial=True, scale=scale)
    return Ground(BatchSimulations(spec.compile(), count, ("mocap_pos", "mocap_quat"), 1), spatial=True, scale=scale)


def stepped(count: int = 1) -> Ground:
    made = ground(count)
    for index in range(count):
        made.lay(index, STEP)
    return made


def test_the_map_is_20_by_30_cells_with_the_ground_less_the_base() -> None:
    found = Heightmap(stepped(), AHEAD, ACROSS).clean(np.array([[0.0, 0.0, 0.9]]), np.zeros(1))[0]
    assert found.shape == (20, 30)
    expected = np.where((ACROSS[:, None] >= 0.2) & (AHEAD >= 0.7), -0.6, -0.9)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(found[0, -1], -0.9)  # Far ahead, to the right: no step.
    np.testing.assert_allclose(found[-1, -1], -0.6)  # Far ahead, to the left: the step.


def test_the_map_turns_with_yaw_and_moves_with_the_base() -> None:
    cells = Heightmap(stepped(2), AHEAD, ACROSS)
    base, yaw = np.array([[1.0, 0.0, 1.0], [0.5, 1.0, 1.2]]), np.array([np.pi / 2, np.pi])
    found = cells.clean(base, yaw)
    # Facing left from x = 1: rows from right to left are x from 1.5 to 0.5, columns are y from 0 to 1.5.
    expected = np.where((1.0 - ACROSS[:, None] >= 0.7) & (AHEAD >= 0.2), -0.7, -1.0)
    np.testing.assert_allclose(found[0], expected)
    np.testing.assert_allclose(found[1], -1.2)  # Facing away from the step.


def test_lengths_of_the_map_follow_the_robots_size() -> None:
    assert Heightmap(ground(1, 0.5), AHEAD, ACROSS).cells.max() == 0.75


def test_an_exact_sensor_tells_the_clean_map() -> None:
    cells = Heightmap(stepped(), AHEAD, ACROSS)
    sensor = MapSensor(cells, heightmap.EXACT, 1)
    sensor.begin(0, np.random.default_rng(0))
    base, yaw = np.array([[0.3, 0.0, 1.0]]), np.zeros(1)
    np.testing.assert_array_equal(sensor.sense(base, yaw, np.zeros(1, int)), cells.clean(base, yaw))


def test_noise_of_the_map_stays_within_its_limits_and_reaches_them() -> None:
    errors = replace(MapNoise(), least_delay=0, most_delay=0)
    cells = Heightmap(ground(60), AHEAD, heightmap.LINE)
    sensor, random = MapSensor(cells, errors, 60), np.random.default_rng(0)
    for index in range(60):
        sensor.begin(index, random)
    base, yaw = np.tile([0.0, 0.0, 1.0], (60, 1)), np.zeros(60)
    wrong = np.array([sensor.sense(base, yaw, np.full(60, step)) for step in range(20)]) + 1.0
    constant = wrong.mean(axis=(0, 3))
    assert 0.08 < np.abs(constant).max() <= 0.105
    each = wrong - sensor.memory["map/height"][:, None, None]
    assert 0.019 < np.abs(each).max() <= 0.02
    np.testing.assert_allclose(each.std(), 0.02 / np.sqrt(3), rtol=0.05)


def test_shifts_are_whole_pixels() -> None:
    errors = MapNoise(height=0.0, cell=0.0, least_delay=0, most_delay=0)
    made = ground(40)
    for index in range(40):
        made.lay(index, np.array([[0.7, 5.0, -5.0, 5.0, 0.3, 0.3]]))
    cells = Heightmap(made, np.arange(0, 1.5, 0.01), heightmap.LINE)
    sensor, random = MapSensor(cells, errors, 40), np.random.default_rng(0)
    for index in range(40):
        sensor.begin(index, random)
    base = np.tile([0.005, 0.0, 1.0], (40, 1))
    edges = [np.argmax(sensor.sense(base, np.zeros(40), np.full(40, k))[:, 0] > -0.9, axis=1) for k in range(30)]
    assert set(np.unique(edges)) == {60, 65, 70, 75, 80}


def test_a_map_is_late_by_the_decisions_that_were_drawn() -> None:
    errors = MapNoise(shift=0.0, height=0.0, cell=0.0)
    cells = Heightmap(ground(30), AHEAD, heightmap.LINE)
    sensor, random = MapSensor(cells, errors, 30), np.random.default_rng(0)
    for index in range(30):
        sensor.begin(index, random)
    delay = sensor.memory["map/delay"]
    assert set(delay) == {1, 2, 3, 4}
    for step in range(12):
        base = np.tile([0.0, 0.0, 1.0 + step], (30, 1))
        found = sensor.sense(base, np.zeros(30), np.full(30, step))
        np.testing.assert_array_equal(-found[:, 0, 0] - 1.0, np.maximum(step - delay, 0))


def test_numbers_depend_on_key_count_stream_and_place_and_look_random() -> None:
    keys, counts = np.array([5, 5, 6]), np.array([1, 2, 1])
    one = noise.uniform(keys, counts, 1, 4000)
    assert np.unique(np.concatenate([one, noise.uniform(keys, counts, 2, 4000)])).size == 24000
    np.testing.assert_array_equal(one, noise.uniform(keys, counts, 1, 4000))
    np.testing.assert_array_equal(one[2:], noise.uniform(keys[2:], counts[2:], 1, 4000))
    assert abs(one.mean()) < 0.02 and abs(one.std() - 1 / np.sqrt(3)) < 0.01
    drawn = noise.normal(keys, counts, 1, 4000)
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.02
    assert set(np.unique(noise.integers(keys, counts, 1, 100, 2))) == {0, 1, 2}


def down(tilt: float) -> np.ndarray:
    return tilted(np.eye(3)[None], tilt)


def test_the_picture_of_level_ground_is_that_of_a_plane() -> None:
    camera, tilt, height = DepthCamera(ground(1), 8, 8), np.deg2rad(60), 1.24
    found = camera.look(np.array([[0.0, 0.0, height]]), down(tilt), np.zeros((1, 0, 7)))[0]
    rows = np.tan(FIELD_OF_VIEW / 2) * (1 - (2 * np.arange(8) + 1) / 8)
    expected = height / (np.sin(tilt) - rows * np.cos(tilt))
    np.testing.assert_allclose(found, np.minimum(expected, FARTHEST)[:, None] + np.zeros(8))
    assert found[0, 0] > found[-1, 0]  # The top looks ahead, the bottom at the feet.


def test_a_block_on_the_left_is_seen_on_the_left_and_beyond_3_m_nothing_is() -> None:
    camera = DepthCamera(stepped(), 64, 64)
    found = camera.look(np.array([[0.0, 0.0, 1.2]]), down(np.deg2rad(60)), np.zeros((1, 0, 7)))[0]
    level = DepthCamera(ground(1), 64, 64).look(np.array([[0.0, 0.0, 1.2]]), down(np.deg2rad(60)), np.zeros((1, 0, 7)))
    nearer = found < level[0] - 0.05
    assert nearer[:, :20].sum() > 300 and not nearer[:, 32:].any()
    away = camera.look(np.array([[0.0, 0.0, 1.2]]), down(0.0), np.zeros((1, 0, 7)))[0]
    assert (away[:20] == FARTHEST).all()


def test_a_leg_in_view_is_seen_before_the_ground() -> None:
    camera, leg = DepthCamera(ground(1), 16, 16), np.array([[[0.2, 0, 0.4, 0.2, 0, 1.0, 0.05]]])
    place, empty = np.array([[0.0, 0.0, 1.2]]), np.zeros((1, 0, 7))
    with_leg, without = (camera.look(place, down(np.deg2rad(60)), c)[0] for c in (leg, empty))
    seen = with_leg < without - 0.01
    assert seen[:, 6:10].any() and not seen[:, :4].any()


def test_wrong_pictures_stay_in_range_and_a_mount_that_is_off_moves_them() -> None:
    camera = DepthCamera(ground(6), 1, 64)
    exact, wrong = DepthSensor(camera, depth.EXACT, 6), DepthSensor(camera, DepthNoise(), 6)
    random = np.random.default_rng(0)
    for index in range(6):
        exact.begin(index, random)
        wrong.begin(index, random)
    base, rotation, none = np.tile([0.0, 0.0, 0.9], (6, 1)), np.tile(np.eye(3), (6, 1, 1)), np.zeros((6, 0, 7))
    pictures = [[s.sense(base, rotation, none, np.full(6, k)) for k in range(8)] for s in (exact, wrong)]
    true, seen = np.array(pictures)
    assert (np.diff(true, axis=0) == 0).all() and (np.diff(seen[:, 0], axis=0) != 0).any()
    assert seen.min() >= 0 and seen.max() <= FARTHEST
    assert 0.005 < np.abs(seen - true).mean() < 0.1


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_a_tilted_camera_looks_down(tilt: float) -> None:
    np.testing.assert_allclose(down(tilt)[0, :, 0], [np.cos(tilt), 0, -np.sin(tilt)], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(down(tilt)), 1)
