"""Which observations end an episode, as Gymnasium's environments of versions 4 and 5 decide it by default.

Each function takes next observations (..., O), as arrays of NumPy or tensors of PyTorch, in the layout of its
environment, and returns (...) bool. NaN and infinity end an episode wherever they do in Gymnasium.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_INFINITY = float("inf")
_ANT_STATE = 27
"""Numbers of an ant's observation that are positions and velocities; contact forces follow."""


def hopper(observation: Any) -> Any:
    """Whether a hopper has fallen: height, angle or any further number is out of its healthy range.

    Gymnasium tests velocities before it clips them to ±10 for the observation; that they pass 100 cannot be seen.
    """
    height, angle, state = observation[..., 0], observation[..., 1], observation[..., 1:]
    upright = (height > 0.7) & (height < _INFINITY) & (abs(angle) < 0.2)
    return ~(upright & (abs(state) < 100).all(-1))


def walker2d(observation: Any) -> Any:
    """Whether a walker has fallen: height out of (0.8, 2) or angle out of (-1, 1)."""
    height, angle = observation[..., 0], observation[..., 1]
    return ~((height > 0.8) & (height < 2) & (abs(angle) < 1))


def ant(observation: Any) -> Any:
    """Whether an ant has fallen or jumped: height out of [0.2, 1], or its state is not finite."""
    height, state = observation[..., 0], observation[..., :_ANT_STATE]
    return ~((height >= 0.2) & (height <= 1) & (abs(state) < _INFINITY).all(-1))


def humanoid(observation: Any) -> Any:
    """Whether a humanoid has fallen: height out of (1, 2)."""
    height = observation[..., 0]
    return ~((height > 1) & (height < 2))


def inverted_pendulum(observation: Any) -> Any:
    """Whether a pole has fallen: its angle is beyond 0.2 rad, or the observation is not finite."""
    return ~((abs(observation[..., 1]) <= 0.2) & (abs(observation) < _INFINITY).all(-1))


def half_cheetah(observation: Any) -> Any:
    """Never: a cheetah goes on until its episode is cut."""
    return _never(observation)


def swimmer(observation: Any) -> Any:
    """Never: a swimmer goes on until its episode is cut."""
    return _never(observation)


def reacher(observation: Any) -> Any:
    """Never: a reacher goes on until its episode is cut."""
    return _never(observation)


def pusher(observation: Any) -> Any:
    """Never: a pusher goes on until its episode is cut."""
    return _never(observation)


def termination(identifier: str) -> Callable[[Any], Any] | None:
    """Return the function for a Gymnasium id; None where none is known or the observation does not tell.

    InvertedDoublePendulum has none: Gymnasium judges the height of its tip at the last stage of the integrator, which
    the observation gives to about 0.1 mm only.
    """
    return _TERMINATIONS.get(identifier)


def _never(observation: Any) -> Any:
    first = observation[..., 0]
    return first < first


_NAMES: dict[str, Callable[[Any], Any]] = {
    "Hopper": hopper,
    "Walker2d": walker2d,
    "HalfCheetah": half_cheetah,
    "Ant": ant,
    "Humanoid": humanoid,
    "Swimmer": swimmer,
    "Reacher": reacher,
    "Pusher": pusher,
    "InvertedPendulum": inverted_pendulum,
}
_TERMINATIONS = {f"{name}-v{version}": function for name, function in _NAMES.items() for version in (4, 5)}
