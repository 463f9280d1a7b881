"""What N robots observe: proprioception, the ground ahead as it is sensed and as it is, the camera.

Noise of joints, gyroscope and attitude is the authors' [R]: normal, anew at every decision, but for the encoders' bias,
which lasts for an episode.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from spreeze.envs.terrain import depth, heightmap, noise
from spreeze.envs.terrain.body import Body
from spreeze.envs.terrain.clock import Clock
from spreeze.envs.terrain.depth import DepthCamera, DepthNoise, DepthSensor
from spreeze.envs.terrain.heightmap import Heightmap, MapNoise, MapSensor
from spreeze.envs.terrain.options import TerrainOptions

BIAS = 0.05
"""Greatest of an encoder [rad]. [R]"""
AROUND_FOOT = np.linspace(-0.25, 0.25, 10)
"""How far ahead of a foot `privileged` tells the height of the ground [m]."""
STATE = 6
"""Stream of random numbers."""


def chosen(entries: Mapping[str, int], senses: str) -> tuple[str, ...]:
    """The names of the `entries` that `--senses` gives."""
    return {"blind": ("state",), "map": ("state", "map"), "all": tuple(entries)}[senses]


class Senses(ABC):
    """Observations of N robots; `bias` (N, M) is that of their encoders [rad]."""

    entries: Mapping[str, int]
    """Entry of an observation to its size. docs/terrain.md says what is in them."""
    motors: int
    """M."""
    across: np.ndarray
    """Rows of the map [m]."""
    around: np.ndarray
    """Rows of the ground around a foot [m]."""
    picture: tuple[int, int]
    """Width and height of the camera's."""

    def __init__(self, body: Any, clock: Clock, options: TerrainOptions) -> None:
        self._names, count = chosen(self.entries, options.senses), body.simulations.count
        self._clock, self._noisy = clock, options.noise
        self.pictures = options.depth == "always"
        """Whether the camera is computed."""
        tables = dict.fromkeys(("map", "clean_map"), (len(self.across), len(heightmap.AHEAD)))
        shapes = dict[str, tuple[int, ...]](tables, depth=self.picture[::-1])
        sizes = [(name, shapes.get(name, (self.entries[name],))) for name in self._names]
        spaces = [(name, Box(-np.inf, np.inf, shape, np.float32)) for name, shape in sizes]
        self.space = gymnasium.spaces.Dict(spaces)
        self.command = np.zeros(count)
        """(N,): forward speed [m/s]."""
        self._mount(body, count)
        self._key, self.bias = np.zeros(count, np.int64), np.zeros((count, self.motors))
        self.memory = {"senses/key": self._key, "senses/bias": self.bias, "senses/command": self.command}
        self.memory |= self._map.memory | self._depth.memory

    def _mount(self, body: Body, count: int) -> None:
        self._sensed = body
        self.heightmap = Heightmap(body.ground, heightmap.AHEAD, self.across)
        self._around = Heightmap(body.ground, AROUND_FOOT / body.ground.scale, self.around / body.ground.scale)
        self._map = MapSensor(self.heightmap, MapNoise() if self._noisy else heightmap.EXACT, count)
        camera = DepthCamera(body.ground, *self.picture)
        self._depth = DepthSensor(camera, DepthNoise() if self._noisy else depth.EXACT, count)
        self._black = np.zeros((count, self.entries["depth"]))

    def begin(self, index: int, random: np.random.Generator) -> None:
        """Draw what simulation `index` keeps for an episode."""
        self._key[index] = noise.draw_key(random)
        self.bias[index] = random.uniform(-BIAS, BIAS, self.motors) * self._noisy
        self._map.begin(index, random)
        self._depth.begin(index, random)

    def steer(self, changed: np.ndarray, going: np.ndarray) -> None:
        """Let what is commanded beside the speed change where `changed` (N,), and go on where `going` (N,)."""
        return

    def observe(self, elapsed: np.ndarray) -> np.ndarray:
        """(N, O): the entries one after the other, once for every decision `elapsed` (N,) of the episodes."""
        parts = {"state": self._state, "map": self._seen, "clean_map": self._clean, "privileged": self._privileged}
        parts |= {"collision": self._collision, "motion": self._motion, "depth": self._picture}
        return np.concatenate([parts[name](elapsed) for name in self._names], axis=1)

    @abstractmethod
    def _state(self, elapsed: np.ndarray) -> np.ndarray:
        """Proprioception, command, clock and shifts of the feet."""

    @abstractmethod
    def _privileged(self, elapsed: np.ndarray) -> np.ndarray:
        """What only a simulation knows."""

    @abstractmethod
    def _motion(self, elapsed: np.ndarray) -> np.ndarray:
        """What an inertial unit and joints tell: acceleration and rate in the frame of the base, feet from it."""

    def _noise(self, elapsed: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """(N, X): normal numbers of `deviations` (X,)."""
        found: np.ndarray = deviations * noise.normal(self._key, elapsed, STATE, len(deviations))
        return found

    def _seen(self, elapsed: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._map.sense(self._sensed.base, self._sensed.yaw, elapsed)
        return found.reshape(len(found), -1)

    def _clean(self, elapsed: np.ndarray) -> np.ndarray:
        found = self.heightmap.clean(self._sensed.base, self._sensed.yaw)
        return found.reshape(len(found), -1)

    def _ground_around(self, feet: np.ndarray) -> list[np.ndarray]:
        """(N, X) for each of the feet (N, 2, 3) from the base: the ground around it, relative to it."""
        base, yaw = self._sensed.base, self._sensed.yaw
        return [self._around.clean(base + foot, yaw).reshape(len(base), -1) for foot in np.moveaxis(feet, 1, 0)]

    def _collision(self, elapsed: np.ndarray) -> np.ndarray:
        return np.logical_or.reduce(self._sensed.struck, axis=1, keepdims=True).astype(float)

    def _picture(self, elapsed: np.ndarray) -> np.ndarray:
        """Depth over its greatest, row by row."""
        if not self.pictures:
            return self._black
        body = self._sensed
        seen = self._depth.sense(body.base, body.rotation, body.capsules(), elapsed)
        return seen.reshape(len(seen), -1) / depth.FARTHEST
