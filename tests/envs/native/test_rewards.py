"""Rewards and healthy ranges computed by hand, in states that are written into real simulations."""

from collections.abc import Mapping
from contextlib import closing

import numpy as np
import pytest

from spreeze.envs.native import TASKS, load_model, simulate
from spreeze.envs.native.simulations import Simulations
from spreeze.envs.native.task import Outcome, Task


def rest(task: Task, count: int = 1) -> Simulations:
    """Simulations at the pose of the model, nothing moving."""
    simulations = simulate(task, load_model(task), count)
    simulations.qpos[:] = simulations.model.qpos0
    simulations.forward(np.arange(count))
    return simulations


def rewarded(
    identifier: str, action: list[float], *, qpos: Mapping[int, float] | None = None, before: float = 0.0
) -> float:
    """The reward of a step that ended with these positions, after which nothing else differs from rest."""
    task = TASKS[identifier]
    with closing(rest(task)) as simulations:
        for number, value in (qpos or {}).items():
            simulations.qpos[0, number] = value
        simulations.ctrl[0] = action
        healthy = task.healthy(simulations) if task.healthy else np.ones(1, bool)
        seconds = simulations.model.opt.timestep * task.frame_skip
        outcome = Outcome(simulations, np.array([action], np.float32), np.array([before]), healthy, seconds)
        return float(task.reward(outcome)[0])


@pytest.mark.parametrize(("version", "alive"), [(4, 1.0), (5, 0.0)])
def test_a_hopper_that_falls_is_paid_for_the_step_in_version_4_only(version: int, alive: float) -> None:
    standing = rewarded(f"Hopper-v{version}", [1, 0, -1], qpos={0: 0.016})
    fallen = rewarded(f"Hopper-v{version}", [1, 0, -1], qpos={0: 0.016, 1: 0.7})
    assert standing == pytest.approx(0.016 / 0.008 + 1 - 1e-3 * 2)
    assert fallen == pytest.approx(2 + alive - 0.002)


@pytest.mark.parametrize(("version", "alive"), [(4, 1.0), (5, 0.0)])
def test_a_walker_that_falls_is_paid_for_the_step_in_version_4_only(version: int, alive: float) -> None:
    action = [1.0, 1.0, 0.0, 0.0, 0.0, 2.0]
    assert rewarded(f"Walker2d-v{version}", action, before=0.008) == pytest.approx(-0.008 / 0.008 + 1 - 6e-3)
    assert rewarded(f"Walker2d-v{version}", action, before=0.008, qpos={2: 1.0}) == pytest.approx(-1 + alive - 6e-3)


def test_a_cheetah_is_paid_for_speed_less_a_tenth_of_the_squared_action() -> None:
    assert rewarded("HalfCheetah-v5", [1, 1, 1, 1, 1, 1], qpos={0: 0.5}, before=0.25) == pytest.approx(5 - 0.6)


def test_a_swimmer_is_paid_for_speed() -> None:
    assert rewarded("Swimmer-v5", [1, -1], qpos={0: 0.04, 1: 9.0}) == pytest.approx(0.04 / 0.04 - 2e-4)


def test_an_ant_is_paid_for_its_torso_and_pays_for_clipped_contacts_in_version_5_only() -> None:
    for version, contact_cost in ((4, 0.0), (5, 5e-4 * (1 + 1 + 0.25))):
        task = TASKS[f"Ant-v{version}"]
        with closing(rest(task)) as simulations:
            simulations.fields["xpos"][0, 1] = (0.1, 7.0, 0.75)
            if task.contact_forces:
                simulations.fields["cfrc_ext"][0, 0, 0] = 3.0
                simulations.fields["cfrc_ext"][0, 4, 2] = -8.0
                simulations.fields["cfrc_ext"][0, 5, 5] = 0.5
            action = np.full((1, 8), 0.5, np.float32)
            outcome = Outcome(simulations, action, np.zeros(1), np.array([True]), 0.05)
            assert task.reward(outcome)[0] == pytest.approx(0.1 / 0.05 + 1 - 0.5 * 8 * 0.25 - contact_cost)


@pytest.mark.parametrize(("force", "contact_cost"), [(100.0, 5e-7 * 1e4), (1e5, 10.0)])
def test_a_humanoid_is_paid_for_its_mass_centre_and_pays_for_contacts_in_version_5_only(
    force: float, contact_cost: float
) -> None:
    for version, cost, alive in ((4, 0.0, 5.0), (5, contact_cost, 0.0)):
        task = TASKS[f"Humanoid-v{version}"]
        with closing(rest(task)) as simulations:
            simulations.fields["xipos"][0, :, 0] = 0.03
            simulations.fields["cfrc_ext"][0, 3, 1] = force
            simulations.ctrl[0] = 0.4
            outcome = Outcome(simulations, np.zeros((1, 17), np.float32), np.zeros(1), np.array([False]), 0.015)
            speed, effort = 0.03 / 0.015, 0.1 * 17 * 0.16
            assert task.reward(outcome)[0] == pytest.approx(1.25 * speed + alive - effort - cost)


