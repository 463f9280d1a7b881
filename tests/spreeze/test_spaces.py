"""Spaces as data, as fields of stores, and as units of actions."""

import json
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from spreeze.contract import Field
from spreeze.environment import Environment, Transition
from spreeze.errors import EnvironmentFault, UnsupportedSpace
from spreeze.spaces import (
    ActionScale,
    action_field,
    decode,
    encode,
    in_one_array,
    is_bounded_box,
    observation_field,
    probe,
)

WIDE = np.finfo(np.float32).max
SPACES: list[spaces.Space[Any]] = [
    spaces.Box(-2.0, 2.0, (1,), np.float32),
    spaces.Box(-np.inf, np.inf, (11,), np.float64),
    spaces.Box(np.array([-1.0, -np.inf, 0.1]), np.array([np.inf, 5.0, 0.3]), dtype=np.float64),
    spaces.Box(np.array([0.1, 0.2], np.float32), np.array([0.3, 0.4], np.float32)),
    spaces.Box(0, 255, (8, 8, 3), np.uint8),
    spaces.Box(-np.inf, 7, (2,), np.int64),
    spaces.Box(0.0, 1.0, (), np.float32),
    spaces.Box(0.0, 1.0, (0,), np.float32),
    spaces.Discrete(5),
    spaces.Discrete(4, start=-2, dtype=np.int32),
    spaces.MultiDiscrete([3, 2], start=[1, 0]),
    spaces.MultiDiscrete(np.array([[3, 2], [4, 5]])),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    spaces.Dict({"z": spaces.Discrete(2), "a": spaces.Dict(x=spaces.Box(-1.0, 1.0, (2,)))}, sort_keys=False),
]
NAMES = [str(space)[:40] for space in SPACES]


@pytest.mark.parametrize("space", SPACES, ids=NAMES)
def test_decoding_what_was_encoded_gives_an_equal_space(space: spaces.Space[Any]) -> None:
    data = encode(space)
    by_json = decode(json.loads(json.dumps(data, allow_nan=False)))
    by_msgpack = decode(msgpack.unpackb(msgpack.packb(data)))
    assert by_json == space == by_msgpack
    assert is_bounded_box(by_json) == is_bounded_box(space)


@pytest.mark.parametrize("space", SPACES[:8], ids=NAMES[:8])
def test_bounds_survive_to_the_bit(space: spaces.Box) -> None:
    copy = decode(encode(space))
    assert isinstance(copy, spaces.Box)
    for name in ("low", "high", "bounded_below", "bounded_above"):
        assert getattr(copy, name).tobytes() == getattr(space, name).tobytes()


def test_the_order_of_a_dict_survives() -> None:
    copy = decode(encode(SPACES[-1]))
    assert isinstance(copy, spaces.Dict)
    assert list(copy.spaces) == ["z", "a"]


def test_a_large_uniform_space_is_small_as_data() -> None:
    assert len(json.dumps(encode(spaces.Box(0, 255, (84, 84, 3), np.uint8)))) < 120


@pytest.mark.parametrize("space", [spaces.Tuple([spaces.Discrete(2)]), spaces.Text(5), spaces.Dict(t=spaces.Text(5))])
def test_other_kinds_are_refused(space: spaces.Space[Any]) -> None:
    with pytest.raises(UnsupportedSpace, match="Box, Discrete, MultiDiscrete, MultiBinary and Dict"):
        encode(space)


@pytest.mark.parametrize("data", [{}, {"kind": "tuple"}, {"kind": "box"}, {"kind": "discrete", "n": 2}])
def test_data_of_no_known_space_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedSpace, match="no known space"):
        decode(data)


@pytest.mark.parametrize(
    ("space", "observation", "action"),
    [
        (spaces.Box(-1.0, 1.0, (3,), np.float64), Field((3,), "float32"), Field((3,), "float32")),
        (spaces.Box(0, 255, (8, 8), np.uint8), Field((8, 8), "uint8"), Field((8, 8), "float32")),
        (spaces.Discrete(4), Field((), "int64"), Field((), "int64")),
        (spaces.MultiDiscrete([3, 2]), Field((2,), "int64"), Field((2,), "int64")),
        (spaces.MultiBinary(4), Field((4,), "int8"), Field((4,), "int8")),
    ],
)
def test_fields_have_shape_and_dtype_of_the_space(space: spaces.Space[Any], observation: Field, action: Field) -> None:
    assert observation_field(space) == observation
    assert action_field(space) == action


PAIR = spaces.Tuple([spaces.Discrete(2)])


@pytest.mark.parametrize("space", [PAIR, spaces.Dict({"pair": PAIR})])
def test_spaces_of_several_arrays_have_no_field(space: spaces.Space[Any]) -> None:
    for refuse in (observation_field, action_field, ActionScale):
        with pytest.raises(UnsupportedSpace, match="not served"):
            refuse(space)


def test_a_dictionary_is_observed_as_one_array_in_the_order_of_its_entries() -> None:
    space = SPACES[-1]
    observation = {"a": {"x": np.array([0.5, -1.0], np.float32)}, "z": 1}
    assert observation_field(space) == Field((4,), "float32")
    assert in_one_array(space, observation).tolist() == [0, 1, 0.5, -1]
    with pytest.raises(KeyError):
        in_one_array(space, {"z": 1})
    with pytest.raises(UnsupportedSpace, match="not served"):
        action_field(space)


