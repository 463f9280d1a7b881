"""Where the swing foot is meant to be, as functions of the phase s: values, rates and accelerations.

The horizontal blend is that of public ALIP code (five-link walker, GTLIDAR's digit_controller); the height is the
Bezier curve of sixth order of another one (Digit_DRS). The departure and the filter are ours.
"""

from __future__ import annotations

from math import comb

import numpy as np

_CONTROL = np.array([0.0, 0.11, 0.77, 1.0, 0.77, 0.11, -0.01])
_ORDER = len(_CONTROL) - 1
_APEX = sum(comb(_ORDER, i) * c for i, c in enumerate(_CONTROL)) / 2**_ORDER


def _polynomial() -> np.ndarray:
    """Coefficients, lowest first, of the curve whose value at s = 1/2 is 1."""
    powers = np.zeros(_ORDER + 1)
    for i, control in enumerate(_CONTROL):
        for j in range(_ORDER - i + 1):
            powers[i + j] += control * comb(_ORDER, i) * comb(_ORDER - i, j) * (-1) ** j
    found: np.ndarray = powers / _APEX
    return found


_LIFT = _polynomial()
_EXPONENTS = np.arange(_ORDER + 1)
LIFTS = np.stack(
    [_LIFT, np.append((_LIFT * _EXPONENTS)[1:], 0), np.append((_LIFT * _EXPONENTS * (_EXPONENTS - 1))[2:], [0, 0])]
)
"""(3, 7): coefficients of height, rate and acceleration by s, lowest first."""


def blend(phase: np.ndarray, step_time: float) -> np.ndarray:
    """(N, 3): w = (1 - cos(pi s)) / 2, w' and w'', by time, for phases (N,) in [0, 1] of steps of `step_time` [s]."""
    angle, rate = np.pi * phase, np.pi / step_time
    cosine = np.cos(angle)
    return np.stack([(1 - cosine) / 2, np.sin(angle) * (rate / 2), cosine * (rate * rate / 2)], axis=1)


def lift(phase: np.ndarray, step_time: float) -> np.ndarray:
    """(N, 3): height in clearances, its rate and acceleration: 0 at s = 0, 1 at s = 1/2, nearly 0 at s = 1."""
    powers = phase[:, None] ** _EXPONENTS
    found: np.ndarray = powers @ LIFTS.T / step_time ** np.arange(3)
    return found


def departure(phase: np.ndarray, step_time: float) -> np.ndarray:
    """(N, 3): s (1 - s)^2 T, its rate and acceleration: what goes on of a rate of 1 at s = 0, gone at s = 1 [s]."""
    rest = 1 - phase
    rows = phase * rest * rest * step_time, rest * (1 - 3 * phase), (6 * phase - 4) / step_time
    return np.stack(rows, axis=1)


def paced(curve: np.ndarray, pace: np.ndarray, change: np.ndarray) -> np.ndarray:
    """(N, 3): value, rate and acceleration by time of a curve (N, 3) whose own clock goes at `pace` (N,).

    `change` (N,) is the rate of the pace: x' r, and x'' r^2 + x' r'.
    """
    found = curve.copy()
    found[:, 1] *= pace
    found[:, 2] = curve[:, 2] * pace * pace + curve[:, 1] * change
    return found


class Filter:
    """Follows targets (N, C) critically damped: a = w^2 (target - x) - 2 w v. Rows are x, v and a: (N, 3, C)."""

    def __init__(self, count: int, channels: int, frequency: float) -> None:
        """All at 0; `frequency` is w [rad/s]."""
        self.value, self._frequency = np.zeros((count, 3, channels)), frequency

    def begin(self, indices: np.ndarray, value: np.ndarray) -> None:
        """Rest at `value` (K, C) in rows `indices` (K,)."""
        self.value[indices] = 0
        self.value[indices, 0] = value

    def advance(self, target: np.ndarray, seconds: float) -> np.ndarray:
        """One short time on; return (N, 3, C), which is valid until the next call."""
        position, rate, acceleration = self.value[:, 0], self.value[:, 1], self.value[:, 2]
        np.subtract(target, position, out=acceleration)
        acceleration *= self._frequency**2
        acceleration -= 2 * self._frequency * rate
        rate += seconds * acceleration
        position += seconds * rate
        return self.value
