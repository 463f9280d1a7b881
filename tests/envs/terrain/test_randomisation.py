"""What differs between bodies lies in its range, and is in the simulations."""

from typing import Any

import numpy as np
import pytest

from spreeze.envs.terrain import make_vector
from spreeze.envs.terrain.episodes import TerrainWalkers
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.randomisation import FIELDS, NOMINAL, Spread, draw

COUNT = 16
every_robot = pytest.mark.parametrize("name", ["walker2d-terrain", "cassie-terrain"])


def begun(name: str, **options: Any) -> TerrainWalkers:
    vector = make_vector(name, TerrainOptions(terrain="flat", senses="blind", **options), COUNT, 0)
    vector.reset()
    return vector


def factors(vector: TerrainWalkers, field: str) -> np.ndarray:
    """(N, X): what simulations have over what the model has, where it has something."""
    nominal = np.asarray(getattr(vector.simulations.model, field))
    own = np.asarray(vector.simulations.parameter(field))[:, nominal != 0]
    found: np.ndarray = own / nominal[nominal != 0]
    return found


@every_robot
@pytest.mark.parametrize(
    ("field", "low", "high"),
    [("dof_damping", 0.5, 3.5), ("body_mass", 0.75, 1.25), ("geom_friction", 0.8, 1.2), ("actuator_gainprm", 0.9, 1.0)],
)
def test_factors_fill_their_range(name: str, field: str, low: float, high: float) -> None:
    found = factors(begun(name), field)
    assert low <= found.min() < low + 0.25 * (high - low)
    assert high - 0.25 * (high - low) < found.max() <= high
    assert (found.std(axis=0).max() > 0).all(), "simulations differ"


def test_springs_of_a_cassie_differ_each_from_the_other() -> None:
    vector = begun("cassie-terrain")
    found = factors(vector, "jnt_stiffness")
    assert found.shape == (COUNT, 4), "shins and heels"
    assert 0.8 <= found.min() < 0.9 and 1.1 < found.max() <= 1.2
    assert np.unique(found).size == found.size
    assert not factors(begun("walker2d-terrain"), "jnt_stiffness").size, "the planar robot has none"


def test_mass_centres_of_a_planar_robot_stay_in_its_plane() -> None:
    model = begun("walker2d-terrain").simulations.model
    moved = draw(model, Spread(), np.random.default_rng(0), True)["body_ipos"] - model.body_ipos
    assert 0.005 < np.abs(moved).max() <= 0.01 and not moved[:, 1].any()


@every_robot
def test_without_a_spread_bodies_are_the_models(name: str) -> None:
    vector = begun(name, randomise=False)
    drawn = draw(vector.simulations.model, NOMINAL, np.random.default_rng(0), False)
    for field in FIELDS:
        expected = getattr(vector.simulations.model, field, np.zeros(0))
        np.testing.assert_array_equal(drawn[field], np.broadcast_to(expected, drawn[field].shape), err_msg=field)
