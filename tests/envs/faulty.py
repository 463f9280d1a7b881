"""Small environments for tests, registered as `test/<name>-v0`: some are broken in one way each."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

FAULTY_STEP = 3
"""The step of every episode at which a faulty environment shows its fault."""

BROKEN_STEPS: dict[str, tuple[Any, Any]] = {
    "nan-observation": (np.array([0.0, np.nan, 0.0]), 0.0),
    "infinite-observation": (np.array([np.inf, 0.0, 0.0]), 0.0),
    "wrong-shape": (np.zeros(4), 0.0),
    "one-number": (0.0, 0.0),
    "no-observation": (None, 0.0),
    "ragged": ([[0.0], [0.0, 0.0]], 0.0),
    "nan-reward": (np.zeros(3), float("nan")),
    "infinite-reward": (np.zeros(3), np.float64("-inf")),
    "reward-array": (np.zeros(3), np.zeros(2)),
    "no-reward": (np.zeros(3), None),
}
"""Name to the observation and reward that the environment returns at its faulty step."""


class Faulty(gymnasium.Env[Any, Any]):
    """Counts its steps, and breaks at step `FAULTY_STEP` in the way called `fault`."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - Gymnasium declares it as an instance's.
    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, fault: str, render_mode: str | None = None) -> None:
        self.fault, self.render_mode, self.steps = fault, render_mode, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        if self.fault == "reset-raises":
            raise RuntimeError("no episode begins")
        return np.full(3, np.nan) if self.fault == "nan-reset" else np.zeros(3), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self.steps < FAULTY_STEP:
            return np.full(3, float(self.steps)), 1.0, False, False, {}
        if self.fault == "raises":
            raise RuntimeError("the simulation diverged")
        return *BROKEN_STEPS[self.fault], False, False, {}

    def render(self) -> Any:
        if self.fault == "undrawable":
            raise gymnasium.error.DependencyNotInstalled("brush is not installed, run `pip install brush`")
        return np.zeros((4, 4), np.uint8)


class Choices(gymnasium.Env[Any, Any]):
    """Takes a choice and shows it; raises when the choice is not a Python int. Its reward is plain."""

    observation_space = spaces.Discrete(5)
    action_space = spaces.Discrete(3, start=2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if type(action) is not int:
            raise TypeError(f"a choice is an int, not {type(action).__name__}")
        return action, 1, False, False, {}


class Spoiler(gymnasium.Env[Any, Any]):
    """Shows pixels, and overwrites the action that it was given."""

    observation_space = spaces.Box(0, 255, (2, 2, 3), np.uint8)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.full((2, 2, 3), 255, np.uint8), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        shade = np.uint8(100 * (1 + action[0]))
        action[:] = np.nan
        return np.full((2, 2, 3), shade, np.uint8), 0.0, False, False, {}


class Named(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Observes a dictionary of the choice and whether it is above 1; without the latter from step 3 on if `forgets`."""

    def __init__(self, forgets: bool = False) -> None:
        super().__init__(Choices())
        self.observation_space = spaces.Dict(seen=self.env.observation_space, high=spaces.Discrete(2))
        self.forgets, self.steps = forgets, 0

    def reset(self, **options: Any) -> Any:
        """Begin an episode."""
        seen, info = self.env.reset(**options)
        return self._named(seen), info

    def step(self, action: Any) -> Any:
        """Step."""
        seen, *rest = self.env.step(action)
        self.steps += 1
        return self._named(seen), *rest

    def _named(self, seen: int) -> dict[str, Any]:
        named = {"seen": seen, "high": int(seen > 1)}
        return {"seen": seen} if self.forgets and self.steps > 2 else named


class Paired(Choices):
    """Acts by a tuple."""

    action_space = spaces.Tuple((spaces.Discrete(2), spaces.Discrete(2)))  # type: ignore[assignment]


for _fault in (*BROKEN_STEPS, "raises", "reset-raises", "nan-reset", "undrawable"):
    gymnasium.register(f"test/{_fault}-v0", f"{__name__}:Faulty", kwargs={"fault": _fault})
gymnasium.register("test/choices-v0", f"{__name__}:Choices", max_episode_steps=10)
gymnasium.register("test/forgetful-v0", f"{__name__}:Named", kwargs={"forgets": True})
for _name in ("Spoiler", "Named", "Paired"):
    gymnasium.register(f"test/{_name.lower()}-v0", f"{__name__}:{_name}")