def test_a_reacher_pays_for_the_distance_after_the_step_in_version_5_and_before_it_in_version_4() -> None:
    action = np.array([[0.6, 0.8]], np.float32)
    for version, distance in ((4, 5.0), (5, 0.13)):
        task = TASKS[f"Reacher-v{version}"]
        with closing(rest(task)) as simulations:
            tip, target = (simulations.model.body(name).id for name in ("fingertip", "target"))
            simulations.fields["xpos"][0, tip] = (0.1, 0.2, 0.01)
            simulations.fields["xpos"][0, target] = (0.05, 0.08, 0.01)
            outcome = Outcome(simulations, action, np.array([[3.0, 4.0, 0.0]]), np.ones(1, bool), 0.02)
            assert task.reward(outcome)[0] == pytest.approx(-distance - 1.0)


def test_a_pusher_pays_for_cylinder_to_goal_half_for_tip_to_cylinder_and_a_tenth_for_the_action() -> None:
    task = TASKS["Pusher-v5"]
    with closing(rest(task)) as simulations:
        places = {"tips_arm": (0.0, 0.0, 0.0), "object": (0.0, 0.6, 0.0), "goal": (0.0, 0.6, 0.2)}
        for name, place in places.items():
            simulations.fields["xpos"][0, simulations.model.body(name).id] = place
        action = np.full((1, 7), 2.0, np.float32)
        outcome = Outcome(simulations, action, np.zeros(1), np.ones(1, bool), 0.05)
        assert task.reward(outcome)[0] == pytest.approx(-0.2 - 0.5 * 0.6 - 0.1 * 28)


@pytest.mark.parametrize(("version", "fallen"), [(4, 1.0), (5, 0.0)])
def test_a_pole_is_paid_while_it_stands(version: int, fallen: float) -> None:
    assert rewarded(f"InvertedPendulum-v{version}", [3.0], qpos={1: 0.2}) == 1.0
    assert rewarded(f"InvertedPendulum-v{version}", [3.0], qpos={1: -0.21}) == fallen


@pytest.mark.parametrize(("version", "fallen"), [(4, 10.0), (5, 0.0)])
def test_two_poles_pay_for_place_and_speed_of_their_tip(version: int, fallen: float) -> None:
    task = TASKS[f"InvertedDoublePendulum-v{version}"]
    for height, alive in ((1.1, 10.0), (1.0, fallen)):
        with closing(rest(task)) as simulations:
            simulations.fields["site_xpos"][0, 0] = (0.5, 0.0, height)
            simulations.qvel[0] = (9.0, 2.0, -3.0)
            assert task.healthy is not None
            outcome = Outcome(simulations, np.zeros((1, 1), np.float32), np.zeros(1), task.healthy(simulations), 0.05)
            place, speed = 0.01 * 0.25 + (height - 2) ** 2, 1e-3 * 4 + 5e-3 * 9
            assert task.reward(outcome)[0] == pytest.approx(alive - place - speed)


def after(value: float) -> float:
    return float(np.nextafter(value, np.inf))


def below(value: float) -> float:
    return float(np.nextafter(value, -np.inf))


@pytest.mark.parametrize(
    ("family", "number", "inside", "outside"),
    [
        ("Hopper", 1, after(0.7), 0.7),
        ("Hopper", 2, below(0.2), 0.2),
        ("Hopper", 2, after(-0.2), -0.2),
        ("Hopper", 3, after(-100.0), -100.0),
        ("Hopper", 5, below(100.0), 100.0),
        ("Walker2d", 1, after(0.8), 0.8),
        ("Walker2d", 1, below(2.0), 2.0),
        ("Walker2d", 2, below(1.0), 1.0),
        ("Walker2d", 2, after(-1.0), -1.0),
        ("Ant", 2, 0.2, below(0.2)),
        ("Ant", 2, 1.0, after(1.0)),
        ("Humanoid", 2, after(1.0), 1.0),
        ("Humanoid", 2, below(2.0), 2.0),
        ("InvertedPendulum", 1, 0.2, after(0.2)),
        ("InvertedPendulum", 1, -0.2, below(-0.2)),
    ],
)
def test_healthy_is_exact_on_both_sides_of_every_bound(family: str, number: int, inside: float, outside: float) -> None:
    for version in (4, 5):
        task = TASKS[f"{family}-v{version}"]
        with closing(rest(task, 2)) as simulations:
            assert task.healthy is not None
            assert task.healthy(simulations).all()
            simulations.qpos[:, number] = (inside, outside)
            assert task.healthy(simulations).tolist() == [True, False]


def test_a_hopper_is_not_healthy_at_a_velocity_of_a_hundred_that_its_observation_hides() -> None:
    task = TASKS["Hopper-v5"]
    with closing(rest(task, 3)) as simulations:
        assert task.healthy is not None
        simulations.qvel[:, 0] = (below(100.0), 100.0, -100.0)
        assert task.healthy(simulations).tolist() == [True, False, False]
        assert task.observe(simulations)[1][:, 0].tolist() == [10.0, 10.0, -10.0]


@pytest.mark.parametrize("family", ["HalfCheetah", "Swimmer", "Reacher", "Pusher"])
def test_what_never_ends_has_no_healthy_range(family: str) -> None:
    assert TASKS[f"{family}-v5"].healthy is None
