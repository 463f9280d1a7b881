"""The pendulum's closed forms against its differential equation, and what foot placement does with them."""

import numpy as np
import pytest
import torch

from spreeze.algorithms.alip import template

MASS, HEIGHT, GRAVITY, STEP_TIME = 32.0, 0.65, 9.81, 0.3
RATE = np.sqrt(GRAVITY / HEIGHT)
MATRIX = np.array(
    [
        [0, 0, 0, 1 / (MASS * HEIGHT)],
        [0, 0, -1 / (MASS * HEIGHT), 0],
        [0, -MASS * GRAVITY, 0, 0],
        [MASS * GRAVITY, 0, 0, 0],
    ]
)
"""Of the state (x, y, L_x, L_y)."""


@pytest.mark.parametrize("seconds", [0.0, 0.03, 0.3, 0.7])
def test_the_closed_form_is_the_matrix_exponential(seconds: float) -> None:
    state = np.random.default_rng(0).normal(size=(20, 4)) * [0.3, 0.3, 10, 10]
    exact = state @ torch.linalg.matrix_exp(torch.from_numpy(MATRIX * seconds)).numpy().T
    momentum = np.stack([state[:, 3], -state[:, 2]], axis=1) / (MASS * HEIGHT)
    position, after = template.later(state[:, :2], momentum, RATE, np.float64(seconds))
    np.testing.assert_allclose(position, exact[:, :2], atol=1e-12)
    np.testing.assert_allclose(after * MASS * HEIGHT, np.stack([exact[:, 3], -exact[:, 2]], axis=1), atol=1e-10)


def test_one_placement_reaches_the_wanted_momentum() -> None:
    random = np.random.default_rng(1)
    position, momentum, wanted = random.normal(size=(3, 50, 2))
    _, at_end = template.later(position, momentum, RATE, np.float64(0.1))
    placed = template.placement(at_end, wanted, RATE, np.float64(STEP_TIME))
    _, after = template.later(placed, at_end, RATE, np.float64(STEP_TIME))
    np.testing.assert_allclose(after, wanted, atol=1e-12)


def test_a_soft_placement_keeps_that_share_of_the_error() -> None:
    at_end, wanted = np.array([0.9]), np.array([0.4])
    placed = template.placement(at_end, wanted, RATE, np.float64(STEP_TIME), softness=0.3)
    _, after = template.later(placed, at_end, RATE, np.float64(STEP_TIME))
    np.testing.assert_allclose(after - wanted, 0.3 * (at_end - wanted), atol=1e-12)


@pytest.mark.parametrize(("corrected", "reached"), [(True, 1.0), (False, 1 / 1.1107)])
def test_the_orbit_has_the_wanted_mean_speed_only_with_the_factor(corrected: bool, reached: float) -> None:
    wanted = np.array([0.8])
    factor = template.orbit_factor(RATE, np.float64(STEP_TIME)) if corrected else 1.0
    position, momentum = np.array([-0.1]), np.array([0.3])
    for _ in range(3):
        begun = position
        position, momentum = template.later(position, momentum, RATE, np.float64(STEP_TIME))
        speed = (position - begun) / STEP_TIME
        position = template.placement(momentum, factor * wanted, RATE, np.float64(STEP_TIME))
    np.testing.assert_allclose(speed / wanted, reached, rtol=1e-4)


def test_the_lateral_orbit_repeats_after_two_steps_with_feet_the_width_apart() -> None:
    width, ends = 0.2, template.lateral_orbit(0.2, RATE, np.float64(STEP_TIME))
    from_left = template.placement(ends, -ends, RATE, np.float64(STEP_TIME))
    position, momentum = template.later(from_left, ends, RATE, np.float64(STEP_TIME))
    np.testing.assert_allclose(momentum, -ends, atol=1e-12)
    np.testing.assert_allclose(position - template.placement(-ends, ends, RATE, np.float64(STEP_TIME)), width)


def test_momentum_about_a_new_foot_is_the_old_one_if_the_mass_does_not_rise() -> None:
    position, velocity, shift = np.array([0.1, 0.02, 0.65]), np.array([0.8, 0.1, 0.0]), np.array([-0.3, 0.1, 0.0])
    before = template.angular_momentum(position, velocity, MASS)
    after = template.after_impact(before, shift, velocity, MASS)
    np.testing.assert_allclose(after, template.angular_momentum(position + shift, velocity, MASS))
    np.testing.assert_allclose(after[:2], before[:2])


def test_shifts_are_placements_from_the_place_that_keeps_the_momentum() -> None:
    at_end, wanted, step_time = np.array([[0.5, -0.2]]), np.array([[0.8, 0.3]]), np.float64(STEP_TIME)
    reach = RATE * np.sinh(RATE * STEP_TIME)
    np.testing.assert_allclose(template.shift(at_end, wanted, RATE, step_time), [[-0.3 / reach, 0.1 / reach]])
    np.testing.assert_allclose(template.shift(at_end, at_end * [1, -1], RATE, step_time), 0, atol=1e-12)
