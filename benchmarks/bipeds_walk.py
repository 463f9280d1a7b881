"""Episodes of bipeds under a trained policy, and what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from spreeze.measure import Trained, with_environment
from spreeze.sources import Rollout
from spreeze.stages import make_envs

SETTLED = 100
"""Decisions at the beginning of an episode, for the ramp from standing, that do not count for tracking."""


@dataclass(frozen=True)
class Walk:
    """Whole episodes, one of each environment."""

    alive: Sequence[bool]
    """Whether each reached its end."""
    squares: Sequence[float]
    """Of each episode that lasted beyond `SETTLED`: mean square of the step-averaged speed's error [m^2/s^2]."""
    bias: float
    """Mean of that error [m/s]."""
    counts: dict[str, float]
    """Shares of ticks in which torques saturated, could not be found, or the foot slipped."""

    @property
    def survived(self) -> float:
        """Share of the episodes."""
        return float(np.mean(self.alive))


def walk(trained: Trained, episodes: int, seed: int, **conditions: Any) -> Walk:
    """Walk `episodes` side by side under conditions of the environment."""
    torch.set_num_threads(1)
    settings = with_environment(trained.settings, **conditions)
    envs: Any = make_envs(settings, episodes, seed)
    rollout = Rollout(envs, trained.policy(seed))
    going, fallen, errors = np.ones(episodes, bool), np.zeros(episodes, bool), list[np.ndarray]()
    ticks = np.zeros(envs.counts.shape)
    for _ in range(settings.environment.max_episode_steps):
        moment = rollout.step(trained.stage.modes.evaluate)
        ticks[going] = envs.counts[going]
        fallen |= going & moment.fields["terminated"]
        error = ahead(envs.speed, envs.gait.heading) - envs.conditions.command[:, 0]
        going &= ~moment.ended
        errors.append(np.where(going | (moment.ended & ~fallen), error, np.nan))
        if not going.any():
            break
    envs.close()
    return Walk((~fallen).tolist(), *_tracked(np.array(errors[SETTLED:])), _shares(ticks))


def ahead(speed: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """(N,): speeds (N, 2) of the world along headings (N,) [rad]."""
    found: np.ndarray = np.cos(heading) * speed[:, 0] + np.sin(heading) * speed[:, 1]
    return found


def survival(trained: Trained, episodes: int, seed: int, **conditions: Any) -> list[float]:
    """1 for each episode that reached its end, else 0."""
    return [float(alive) for alive in walk(trained, episodes, seed, **conditions).alive]


def _tracked(errors: np.ndarray) -> tuple[list[float], float]:
    """Mean squares of episodes, and the mean, of errors (T, N) in which NaN stands for none."""
    if not errors.size or np.isnan(errors).all():
        return [], float("nan")
    lasted = ~np.isnan(errors).all(axis=0)
    return np.nanmean(errors[:, lasted] ** 2, axis=0).tolist(), float(np.nanmean(errors))


def _shares(ticks: np.ndarray) -> dict[str, float]:
    total = max(ticks[:, 0].sum(), 1)
    names = ("saturated", "failed", "slipped")
    return {name: float(ticks[:, 1 + place].sum() / total) for place, name in enumerate(names)}
