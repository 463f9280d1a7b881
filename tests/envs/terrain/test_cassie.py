"""Cassie over terrain: kinematics, servos, commands, ends, reward, saving, and its mirror image."""

from typing import Any

import mujoco
import numpy as np
import pytest

from spreeze import registry
from spreeze.environment import Watchable
from spreeze.envs.terrain import cassie, cassie_legs, make_vector
from spreeze.envs.terrain.cassie_body import CassieBody
from spreeze.envs.terrain.cassie_senses import ENTRIES, CassieSenses
from spreeze.envs.terrain.episodes import TerrainWalkers
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.timing import DECISION_S

NAME = "cassie-terrain"
LEG = np.array([-1, -1, 1, 1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1])
RATES = np.array([-1, -1, 1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1])
"""Signs of a leg's positions and velocities when it becomes the other one; the heel's rod is on a ball joint."""


def made(count: int = 1, seed: int = 0, **options: Any) -> TerrainWalkers:
    return make_vector(NAME, TerrainOptions(**options), count, seed)


def exact(count: int = 1, **options: Any) -> TerrainWalkers:
    """Without anything random but the beginning of an episode and its command."""
    vector = made(count, noise=False, randomise=False, **options)
    vector.reset()
    return vector


def body_of(vector: TerrainWalkers) -> CassieBody:
    assert isinstance(vector.body, CassieBody)
    return vector.body


def entry(vector: TerrainWalkers, seen: np.ndarray, name: str) -> np.ndarray:
    names = list(ENTRIES)
    begin = sum(ENTRIES[other] for other in names[: names.index(name)])
    return seen[:, begin : begin + ENTRIES[name]]


