"""N Cassies between two decisions."""

from __future__ import annotations

import numpy as np

from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.terrain import cassie, cassie_legs, cassie_rewards
from spreeze.envs.terrain.body import Body
from spreeze.envs.terrain.cassie_legs import FOOT, LEVEL, MIDDLE, TOE
from spreeze.envs.terrain.ground import Ground
from spreeze.envs.terrain.timing import DECISION_S

MOST_LEAN = np.deg2rad(15.0)
"""Of the pelvis, roll and pitch [rad]. [R]"""
TOE_REACH = 0.02 + 0.015
"""How far ahead of the middle of the toe a riser is struck: 1.5 cm before its tip, as far as the authors look [m]. It
overlooks risers that are less than 2 cm higher than the sole, and slopes of less than 35 degrees (ours)."""
_LIMITS = np.tile(cassie.TORQUE, 2)


class CassieBody(Body):
    """What N Cassies did since the last decision; velocities of feet are (N, 2, 3)."""

    axes = 3

    def __init__(self, simulations: BatchSimulations, ground: Ground) -> None:
        super().__init__(simulations, ground)
        self.heading, self.drift = np.zeros(simulations.count), np.zeros(simulations.count)
        """(N,): the commanded heading, of the world's x axis [rad]; velocity to the left of it [m/s]."""
        self.memory |= {"body/heading": self.heading, "body/drift": self.drift}
        self._looked = np.full_like(simulations.qpos, np.nan)
        self._legs: cassie_legs.Legs | None = None

    @property
    def base(self) -> np.ndarray:
        """(N, 3): of the pelvis [m]."""
        found: np.ndarray = self.simulations.qpos[:, :3].copy()
        return found

    @property
    def rotation(self) -> np.ndarray:
        """(N, 3, 3): of the pelvis."""
        return cassie_legs.rotations(self.simulations.qpos[:, 3:7])

    def legs(self) -> cassie_legs.Legs:
        """Where their links are; computed once as long as nothing moves."""
        if self._legs is None or not np.array_equal(self._looked, self.simulations.qpos):
            self._looked[:] = self.simulations.qpos
            self._legs = cassie_legs.legs(self._looked)
        return self._legs

    def capsules(self) -> np.ndarray:
        """(N, 8, 7): thighs, shins, tarsi and feet."""
        return cassie_legs.capsules(self.legs())

    def feet(self) -> np.ndarray:
        """(N, 2, 3): middles of the feet from the base, in the world's directions."""
        found: np.ndarray = cassie_legs.feet(self.legs(), MIDDLE) - self.base[:, None]
        return found

    def to_heading(self, vectors: np.ndarray) -> np.ndarray:
        """(N, 3): vectors (N, 3) of the world, seen along the commanded heading."""
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        x, y, z = vectors.T
        return np.stack([cosine * x + sine * y, cosine * y - sine * x, z], axis=1)

    def pace(self) -> np.ndarray:
        """(N,): in any direction."""
        return np.hypot(self.speed, self.drift)

    def leaning(self) -> np.ndarray:
        """(N,) bool: whether the pelvis is, by roll or pitch."""
        rotation = self.rotation
        roll, pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2]), np.arcsin(np.clip(-rotation[:, 2, 0], -1, 1))
        found: np.ndarray = np.maximum(np.abs(roll), np.abs(pitch)) >= MOST_LEAN
        return found

    def turns(self) -> np.ndarray:
        """(N, 3): `turned` of pelvis and feet, from the commanded heading."""
        soles = self.legs().rotations[:, :, FOOT] @ LEVEL
        every = np.concatenate([self.rotation[:, None], soles], axis=1)
        upright = np.zeros((len(every), 1, 3, 3))
        upright[:, 0] = _yawed(-self.heading)
        return cassie_rewards.turned(upright @ every)

    def reward(self, swing: np.ndarray, command: np.ndarray, change: np.ndarray) -> np.ndarray:
        """(N,): by the terms of `cassie_rewards`."""
        turns = self.turns()
        measured = cassie_rewards.Measured(
            ahead_error=np.abs(self.speed - command),
            aside_error=np.abs(self.drift),
            base_turn=turns[:, 0],
            foot_turn=turns[:, 1:],
            motion=self._motion(swing, change),
        )
        return cassie_rewards.reward(measured)

    def _targets(self, actions: np.ndarray) -> np.ndarray:
        found: np.ndarray = cassie.POSE + cassie.REACH * actions
        return found

    def _foot_velocities(self) -> np.ndarray:
        return cassie_legs.foot_velocities(self.legs(), self.simulations.qpos, self.simulations.qvel)

    def _speeds(self, feet: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.sqrt((feet**2).sum(axis=2))
        return found

    def _sums(self, change: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.abs(change).sum(axis=(1, 2))
        return found

    def _effort(self) -> np.ndarray:
        found: np.ndarray = (np.abs(self.simulations.fields["actuator_force"]) / _LIMITS).sum(axis=1)
        return found

    def _toes(self) -> tuple[np.ndarray, np.ndarray, float]:
        yaw = self.yaw
        return cassie_legs.feet(self.legs(), TOE), np.stack([np.cos(yaw), np.sin(yaw)], axis=1), TOE_REACH

    def _moved(self, way: np.ndarray) -> None:
        self.speed[:], self.drift[:] = self.to_heading(way)[:, :2].T / DECISION_S


def _yawed(angle: np.ndarray) -> np.ndarray:
    """(N, 3, 3): rotations about z by angles (N,)."""
    found = np.zeros((len(angle), 3, 3))
    found[:, 0, 0] = found[:, 1, 1] = np.cos(angle)
    found[:, 1, 0] = np.sin(angle)
    found[:, 0, 1], found[:, 2, 2] = -found[:, 1, 0], 1
    return found
