"""The clock of walking: phase, change of stance, and from decisions to references. N robots, one tick at a time.

Nobody measures the ground's slope. Round feet learn it from how much higher each foothold is than the one before; a
flat sole that stands tells it by its pitch. Swing foot and base move along a plane of that incline. There the template
keeps its equations, with H measured vertically.
"""

from __future__ import annotations

import numpy as np

from spreeze.envs.bipeds.robot import TICK_S, Posture, Reference, Robot
from spreeze.envs.bipeds.trajectories import Filter, blend, departure, lift, paced

TOUCH_N = 20.0
"""Force of the swing foot that counts as touch-down."""
EARLIEST = 0.5
"""Phase before which no touch-down counts."""
FROZEN = 0.85
"""Phase from which on the landing place is not decided anew."""
LATE_SPEED = 0.3
"""With which the foot goes on downward after the planned touch-down [m/s]."""
FREQUENCY = 40.0
"""Of the filter of decisions [rad/s]."""
FASTEST = 2.0
"""Of what goes on of the velocity with which a foot left the ground [m/s]."""
SLIP_SPEED = 0.1
"""Of the foot that stands, from which on it slips [m/s]."""
SETTLED_S = 0.03
"""After touch-down, until when a foot may slide without having slipped."""

RUN = 0.1
"""Distance of two footholds at which half of their incline is believed [m]."""
STEEPEST = 0.3
"""Incline that is believed at most, rise over run."""

TURN = 0.1
"""By how much a sole changes the incline at most; one that is turned further may stand on its edge."""


