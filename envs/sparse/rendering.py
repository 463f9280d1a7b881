"""A family on the native engine as it is watched: with the goal that nothing observed tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spreeze.environment import Control, Marker, Overlay
from spreeze.envs.native.rendering import RenderedSimulation

if TYPE_CHECKING:
    from spreeze.envs.sparse.native import FamilyVector

GOAL_COLOUR = (217, 119, 6)
RADIUS_SHARE, HEIGHT_M = 0.15, 0.01
"""Radius of a goal's ball, as a share of the distance from which it is rewarded; its middle above the ground [m]."""


class RenderedFamily(RenderedSimulation):
    """The only environment of a family. It is `Watchable`."""

    vector: FamilyVector

    def overlay(self) -> Overlay:
        """A ball at a goal in the plane, or a wanted velocity beside the one that is reached."""
        sketch = self.vector.sketch
        if sketch is None:
            return Overlay()
        goal = sketch.goals[int(self.vector.assignment.number[0])]
        if len(sketch.labels) == 1:
            reached = float(sketch.track(self._seen)[0])
            return Overlay(charts={sketch.labels[0]: {"rewarded": float(goal[0]), "reached": reached}})
        position = (float(goal[0]), float(goal[1]), HEIGHT_M)
        return Overlay(markers={"goal": Marker(position, RADIUS_SHARE * sketch.reach, GOAL_COLOUR)})

    def controls(self) -> Sequence[Control]:
        """None."""
        return ()

    def _entries(self, seen: np.ndarray) -> Any:
        self._seen = seen[0].copy()
        return self._seen
