"""The point robot as a Gymnasium environment that draws itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

if TYPE_CHECKING:
    from spreeze.envs.sparse.point import PointVector

_PIXELS, _EXTENT = 256, 1.6
"""Of a side, and how far the picture reaches from the origin."""
_DISC, _DOT = 0.3, 0.04
"""Radii of what is rewarded, and of goal and point."""


class PointPicture(gymnasium.Env[Any, Any]):
    """One point: white ground, what is rewarded in light green, the goal in green, the point in red."""

    render_mode = "rgb_array"

    def __init__(self, make: Callable[[int], PointVector]) -> None:
        self._make, self._one = make, make(0)
        self.observation_space, self.action_space = self._one.observation_space, self._one.action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode of a task that is drawn from the seed."""
        super().reset(seed=seed)
        if seed is not None:
            self._one = self._make(seed)
        return self._one.reset()[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move."""
        observation, reward, terminated, truncated = self._one.step(np.asarray(action)[None])
        return observation[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}

    def render(self) -> Any:
        """The picture (256, 256, 3) uint8."""
        axis = np.linspace(-_EXTENT, _EXTENT, _PIXELS)
        ground = np.stack(np.meshgrid(axis, axis[::-1]), axis=-1)
        frame = np.full((_PIXELS, _PIXELS, 3), 255, np.uint8)
        goal, point = self._one.assignment.values[0], self._one.position[0]
        for center, radius, colour in (
            (goal, _DISC, (215, 240, 215)),
            (goal, _DOT, (0, 130, 0)),
            (point, _DOT, (200, 0, 0)),
        ):
            frame[np.square(ground - center).sum(axis=-1) <= radius**2] = colour
        return frame
