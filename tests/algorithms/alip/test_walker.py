"""The ALIP walker as an algorithm that learns nothing, and the planner as PPO with settings of its own."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict

from spreeze import registry
from spreeze.algorithms.alip import ALIPConfig
from spreeze.algorithms.alip.template import later, orbit_factor
from spreeze.algorithms.alip_walker import STEEPEST, Walker, WalkerConfig, WalkerPolicy, entries, follow, stages
from spreeze.algorithms.ppo import PPOConfig
from spreeze.cli import main
from spreeze.contract import EnvironmentSpec, Step
from spreeze.errors import UnsupportedSpace

SIZES = {
    "mass_center": 1,
    "momentum": 1,
    "command": 1,
    "speed_error": 1,
    "previous": 4,
    "left": 1,
    "template": 2,
}
SPACE = Dict([(name, Box(-np.inf, np.inf, (size,), np.float32)) for name, size in SIZES.items()])
ACTION = Box(np.array([-0.5, -0.2, 0.6, 0.4], np.float32), np.array([0.5, 0.2, 0.8, 1.6], np.float32))
SPEC = EnvironmentSpec(SPACE, ACTION)
RATE, STEP_TIME = 4.0, 0.3


def observed(position: float, momentum: float, command: float, error: float, left: float) -> torch.Tensor:
    return torch.tensor([[position, momentum, command, error, 0, 0, 0, 0, left, RATE, STEP_TIME]], dtype=torch.float32)


def placed(observation: torch.Tensor, config: WalkerConfig) -> float:
    """Landing place from the mass centre [m]: what is decided, from the place that keeps the momentum."""
    position, momentum, left = (observation[:, place].double().numpy() for place in (0, 1, 8))
    _, at_end = later(position, momentum, np.float64(RATE), left)
    policy, none = WalkerPolicy(Walker(SPEC, config)), torch.zeros(1)
    action, _, _ = policy.act(Step(observation, none, none, none.bool()), policy.initial_state(1), "walk")
    assert abs(action[0, -1]) < 1e-6, "steps take the robot's own time"
    return float(action[0, 0] * 0.5 + at_end[0] * np.tanh(RATE * STEP_TIME / 2) / RATE)


def test_the_next_step_ends_with_the_momentum_of_the_commanded_mean_speed() -> None:
    landing = placed(observed(0.05, 0.6, 0.5, 0.0, 0.1), WalkerConfig(lead=0.0, response=0.03))
    _, at_end = later(np.array([0.05]), np.array([0.6]), np.float64(RATE), np.float64(0.1))
    _, after = later(np.array([-landing]), at_end, np.float64(RATE), np.float64(STEP_TIME))
    np.testing.assert_allclose(after, 0.5 * orbit_factor(np.float64(RATE), np.float64(STEP_TIME)), atol=1e-5)


def kept(expected: float, before: float = 0.5) -> np.ndarray:
    """What `follow` keeps of one robot, without an integral yet."""
    return np.array([[[0.0], [before], [expected]]])


def followed(memory: np.ndarray, command: float, speed: float, config: WalkerConfig) -> float:
    return float(follow(memory, np.array([[command]]), np.array([[speed]]), config)[0, 0])


def test_who_is_too_fast_aims_for_less() -> None:
    config = WalkerConfig(proportional=0.3, integral=0.4)
    memory = kept(0.5)
    np.testing.assert_allclose(followed(memory, 0.5, 0.7, config), 0.5 - 0.3 * 0.2 - 0.4 * 0.03 * 0.2)
    np.testing.assert_allclose(memory[0, :, 0], [-0.4 * 0.03 * 0.2, 0.5, 0.5])


def test_a_ramp_is_looked_ahead_and_a_jump_no_further_than_the_steepest_one() -> None:
    config = WalkerConfig(proportional=0.0, integral=0.0, lead=0.2)
    np.testing.assert_allclose(followed(kept(0.5), 0.518, 0.5, config), 0.518 + 0.2 * 0.6)
    np.testing.assert_allclose(followed(kept(0.5), 1.0, 0.5, config), 1.0 + 0.2 * STEEPEST)


def test_a_speed_that_follows_as_expected_winds_nothing_up() -> None:
    config = WalkerConfig(response=0.3)
    memory = kept(0.5)
    expected = 0.5 + 0.1 * (0.518 - 0.5)
    followed(memory, 0.518, expected, config)
    np.testing.assert_allclose(memory[0, :, 0], [0, 0.518, expected], atol=1e-12)


def test_the_integral_grows_with_the_error_and_is_remembered() -> None:
    policy, none = WalkerPolicy(Walker(SPEC, WalkerConfig(integral=0.5))), torch.zeros(1)
    state = policy.initial_state(1)
    for _ in range(10):
        _, state, _ = policy.act(Step(observed(0, 0.5, 0.0, -0.2, 0.1), none, none, none.bool()), state, "walk")
    np.testing.assert_allclose(state[0].numpy(), [[0.5 * 0.2 * 10 * 0.03, 0.0, 0.0, 0.1]], rtol=1e-5)


def test_options_travel_with_the_weights() -> None:
    walker, other = Walker(SPEC, WalkerConfig(proportional=0.1, orbit_correction=False)), Walker(SPEC, WalkerConfig())
    other.load_state_dict(walker.state_dict())
    assert other.config().proportional == pytest.approx(0.1) and other.config().orbit_correction is False


def test_another_environment_is_refused_by_what_is_missing() -> None:
    with pytest.raises(UnsupportedSpace, match="mass_center, momentum"):
        stages(EnvironmentSpec(Box(-1, 1, (4,)), ACTION), WalkerConfig(), 1)


def test_entries_are_found_by_name() -> None:
    places, axes = entries(SPEC)
    assert (places["template"], axes) == (slice(9, 11), 1)


def test_the_planner_differs_from_ppo_in_its_settings_alone() -> None:
    assert registry.algorithm("alip").stages is registry.algorithm("ppo").stages
    changed = {
        f.name for f in dataclasses.fields(PPOConfig) if getattr(ALIPConfig(), f.name) != getattr(PPOConfig(), f.name)
    }
    assert changed == {"anneal", "discount", "horizon", "initial_log_std", "learning_rate", "until"}


@pytest.mark.slow
def test_a_run_of_the_walker_is_measured_and_finished_without_a_step(tmp_path: Path) -> None:
    options = ["--serial", "--tune", "off", "--visualize", "none", "--evaluation-episodes", "2"]
    run = ["run", "--algo", "alip_walker", "--env", "rabbit", "--max-episode-steps", "20", "--speed", "0", "0"]
    assert main([*run, *options, "--out", str(tmp_path / "run")]) in (0, None)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["env_steps"] == 0 and len(summary["evaluations"][-1]["returns"]) == 2
