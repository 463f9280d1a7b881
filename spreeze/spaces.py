"""Observation and action spaces: as data, as fields of a store, as units of an action, as an environment has them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import closing
from functools import singledispatch
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space
from gymnasium.spaces.utils import flatdim, flatten, unflatten

from spreeze.contract import Field
from spreeze.environment import Environment, VectorEnv
from spreeze.errors import EnvironmentFault, SpreezeError, UnsupportedSpace

_SERVED = "Box, Discrete, MultiDiscrete, MultiBinary"
ACTION_MASK = "action_mask"
"""The entry of a Dict observation that tells which of the discrete actions are allowed, 1 or 0 each."""


@singledispatch
def encode(space: Space[Any]) -> dict[str, Any]:
    """Return `space` as plain data that JSON and msgpack carry; `decode` is the inverse.

    Raises:
        UnsupportedSpace: it is none of Box, Discrete, MultiDiscrete, MultiBinary, Dict.
    """
    raise UnsupportedSpace(f"cannot carry the space {space!r:.200}; supported are {_SERVED} and Dict")


@encode.register(Box)
def _(space: Box) -> dict[str, Any]:
    low = _encode_bound(space.low, space.bounded_below, "-inf")
    high = _encode_bound(space.high, space.bounded_above, "inf")
    return {"kind": "box", "shape": list(space.shape), "dtype": str(space.dtype), "low": low, "high": high}


@encode.register(Discrete)
def _(space: Discrete) -> dict[str, Any]:
    return {"kind": "discrete", "n": int(space.n), "start": int(space.start), "dtype": str(space.dtype)}


@encode.register(MultiDiscrete)
def _(space: MultiDiscrete) -> dict[str, Any]:
    nvec, start = space.nvec.tolist(), space.start.tolist()
    return {"kind": "multi-discrete", "nvec": nvec, "start": start, "dtype": str(space.dtype)}


@encode.register(MultiBinary)
def _(space: MultiBinary) -> dict[str, Any]:
    return {"kind": "multi-binary", "n": space.n if isinstance(space.n, int) else list(space.n)}


@encode.register(Dict)
def _(space: Dict) -> dict[str, Any]:
    return {"kind": "dict", "spaces": {name: encode(part) for name, part in space.spaces.items()}}


def decode(data: Mapping[str, Any]) -> Space[Any]:
    """Return the space that `encode` gave `data` for.

    Raises:
        UnsupportedSpace: `data` is of no known kind.
    """
    match data:
        case {"kind": "box", "shape": shape, "dtype": dtype, "low": low, "high": high}:
            return Box(_decode_bound(low, shape, dtype), _decode_bound(high, shape, dtype), dtype=np.dtype(dtype))
        case {"kind": "discrete", "n": n, "start": start, "dtype": dtype}:
            return Discrete(n, start=start, dtype=dtype)
        case {"kind": "multi-discrete", "nvec": nvec, "start": start, "dtype": dtype}:
            return MultiDiscrete(nvec, dtype=dtype, start=start)
        case {"kind": "multi-binary", "n": n}:
            return MultiBinary(n)
        case {"kind": "dict", "spaces": spaces}:
            return Dict([(name, decode(part)) for name, part in spaces.items()])
    raise UnsupportedSpace(f"no known space in {data!r:.200}")


def observation_field(space: Space[Any]) -> Field:
    """Return shape and dtype of one observation: floats as float32, Discrete as int64, others as they are.

    A Dict becomes one float32 array: its entries one after the other, Discrete ones as one-hot vectors.

    Raises:
        UnsupportedSpace: an observation of `space` is not one array or number, nor a Dict of such.
    """
    if isinstance(space, Dict):
        for part in space.spaces.values():
            observation_field(part)
        return Field((flatdim(space),))
    return _field("observation", space, scaled=False)


def in_one_array(space: Space[Any], observation: Any) -> Any:
    """Return an observation of a Dict as one array, as `observation_field` says, and others as they are.

    Raises:
        KeyError: an entry is missing.
    """
    return flatten(space, observation) if isinstance(space, Dict) else observation


def action_field(space: Space[Any]) -> Field:
    """Return shape and dtype of one action as policies choose it: a bounded or float Box as float32, Discrete as int64.

    Raises:
        UnsupportedSpace: an action of `space` is not one array or number.
    """
    return _field("action", space, scaled=is_bounded_box(space))


def is_bounded_box(space: Space[Any]) -> bool:
    """Whether `space` is a Box whose extent is finite in float32, so that policies act in [-1, 1]."""
    return isinstance(space, Box) and space.is_bounded() and bool(np.isfinite(_extent(space)).all())


class ActionScale:
    """Turns the actions that policies choose into those that an environment takes: middle + half x of a bounded Box.

    `space` is that Box, or None; `start` is what choices of a discrete space count from, or None.
    """

    def __init__(self, space: Space[Any]) -> None:
        """Prepare for the action space of one environment; raises as `action_field` does."""
        self._field_dtype = np.dtype(action_field(space).dtype)
        self._dtype = np.dtype(space.dtype)
        self.start = space.start if isinstance(space, Discrete | MultiDiscrete) else None
        self.space = space if isinstance(space, Box) and is_bounded_box(space) else None
        if self.space is not None:
            self.half = _extent(self.space) / 2
            self.middle = ((self.space.low.astype(np.float64) + self.space.high) / 2).astype(np.float32)

    def to_env(self, action: np.ndarray) -> np.ndarray:
        """Return `action` (..., A), or (...) for a discrete space, in the units and dtype of the space.

        Of a bounded Box, -1 is the lower and 1 the upper bound, and what lies beyond is clipped; whole numbers are
        rounded. Choices of a discrete space count from 0, its values from its start. Others stay as they are.
        """
        if self.space is not None:
            return self._within_bounds(np.asarray(action, np.float32))
        values = np.asarray(action, self._dtype)
        return values if self.start is None else values + self.start

    def from_env(self, action: np.ndarray) -> np.ndarray:
        """Return `action` (..., A), in the units of the space, as policies choose it; the inverse of `to_env`.

        What lies beyond the bounds of a bounded Box is clipped to [-1, 1]; where both bounds are equal, it is 0.
        """
        if self.space is None:
            values = np.asarray(action, self._field_dtype)
            return values if self.start is None else values - self.start
        offset = np.asarray(action, np.float64) - self.middle
        scaled = np.divide(offset, self.half, out=np.zeros_like(offset), where=self.half > 0)
        return np.clip(scaled, -1, 1).astype(np.float32)

    def _within_bounds(self, action: np.ndarray) -> np.ndarray:
        assert self.space is not None
        scaled = self.middle + action * self.half
        if self._dtype.kind != "f":
            scaled = np.rint(scaled)
        return np.clip(scaled, self.space.low, self.space.high).astype(self._dtype, copy=False)


def probe(environment: Environment, options: Any) -> tuple[Space[Any], Space[Any]]:
    """Make one environment, reset it, take three random steps, and return its observation and action space.

    Raises:
        EnvironmentFault: the environment raised, or returned NaN, infinity or a wrong shape.
        UnsupportedSpace: its observation or action space is not an array or a number.
        UsageError: it cannot be made with these options or packages.
    """
    try:
        with closing(environment.make_vector(options, 1, 0)) as vector:
            _try_out(vector)
            return vector.observation_space, vector.action_space
    except SpreezeError:
        raise
    except Exception as error:
        notes = "; ".join(getattr(error, "__notes__", ()))
        raise EnvironmentFault(f"the environment raised {type(error).__name__}: {error}; {notes}") from error


def _field(role: str, space: Space[Any], scaled: bool) -> Field:
    match space:
        case Box():
            return Field(space.shape, "float32" if scaled or space.dtype.kind == "f" else str(space.dtype))
        case Discrete():
            return Field((), "int64")
        case MultiDiscrete() | MultiBinary():
            return Field(space.shape, str(space.dtype))
    raise UnsupportedSpace(
        f"the {role} space {space!r:.200} is not served; supported are {_SERVED}, and Dict for observations: "
        "register the environment with a wrapper that makes it one array, as gymnasium.wrappers.FlattenObservation"
    )


def _extent(space: Box) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (space.high.astype(np.float64) - space.low).astype(np.float32)


def _encode_bound(bound: np.ndarray, finite: np.ndarray, infinity: str) -> list[float | str]:
    pairs = zip(bound.ravel().tolist(), finite.ravel().tolist(), strict=True)
    values = [value if bounded else infinity for value, bounded in pairs]
    return values[:1] if len(set(values)) == 1 else values


def _decode_bound(values: list[float | str], shape: list[int], dtype: str) -> np.ndarray:
    infinite = any(isinstance(value, str) for value in values)
    exact = np.dtype(np.float64 if infinite and np.dtype(dtype).kind != "f" else dtype)
    bound = np.array([float(value) if isinstance(value, str) else value for value in values], exact)
    return np.full(shape, bound[0]) if bound.size == 1 else bound.reshape(shape)


def _try_out(vector: VectorEnv) -> None:
    chooser = copy.deepcopy(vector.action_space)
    chooser.seed(0)
    field = observation_field(vector.observation_space)
    action_field(vector.action_space)
    seen = vector.reset()
    _check("observation", seen, (1, *field.shape))
    for _ in range(3):
        transition = vector.step(np.stack([chooser.sample(_mask(vector.observation_space, seen[0]))]))
        seen = transition.observation
        _check("observation", seen, (1, *field.shape))
        _check("reward", transition.reward, (1,))


def _mask(space: Space[Any], observation: np.ndarray) -> np.ndarray | None:
    """The actions allowed, as `Discrete.sample` takes them; None: all."""
    if not isinstance(space, Dict) or ACTION_MASK not in space.spaces:
        return None
    entries: Any = unflatten(space, observation)
    return np.asarray(entries[ACTION_MASK], np.int8)


def _check(field: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise EnvironmentFault(f"the {field} has shape {values.shape}, declared is {shape}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise EnvironmentFault(f"the {field} {values} is not finite")
