"""The clock of walking in C: `gait.c` takes the ticks as `../gait.py` does, and leaves changes of stance to that."""

from __future__ import annotations

import ctypes

import numpy as np

from spreeze.envs.bipeds import gait as plain
from spreeze.envs.bipeds._native import library, pointer, structure
from spreeze.envs.bipeds.gait import Gait
from spreeze.envs.bipeds.robot import TICK_S, Posture, Reference, Robot
from spreeze.envs.bipeds.trajectories import LIFTS

SEEN = ("force", "feet_velocity", "feet", "mass_center", "mass_velocity")
"""Of a posture, in the order of `struct gait`."""


class NativeGait(Gait):
    """`Gait` whose ticks the library takes; its memory is the same."""

    def __init__(self, library: ctypes.CDLL, robot: Robot, count: int) -> None:
        super().__init__(robot, count)
        filtered = self._filter.value
        height, tilt = np.zeros((count, 3)), np.zeros(count)
        self._refer = Reference(self.stance, self._swing, height, filtered[:, :, -2], self._yaw, tilt, self.pressure)
        self._landed, self._slips = np.zeros((2, count), bool)
        self._posture: Posture | None = None
        self._values: dict[str, int | float | np.ndarray] = {
            "count": count,
            "decisions": len(robot.low),
            "tick": TICK_S,
            "touch": plain.TOUCH_N,
            "earliest": plain.EARLIEST,
            "late_speed": plain.LATE_SPEED,
            "frequency": plain.FREQUENCY,
            "slip_speed": plain.SLIP_SPEED,
            "settled": plain.SETTLED_S,
            "step_time": robot.step_time,
            "clearance": robot.clearance,
            "lifts": LIFTS,
            "stance": self.stance,
            "since": self.since,
            "target": self.target,
            "lifted_off": self.lifted_off,
            "left_with": self.left_with,
            "heading": self.heading,
            "heading_rate": self.heading_rate,
            "wanted_pace": self.wanted_pace,
            "pace": self.pace,
            "quickening": self._quickening,
            "filter": filtered,
            "swing": self._swing,
            "yaw": self._yaw,
            "incline": self.incline,
            "height": height,
            "tilt": tilt,
            "landed": self._landed,
            "slips": self._slips,
            **dict.fromkeys(SEEN, 0),
        }
        self._structure = structure(self._values)
        self._library, self._gait = library, pointer(self._structure)

    def advance(self, posture: Posture) -> Reference:
        """As `Gait` says."""
        self._look_at(posture)
        if self._library.gait_tick(self._gait):
            self._change_stance(self._landed.nonzero()[0], posture)
        self._library.gait_refer(self._gait)
        return self._refer

    def slips(self, posture: Posture) -> np.ndarray:
        """As `Gait` says; valid until the next call."""
        self._look_at(posture)
        self._library.gait_slips(self._gait)
        return self._slips

    def _look_at(self, posture: Posture) -> None:
        """Let the library read this one; controllers write theirs into the same arrays again and again."""
        if posture is not self._posture:
            for name in SEEN:
                array = getattr(posture, name)
                assert array.flags.c_contiguous and array.dtype == np.float64
                self._structure[name] = array.ctypes.data
            self._posture = posture


def gait(robot: Robot, count: int) -> Gait:
    """Return the gait of `count` robots, from the library where there is one."""
    found = library()
    return Gait(robot, count) if found is None else NativeGait(found, robot, count)