def mirrored(position: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (35,) and velocities (32,) with left and right exchanged."""
    places = [position[:7] * [1, -1, 1, 1, -1, 1, -1], LEG * position[21:], LEG * position[7:21]]
    rates = [velocity[:6] * [1, -1, 1, -1, 1, -1], RATES * velocity[19:], RATES * velocity[6:19]]
    return np.concatenate(places), np.concatenate(rates)


def test_kinematics_are_those_of_the_model() -> None:
    model, random = cassie.robot().compile(), np.random.default_rng(0)
    data = mujoco.MjData(model)
    mujoco.mj_integratePos(model, data.qpos, random.uniform(-0.4, 0.4, 32), 1.0)
    data.qvel[:] = random.uniform(-1, 1, 32)
    mujoco.mj_forward(model, data)
    found = cassie_legs.legs(data.qpos[None])
    rates = cassie_legs.foot_velocities(found, data.qpos[None], data.qvel[None])[0]
    for side, name in enumerate(("left", "right")):
        for link, part in enumerate(cassie_legs.LINKS):
            body = data.body(f"{name}_{part}")
            np.testing.assert_allclose(found.places[0, side, link], body.xpos, atol=1e-9)
            np.testing.assert_allclose(found.rotations[0, side, link].ravel(), body.xmat, atol=1e-9)
        velocity, geom = np.zeros(6), model.geom(f"{name}_foot").id
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_GEOM, geom, velocity, 0)
        np.testing.assert_allclose(rates[side], velocity[3:], atol=1e-9)
    capsules = cassie_legs.capsules(found)[0]
    geoms = [data.geom(f"{side}_{part}").xpos for side in ("left", "right") for part in cassie_legs.SEEN]
    np.testing.assert_allclose((capsules[:, :3] + capsules[:, 3:6]) / 2, geoms, atol=1e-9)


def test_motors_and_springs_are_where_the_authors_say() -> None:
    model = cassie.model()
    names = [f"{side}_{motor}" for side in ("left", "right") for motor in cassie.MOTORS]
    assert [model.joint(name).qposadr[0] for name in names] == cassie.POSITIONS.tolist()
    assert [model.joint(name).dofadr[0] for name in names] == cassie.VELOCITIES.tolist()
    passive = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shin", "tarsus")]
    assert [model.joint(name).qposadr[0] for name in passive] == cassie.PASSIVE_POSITIONS.tolist()
    assert [model.actuator(i).name for i in range(10)] == names


def test_an_episode_begins_with_the_lower_foot_on_the_ground_and_closed_loops() -> None:
    model = cassie.model()
    data = mujoco.MjData(model)
    for seed in range(5):
        data.qpos[:], data.qvel[:] = cassie_legs.start(np.random.default_rng(seed))
        data.qpos[2] -= 1e-4
        mujoco.mj_forward(model, data)
        assert np.abs(data.efc_pos[: data.ne]).max() < 2e-3
        lowest = min(data.contact[i].dist for i in range(data.ncon))
        assert lowest == pytest.approx(-1e-4, abs=1e-6)


def test_servos_are_evaluated_at_every_step_of_the_physics() -> None:
    model = cassie.model()
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = cassie_legs.start(np.random.default_rng(0))
    data.ctrl[:] = cassie.POSE + 0.3
    limit, torques = np.tile(cassie.TORQUE, 2), []
    for _ in range(10):
        position, velocity = data.qpos[cassie.POSITIONS].copy(), data.qvel[cassie.VELOCITIES].copy()
        mujoco.mj_step(model, data)
        wanted = np.tile(cassie.STIFFNESS, 2) * (data.ctrl - position) - np.tile(cassie.DAMPING, 2) * velocity
        np.testing.assert_allclose(data.actuator_force, np.clip(wanted, -limit, limit), atol=1e-9)
        torques.append(data.actuator_force.copy())
    assert (np.abs(np.diff(torques, axis=0)).max(axis=1) > 0.01).all()


def test_an_action_of_0_sinks_slowly_and_falls_within_three_seconds() -> None:
    vector = exact(8, terrain="flat")
    ends = np.zeros(8)
    for decision in range(150):
        moment = vector.step(np.zeros((8, 13)))
        ends = np.where((ends == 0) & moment.terminated, decision, ends)
        if decision == 10:
            assert (np.abs(vector.body.base[:, 2] - 0.99) < 0.04).all()
    assert (ends > 15).all() and (ends < 150).all()


@pytest.mark.parametrize("terrain", ["flat", "stairs", "blocks"])
def test_a_mirrored_state_gives_mirrored_physics_and_the_mirrored_observation(terrain: Any) -> None:
    options = TerrainOptions(terrain=terrain, noise=False, randomise=False, depth="always")
    environment = registry.environment(NAME)
    assert environment.mirror is not None
    seen, chosen = environment.mirror(options)
    one, other = (make_vector(NAME, options, 1, 4) for _ in range(2))
    one.reset(), other.reset()
    reflect(one, other)
    random = np.random.default_rng(0)
    for _ in range(15):
        action = random.uniform(-0.4, 0.4, (1, 13))
        moment, image = one.step(action), other.step(action[:, chosen[0]] * chosen[1])
        position, velocity = mirrored(one.simulations.qpos[0], one.simulations.qvel[0])
        np.testing.assert_allclose(other.simulations.qpos[0], position, atol=1e-6)
        np.testing.assert_allclose(other.simulations.qvel[0], velocity, atol=1e-4)
        expected = moment.observation[:, seen[0]] * seen[1]
        near = np.isclose(image.observation, expected, atol=2e-3)
        # Rays and cells that graze an edge fall to either side of it.
        assert near[:, :44].all() and near.mean() > 0.995
        np.testing.assert_allclose(image.reward, moment.reward, atol=1e-4)
        assert image.terminated[0] == moment.terminated[0]


def reflect(one: TerrainWalkers, other: TerrainWalkers) -> None:
    """Bring `other` into the mirrored state of `one`, on the mirrored ground."""
    other.simulations.qpos[0], other.simulations.qvel[0] = mirrored(one.simulations.qpos[0], one.simulations.qvel[0])
    assert isinstance(other.senses, CassieSenses) and isinstance(one.senses, CassieSenses)
    one.senses.turn[:] = 0.3
    other.senses.turn[:] = -0.3
    other.clock.phase[:] = (one.clock.phase + 0.5) % 1
    boxes = one.ground.terrains.boxes[0, : one.ground.terrains.sizes[0]].copy()
    boxes[:, [2, 3]] = -boxes[:, [3, 2]]
    other.ground.lay(0, boxes)


def test_what_stands_ahead_and_to_the_left_is_there_in_map_and_picture() -> None:
    vector = exact(terrain="flat", depth="always")
    vector.simulations.qpos[0, :7] = [0, 0, 1, 1, 0, 0, 0]
    vector.ground.lay(0, np.array([[0.7, 1.2, 0.2, 0.6, 0.3, 0.3]]))
    seen = vector.senses.observe(np.zeros(1, int))
    cells = entry(vector, seen, "clean_map").reshape(20, 30)
    across, ahead = np.meshgrid(np.linspace(-0.5, 0.5, 20), np.linspace(0, 1.5, 30), indexing="ij")
    inside = (ahead >= 0.7) & (ahead < 1.2) & (across >= 0.2) & (across < 0.6)
    np.testing.assert_allclose(cells, np.where(inside, -0.7, -1.0))
    picture = entry(vector, seen, "depth").reshape(64, 64)
    nearer = picture[10:30] < picture[10:30, ::-1] - 0.01
    assert nearer[:, :32].sum() > 100 and not nearer[:, 32:].any()


def test_the_map_turns_with_the_yaw_of_the_pelvis() -> None:
    vector = exact(terrain="flat")
    half = np.pi / 4
    vector.simulations.qpos[0, :7] = [0, 0, 1, np.cos(half), 0, 0, np.sin(half)]
    vector.ground.lay(0, np.array([[-0.3, 0.3, 0.5, 2.0, 0.2, 0.2]]))
    cells = entry(vector, vector.senses.observe(np.zeros(1, int)), "clean_map").reshape(20, 30)
    ahead = np.linspace(0, 1.5, 30)
    np.testing.assert_allclose(cells[10], np.where(ahead >= 0.5, -0.8, -1.0))


def test_the_commanded_heading_turns_and_the_attitude_is_told_from_it() -> None:
    vector = exact(terrain="flat")
    body, senses = body_of(vector), vector.senses
    assert isinstance(senses, CassieSenses)
    senses.turn[:] = 0.4
    vector.step(np.zeros((1, 13)))
    assert body.heading[0] == pytest.approx(0.4 * DECISION_S)
    body.heading[:] = 0.6
    vector.simulations.qpos[0, 3:7] = [np.cos(0.3), 0, 0, np.sin(0.3)]
    state = entry(vector, senses.observe(np.zeros(1, int)), "state")[0]
    np.testing.assert_allclose(state[:4], [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(body.turns()[0, 0], 0, atol=1e-12)


def test_commands_turn_in_four_of_ten_episodes_by_at_most_an_eighth_of_pi() -> None:
    vector = exact(200, terrain="flat", senses="blind")
    assert isinstance(vector.senses, CassieSenses)
    turns = vector.senses.turn
    assert 0.3 < np.mean(turns != 0) < 0.5 and 0.35 < np.abs(turns).max() <= np.pi / 8


def test_a_pelvis_that_leans_or_is_too_fast_ends_an_episode() -> None:
    vector = exact(4, terrain="flat")
    lean = np.deg2rad([14.0, 16.0]) / 2
    for index, (angle, axis) in enumerate([(lean[0], 1), (lean[1], 1), (lean[0], 2), (lean[1], 2)]):
        vector.simulations.qpos[index, 3:7] = 0
        vector.simulations.qpos[index, [3, 3 + axis]] = np.cos(angle), np.sin(angle)
    np.testing.assert_array_equal(vector.body.leaning(), [False, True, False, True])
    vector.body.speed[:], body_of(vector).drift[:] = 3.0, 4.0
    np.testing.assert_allclose(vector.body.pace(), 5.0)


def test_feet_that_are_level_and_straight_are_not_turned() -> None:
    vector = exact(terrain="flat")
    vector.simulations.qpos[0] = cassie.model().key("home").qpos
    vector.simulations.qpos[0, [7, 21]] = 0
    np.testing.assert_allclose(body_of(vector).turns()[0], 0, atol=1e-6)


def test_a_toe_at_a_riser_is_struck_and_a_low_one_is_not() -> None:
    for height, expected in ((0.3, True), (0.015, False)):
        vector = exact(terrain="flat")
        toe = cassie_legs.feet(body_of(vector).legs(), cassie_legs.TOE)[0]
        begin = float(toe[:, 0].max()) + 0.03
        vector.ground.lay(0, np.array([[begin, 3.0, -10.0, 10.0, height, height]]))
        vector.step(np.zeros((1, 13)))
        assert vector.body.struck.any() == expected


def test_equal_seeds_give_equal_episodes_and_a_saved_state_goes_on_to_the_bit() -> None:
    options: dict[str, Any] = dict(max_episode_steps=12, curriculum=True, depth="always")
    one, same, other = made(2, **options), made(2, **options), made(2, 9, **options)
    random = np.random.default_rng(0)
    np.testing.assert_array_equal(one.reset(), same.reset())
    other.reset()
    for _ in range(7):
        action = random.uniform(-0.5, 0.5, (2, 13))
        np.testing.assert_array_equal(one.step(action).observation, same.step(action).observation)
    saved = one.state()
    np.testing.assert_array_equal(other.load_state(saved), saved["observation"])
    for _ in range(12):
        action = random.uniform(-0.5, 0.5, (2, 13))
        for left, right in zip(one.step(action), other.step(action), strict=True):
            np.testing.assert_array_equal(left, right)


def test_it_is_found_by_name_and_drawn_with_its_ground_and_map() -> None:
    environment = registry.environment(NAME)
    env = environment.make_rendered(environment.options(terrain="blocks", depth="always"))
    first, _ = env.reset(seed=5)
    frame: Any = env.render()
    assert frame.shape == (360, 640, 3) and frame.std() > 0
    again, *_ = env.step(env.action_space.sample())
    assert {name: value.size for name, value in again.items()} == ENTRIES and first.keys() == again.keys()
    shown = env.unwrapped.overlay()  # type: ignore[attr-defined]
    assert isinstance(env.unwrapped, Watchable) and shown.images["depth, near is dark"].shape == (256, 256, 3)
    env.close()