def learned(incline: np.ndarray, run: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """(K,): what the incline is taken for after a foothold `run` (K,) ahead of the last one and `rise` above it [m].

    k + run (rise - k run) / (run^2 + RUN^2): normalised least mean squares, so that a step in place teaches nothing.
    """
    found: np.ndarray = incline + run * (rise - incline * run) / (run * run + RUN * RUN)
    return found.clip(-STEEPEST, STEEPEST)


def below(pitch: np.ndarray) -> np.ndarray:
    """(K,): incline of the ground below soles that lie on it with a `pitch` (K,) [rad]."""
    found: np.ndarray = np.clip(-np.tan(pitch), -STEEPEST, STEEPEST)
    return found


class Gait:
    """Which foot stands since when, and where everything is meant to be. Arrays in `memory` are all of its state."""

    def __init__(self, robot: Robot, count: int) -> None:
        self._robot, self._rows = robot, np.arange(count)
        self._places = len(robot.low) - 2
        self._filter = Filter(count, len(robot.low), FREQUENCY)
        self.stance, self.since = np.zeros(count, np.int64), np.zeros(count)
        """(N,): the foot that stands, and since when by the step's own clock, at `pace` until its time is up [s]."""
        self.target, self.lifted_off = np.zeros((count, len(robot.low))), np.zeros((count, 3))
        """(N, A): the decision that is followed; (N, 3): where the swing foot was, as `Reference.swing`."""
        self.left_with = np.zeros((count, 3))
        """(N, 3): with which velocity it left [m/s]."""
        self.heading, self.heading_rate = np.zeros(count), np.zeros(count)
        """(N,): where forward is [rad], and how it turns [rad/s]."""
        self.pressure = np.zeros(count)
        """(N,): as `Reference` has it, decided anew with every decision."""
        self.wanted_pace, self.pace, self._quickening = np.ones(count), np.ones(count), np.zeros(count)
        """(N,): how fast steps are to go on and do, 1 is the robot's own step time; the rate of the latter [1/s]."""
        self.incline = np.zeros(count)
        """(N,): of the ground along the heading, rise over run, as it is learned."""
        self._swing, self._yaw = np.zeros((count, 3, 3)), np.zeros((count, 3))
        self.memory = {
            "gait/stance": self.stance,
            "gait/since": self.since,
            "gait/target": self.target,
            "gait/lifted_off": self.lifted_off,
            "gait/left_with": self.left_with,
            "gait/heading": self.heading,
            "gait/pace": self.pace,
            "gait/incline": self.incline,
            "gait/filter": self._filter.value,
        }

    @property
    def phase(self) -> np.ndarray:
        """(N,): s in [0, 1], of the step under way."""
        phase: np.ndarray = np.minimum(self.since / self._robot.step_time, 1.0)
        return phase

    def begin(self, indices: np.ndarray, stance: np.ndarray, posture: Posture) -> None:
        """Begin a step on the feet `stance` (K,) in robots `indices` (K,), from where they are.

        The ground is taken to be level, or to be inclined as the sole that stands.
        """
        self.stance[indices], self.since[indices], self.heading[indices] = stance, 0.0, 0.0
        self.incline[indices] = below(posture.soles[indices, stance])
        self.pressure[indices], self.pace[indices], self.wanted_pace[indices] = 0.0, 1.0, 1.0
        self._lift_off(indices, posture)
        height = posture.base[indices, 2] - posture.feet[indices, stance, 2]
        places = np.zeros((len(indices), self._places))
        target = np.column_stack([places, posture.attitude[indices, 1], height])
        self.target[indices] = target
        self._filter.begin(indices, target)

    def decide(self, decision: np.ndarray, pace: np.ndarray) -> None:
        """Follow a decision (N, A) from now on, at a pace (N,); a foot about to land keeps its place."""
        self.wanted_pace[:] = pace
        free = self.phase < FROZEN
        self.target[:, self._places :] = decision[:, self._places :]
        self.target[free, : self._places] = decision[free, : self._places]

    def advance(self, posture: Posture) -> Reference:
        """One tick on; the reference is valid until the next one."""
        self._quickening[:] = FREQUENCY * (self.wanted_pace - self.pace)
        self.pace += TICK_S * self._quickening
        self.since += TICK_S * np.where(self.since < self._robot.step_time, self.pace, 1.0)
        phase = self.phase
        touched = posture.force[self._rows, 1 - self.stance] > TOUCH_N
        landed = touched & (phase > EARLIEST)
        if landed.any():
            self._change_stance(landed.nonzero()[0], posture)
            phase = self.phase
        filtered = self._filter.advance(self.target, TICK_S)
        return self._along_ground(self._reference(phase, filtered), posture)

    def _change_stance(self, rows: np.ndarray, posture: Posture) -> None:
        old = self.stance[rows]
        step = posture.feet[rows, 1 - old] - posture.feet[rows, old]
        center = posture.mass_center[rows]
        before = self.incline[rows] * self._ahead(rows, center - posture.feet[rows, old])
        if self._robot.flat:
            turned = np.clip(below(posture.soles[rows, old]) - self.incline[rows], -TURN, TURN)
            self.incline[rows] += np.where(posture.force[rows, old] > TOUCH_N, turned, 0.0)
        else:
            self.incline[rows] = learned(self.incline[rows], self._ahead(rows, step), step[:, 2])
        after = self.incline[rows] * self._ahead(rows, center - posture.feet[rows, 1 - old])
        self.stance[rows], self.since[rows], self.pressure[rows] = 1 - old, 0.0, 0.0
        self._lift_off(rows, posture)
        places = self._filter.value[:, :, : self._places]
        places[rows] = 0
        places[rows, 0] = self.target[rows, : self._places]
        self._filter.value[rows, 0, -1] += before - after - step[:, 2]

    def _lift_off(self, rows: np.ndarray, posture: Posture) -> None:
        """The swing foot of robots `rows` (K,) begins its way where it is, as fast as it is."""
        stance, swing = self.stance[rows], 1 - self.stance[rows]
        for feet, center, kept in (
            (posture.feet, posture.mass_center, self.lifted_off),
            (posture.feet_velocity, posture.mass_velocity, self.left_with),
        ):
            kept[rows] = feet[rows, swing] - center[rows]
            apart = feet[rows, swing] - feet[rows, stance]
            kept[rows, 2] = apart[:, 2] - self.incline[rows] * self._ahead(rows, apart)
        np.clip(self.left_with, -FASTEST, FASTEST, out=self.left_with)

    def _reference(self, phase: np.ndarray, filtered: np.ndarray) -> Reference:
        """w = blend, p = p0 + w (pf - p0), with pf as it is filtered; heights are above the plane of the ground."""
        robot, swing = self._robot, self._swing
        late = self.since - robot.step_time
        w, onward, raised = (self._by_time(curve(phase, robot.step_time)) for curve in (blend, departure, lift))
        w[late >= 0, 2] = onward[late >= 0, 2] = 0
        aim = self._places_in_world(filtered[:, :, : self._places])
        for axis in range(self._places):
            way = aim[:, 0, axis] - self.lifted_off[:, axis]
            swing[:, 0, axis] = self.lifted_off[:, axis] + w[:, 0] * way
            swing[:, 1, axis] = w[:, 1] * way + w[:, 0] * aim[:, 1, axis]
            swing[:, 2, axis] = w[:, 2] * way + 2 * w[:, 1] * aim[:, 1, axis] + w[:, 0] * aim[:, 2, axis]
            swing[:, :, axis] += self.left_with[:, axis, None] * onward
        start = self.lifted_off[:, 2]
        height = robot.clearance * raised - start[:, None] * w
        height[:, 0] += start
        height += self.left_with[:, 2, None] * onward
        is_late = late > 0
        if is_late.any():
            height[is_late, 0] -= LATE_SPEED * late[is_late]
            height[is_late, 1:] = -LATE_SPEED, 0
        swing[:, :, 2] = height
        tilt = -np.arctan(self.incline)
        height, pitch, yaw = filtered[:, :, -1].copy(), filtered[:, :, -2], self._heading()
        return Reference(self.stance, swing, height, pitch, yaw, tilt, self.pressure)

    def _by_time(self, curve: np.ndarray) -> np.ndarray:
        return paced(curve, self.pace, self._quickening)

    def _along_ground(self, reference: Reference, posture: Posture) -> Reference:
        """Add the height of the plane through the stance foot, below swing foot and mass centre."""
        rows, stands = self._rows, self.stance
        from_foot = self._ahead(rows, posture.mass_center - posture.feet[rows, stands])
        moving = np.stack([from_foot, self._ahead(rows, posture.mass_velocity)], axis=1)
        reference.height[:, :2] += self.incline[:, None] * moving
        swing = reference.swing
        for order in range(3):
            swing[:, order, 2] += self.incline * self._ahead(rows, swing[:, order])
        swing[:, :2, 2] += self.incline[:, None] * moving
        return reference

    def _ahead(self, rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """(K,): of vectors (K, 3) in the world, how far ahead they reach in robots `rows` (K,)."""
        if self._places == 1:
            return vectors[:, 0]
        heading = self.heading[rows]
        found: np.ndarray = np.cos(heading) * vectors[:, 0] + np.sin(heading) * vectors[:, 1]
        return found

    def _places_in_world(self, places: np.ndarray) -> np.ndarray:
        """(N, 3, D): landing places turned from the heading, outward made left or right."""
        if self._places == 1:
            return places
        outward = places[:, :, 1] * (2 * self.stance[:, None] - 1)
        cosine, sine = np.cos(self.heading)[:, None], np.sin(self.heading)[:, None]
        forward = places[:, :, 0]
        return np.stack([cosine * forward - sine * outward, sine * forward + cosine * outward], axis=2)

    def _heading(self) -> np.ndarray:
        if self._places == 2:
            self.heading += TICK_S * self.heading_rate
            self._yaw[:, 0], self._yaw[:, 1] = self.heading, self.heading_rate
        return self._yaw

    def slips(self, posture: Posture) -> np.ndarray:
        """(N,) bool: whether the foot that stands slides."""
        velocity = posture.feet_velocity[self._rows, self.stance]
        fast = np.hypot(velocity[:, 0], velocity[:, 1]) > SLIP_SPEED
        slips: np.ndarray = fast & (self.since > SETTLED_S) & (posture.force[self._rows, self.stance] > 0)
        return slips
