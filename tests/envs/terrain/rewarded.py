"""A decision of which nothing is to be said against, and what is."""

from typing import Any

import numpy as np

from spreeze.envs.terrain.rewards import Motion


def still() -> Motion:
    """The left foot is to swing, the right one to stand; nothing moves, and the left foot bears nothing."""
    nothing, feet = np.zeros(1), np.zeros((1, 2))
    return Motion(np.array([[1.0, 0.0]]), feet, feet, nothing, nothing, nothing, nothing)


def changed(seen: Any, **values: np.ndarray) -> Any:
    """What was measured, `seen`, with other values of its own or of its motion."""
    motion = {name: value for name, value in values.items() if name in Motion._fields}
    own = {name: value for name, value in values.items() if name not in motion}
    return seen._replace(**own, motion=seen.motion._replace(**motion))
