"""The angular-momentum linear inverted pendulum: closed forms, in NumPy alone.

A mass m at constant height H above a point that stands, without torque there. Its angular momentum L about that point,
over m H, is a speed: v = (L_y, -L_x) / (m H). With the mass centre p = (x, y) from the point, every axis obeys

    p' = v,  v' = l^2 p,  l = sqrt(g / H).

Where a new foot takes over on level ground, v stays and p becomes the mass centre from the new foot. Arrays are
(..., D), one axis or two. Sources: Gong and Grizzle, arXiv 2008.10763 and 2105.08170; the factor k is ours.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Numbers = np.ndarray | float


def later(position: Array, momentum: Array, rate: Numbers, seconds: Numbers) -> tuple[Array, Array]:
    """Position [m] and momentum [m/s] after a time [s] without a step; `rate` is l [1/s]."""
    grown, moved = np.cosh(rate * seconds), np.sinh(rate * seconds)
    return grown * position + moved / rate * momentum, rate * moved * position + grown * momentum


def placement(at_end: Array, wanted: Array, rate: Numbers, step_time: Numbers, softness: float = 0.0) -> Array:
    """Mass centre from the foot that lands [m], so that the next step of `step_time` ends with the momentum `wanted`.

    `at_end` is the momentum with which this step ends [m/s]; both (..., D). With a `softness` a in [0, 1) the error
    shrinks to a share a of it instead of vanishing:

        p = ((1 - a) wanted + (a - cosh(l T)) at_end) / (l sinh(l T)).
    """
    reach = rate * np.sinh(rate * step_time)
    placed: Array = ((1 - softness) * wanted + (softness - np.cosh(rate * step_time)) * at_end) / reach
    return placed


def shift(at_end: Array, wanted: Array, rate: Numbers, step_time: Numbers, softness: float = 0.0) -> Array:
    """`placement` as planners decide it: landing place from the mass centre, less the one that keeps the momentum [m].

    Both (..., D). Forward the sign is that of the foot seen from the mass centre, and keeping is to end the next step
    with `at_end`; sideways it is outward, and keeping is to end with its negative, as a robot that sways does.
    """
    kept = placement(at_end, at_end * np.array([1.0, -1.0])[: at_end.shape[-1]], rate, step_time)
    apart = placement(at_end, wanted, rate, step_time, softness) - kept
    moved: Array = apart * np.array([-1.0, 1.0])[: at_end.shape[-1]]
    return moved


def orbit_factor(rate: Numbers, step_time: Numbers) -> Array:
    """k = (l T / 2) coth(l T / 2): momentum at the end of a step over the mean speed, on the orbit of one step.

    On that orbit the mass centre moves from -u/2 to u/2, u being the mean speed times T. Asking for the mean speed
    itself walks slower by this factor.
    """
    half = rate * step_time / 2
    factor: Array = half / np.tanh(half)
    return factor


def lateral_orbit(width: float | Array, rate: Numbers, step_time: Numbers) -> Array:
    """Momentum [m/s] at the end of a step on the left foot, of the orbit of two steps with feet `width` [m] apart.

    v_y = -(l W / 2) tanh(l T / 2), towards the right foot; on the right foot it is its negative.
    """
    momentum: Array = -rate * width / 2 * np.tanh(rate * step_time / 2)
    return momentum


def angular_momentum(position: Array, velocity: Array, mass: float | Array, about_center: Array | float = 0.0) -> Array:
    """L about a point (..., 3) [kg m^2/s]: p x m v, of the mass centre from there, plus L about the mass centre."""
    total: Array = np.cross(position, np.asarray(mass)[..., None] * velocity) + about_center
    return total


def after_impact(momentum: Array, shift: Array, velocity: Array, mass: float | Array) -> Array:
    """L (..., 3) about a new point: L + shift x m v; `shift` is the old point seen from the new one [m]."""
    return angular_momentum(shift, velocity, mass, momentum)
