"""Options of the bipeds' environments."""

from __future__ import annotations

from dataclasses import dataclass

Interval = tuple[float, float]
"""Least and greatest value; each episode draws one from between, uniformly."""


@dataclass(frozen=True)
class WalkingOptions:
    """What can be chosen about a biped that walks. Pairs are drawn from, uniformly, for every episode."""

    speed: Interval | None = None
    """Commanded forward speed [m/s], least and greatest; None: the robot's own range."""
    speed_changes: int = 2
    """How often the command changes within an episode, at equal distances."""
    slope: Interval = (0.0, 0.0)
    """Slope of the ground [degrees], uphill positive."""
    payload: Interval = (0.0, 0.0)
    """Mass added to the torso [kg], of which the controller knows nothing."""
    friction: Interval = (1.0, 1.0)
    """Factor of the friction of the ground."""
    push: Interval = (0.0, 0.0)
    """Impulse on the torso [N s], spread over 50 ms."""
    push_direction: Interval = (0.0, 0.0)
    """Where the push goes [degrees]: 0 forward, 90 left, 180 backward. Planar robots feel its forward share."""
    push_time: Interval = (3.0, 3.0)
    """When a push is due [s]; it comes in the next step at its phase."""
    push_phase: Interval = (0.5, 0.5)
    """Phase of the step, from 0 to 1, at which the push begins."""
    controller: str = "auto"
    """What tracks the references; auto: the robot's usual one."""
    max_episode_steps: int = 300
    """Decisions after which an episode is truncated: 300 are 9 s."""