def test_the_ends_of_the_scale_are_the_bounds() -> None:
    space = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))
    actions = np.array([[-1, -1], [0, 0], [1, 1]], np.float32)
    np.testing.assert_array_equal(ActionScale(space).to_env(actions), [[-2, 0], [0, 5], [2, 10]])


@given(st.floats(-1e6, 1e6, width=32), st.floats(0, 1e6, width=32), st.floats(-3, 3, width=32))
def test_a_scaled_action_lies_within_the_bounds(low: float, extent: float, action: float) -> None:
    space = spaces.Box(np.array([low], np.float32), np.array([low + extent], np.float32))
    scaled = ActionScale(space).to_env(np.array([action], np.float32))
    expected = low + (np.clip(action, -1, 1) + 1) / 2 * extent
    assert space.contains(scaled)
    np.testing.assert_allclose(scaled, [expected], rtol=1e-5, atol=1e-6 * (abs(low) + extent))


def test_an_action_of_the_unit_box_stays_as_it_is_to_the_bit() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 3)).astype(np.float32)
    assert ActionScale(spaces.Box(-1.0, 1.0, (3,))).to_env(actions).tobytes() == actions.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_a_scaled_action_has_the_dtype_of_the_space(dtype: type) -> None:
    scaled = ActionScale(spaces.Box(0, 4, (2,), dtype)).to_env(np.array([[0.49, -0.99]], np.float32))
    assert scaled.dtype == dtype
    if dtype in (np.int64, np.uint8):
        np.testing.assert_array_equal(scaled, [[3, 0]])


@pytest.mark.parametrize("space", [spaces.Box(-np.inf, np.inf, (2,)), spaces.Box(-WIDE, WIDE, (2,))])
def test_an_unbounded_action_stays_as_it_is(space: spaces.Box) -> None:
    actions = np.array([[-1e9, 5.0]], np.float32)
    assert not is_bounded_box(space)
    np.testing.assert_array_equal(ActionScale(space).to_env(actions), actions)


def test_choices_count_from_the_start_of_the_space() -> None:
    np.testing.assert_array_equal(ActionScale(spaces.Discrete(3)).to_env(np.array([0, 2])), [0, 2])
    np.testing.assert_array_equal(ActionScale(spaces.Discrete(3, start=5)).to_env(np.array([0, 2])), [5, 7])
    np.testing.assert_array_equal(ActionScale(spaces.MultiBinary(2)).to_env(np.array([[0, 1]])), [[0, 1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_come_back_from_the_units_of_the_space(dtype: type[np.floating]) -> None:
    space = spaces.Box(np.array([-2, 0, 1], dtype), np.array([2, 10, 1], dtype), dtype=dtype)
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32)
    scale = ActionScale(space)
    back = scale.from_env(scale.to_env(actions))
    np.testing.assert_allclose(back[:, :2], actions[:, :2], atol=1e-6)
    assert back.dtype == np.float32
    assert not back[:, 2].any()


def test_actions_beyond_the_bounds_come_back_as_the_bounds() -> None:
    scale = ActionScale(spaces.Box(-0.4, 0.4, (2,)))
    np.testing.assert_array_equal(scale.from_env(np.array([[-1.0, 0.5]])), [[-1, 1]])


def test_choices_come_back_counted_from_0() -> None:
    assert ActionScale(spaces.Discrete(3, start=5)).from_env(np.array([5, 7])).tolist() == [0, 2]
    scale = ActionScale(spaces.MultiDiscrete([3, 4], start=[1, 2]))
    assert scale.from_env(scale.to_env(np.array([[2, 3]]))).tolist() == [[2, 3]]


def test_actions_without_bounds_come_back_as_they_are() -> None:
    actions = np.array([[3.0, -7.0]], np.float32)
    np.testing.assert_array_equal(ActionScale(spaces.Box(-np.inf, np.inf, (2,))).from_env(actions), actions)


class ForeignVector:
    """A vector of a third party that returns what it is told to."""

    observation_space: spaces.Space[Any] = spaces.Box(-1.0, 1.0, (2,))
    action_space: spaces.Space[Any] = spaces.Discrete(2)
    count = 1

    def __init__(self, observation: Sequence[float], reward: Sequence[float]) -> None:
        self.transition = Transition(np.array([observation]), np.array(reward), np.zeros(1, bool), np.zeros(1, bool))
        self.closed = False

    def reset(self) -> np.ndarray:
        return np.zeros((1, 2), np.float32)

    def step(self, actions: np.ndarray) -> Transition:
        return self.transition

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def load_state(self, state: Any) -> np.ndarray:
        return self.reset()

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("observation", "reward", "complaint"),
    [
        ([0, 0, 0], [0], r"observation has shape \(1, 3\), declared is \(1, 2\)"),
        ([0, np.nan], [0], "observation .* is not finite"),
        ([0, 0], [0, 0], r"reward has shape \(2,\)"),
        ([0, 0], [np.inf], "reward .* is not finite"),
    ],
)
def test_a_probe_checks_vectors_of_third_parties_and_closes_them(
    observation: list[float], reward: list[float], complaint: str
) -> None:
    vector = ForeignVector(observation, reward)
    foreign = Environment("", object, lambda *_: vector, lambda _: pytest.fail("nothing is drawn"))
    with pytest.raises(EnvironmentFault, match=complaint):
        probe(foreign, None)
    assert vector.closed
