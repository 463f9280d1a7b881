"""An environment that shows more than its pictures, and can be kicked."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from spreeze.environment import Control, Overlay, Parameter


class Plain(gymnasium.Env[Any, Any]):
    """Slides along a line, and shows nothing beside its pictures."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012
    render_mode = "rgb_array"
    observation_space, action_space = Box(-np.inf, np.inf, (1,), np.float32), Box(-1, 1, (1,), np.float32)

    def __init__(self) -> None:
        self.position = self.velocity = 0.0
        self.kicks: list[tuple[float, ...]] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position = self.velocity = 0.0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.position += self.velocity / 30
        return np.array([self.position], np.float32), 0.0, False, False, {}

    def render(self) -> Any:
        return np.zeros((8, 8, 3), np.uint8)


class Sled(Plain):
    """Shows its velocity and a picture, and can be kicked."""

    def overlay(self) -> Overlay:
        brightness = int(min(abs(self.velocity), 1.0) * 255)
        image = np.full((4, 6, 3), brightness, np.uint8)
        return Overlay(charts={"sliding": {"velocity": self.velocity}}, images={"eye": image})

    def controls(self) -> Sequence[Control]:
        return [
            Control("Kick", self.kick, (Parameter("how fast", -5.0, 5.0, 1.0),), key="K"),
            Control("Halt", self.halt),
        ]

    def kick(self, velocity: float) -> None:
        self.kicks.append((velocity,))
        self.velocity = velocity

    def halt(self) -> None:
        self.velocity = 0.0
