"""What N planar walkers observe: proprioception, the ground ahead as it is sensed and as it is, the camera.

Noise of joints, gyroscope and attitude is the authors' [R]: normal, anew at every decision, but for the encoders' bias,
which lasts for an episode.
"""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from spreeze.envs.terrain import depth, heightmap, noise, walker
from spreeze.envs.terrain.body import TOUCH_N, Body
from spreeze.envs.terrain.clock import Clock
from spreeze.envs.terrain.depth import DepthCamera, DepthNoise, DepthSensor
from spreeze.envs.terrain.heightmap import Heightmap, MapNoise, MapSensor
from spreeze.envs.terrain.options import TerrainOptions

ENTRIES: dict[str, int] = {
    "state": 21, "map": 30, "clean_map": 30, "privileged": 29, "collision": 1, "motion": 7, "depth": 64,
}  # fmt: skip
"""Entry of an observation to its size. docs/terrain.md says what is in them."""
SENSES: dict[str, tuple[str, ...]] = {"blind": ("state",), "map": ("state", "map"), "all": tuple(ENTRIES)}
"""What `--senses` gives."""
DEVIATIONS = np.repeat([0.05, 0.1, 0.01, 0.1], [1, 1, 6, 6])
"""Of pitch, its rate, joints, their velocities [rad, rad/s]. [R]"""
BIAS = 0.05
"""Greatest of an encoder [rad]. [R]"""
AROUND_FOOT = np.linspace(-0.25, 0.25, 10)
"""Where `privileged` tells the height of the ground around a foot [m]."""
_STATE = 6
"""Stream of random numbers."""


class Senses:
    """Observations of N walkers; `bias` (N, 6) is that of their encoders [rad]."""

    def __init__(self, body: Body, clock: Clock, options: TerrainOptions) -> None:
        self._body, self._clock, self._noisy, count = body, clock, options.noise, body.simulations.count
        self._names = SENSES[options.senses]
        self.pictures = options.depth == "always"
        """Whether the camera is computed."""
        spaces = [(name, Box(-np.inf, np.inf, (ENTRIES[name],), np.float32)) for name in self._names]
        self.space = gymnasium.spaces.Dict(spaces)
        self.command = np.zeros(count)
        """(N,): forward speed [m/s]."""
        self.heightmap = Heightmap(body.ground, heightmap.AHEAD, heightmap.LINE)
        self._around = Heightmap(body.ground, AROUND_FOOT / body.ground.scale, heightmap.LINE)
        self._map = MapSensor(self.heightmap, MapNoise() if options.noise else heightmap.EXACT, count)
        camera = DepthCamera(body.ground, 1, ENTRIES["depth"])
        self._depth = DepthSensor(camera, DepthNoise() if options.noise else depth.EXACT, count)
        self._level, self._black = np.zeros(count), np.zeros((count, ENTRIES["depth"]))
        self._key, self.bias = np.zeros(count, np.int64), np.zeros((count, 6))
        self.memory = {"senses/key": self._key, "senses/bias": self.bias, "senses/command": self.command}
        self.memory |= self._map.memory | self._depth.memory

    def begin(self, index: int, random: np.random.Generator) -> None:
        """Draw what simulation `index` keeps for an episode."""
        self._key[index] = noise.draw_key(random)
        self.bias[index] = random.uniform(-BIAS, BIAS, 6) * self._noisy
        self._map.begin(index, random)
        self._depth.begin(index, random)

    def observe(self, elapsed: np.ndarray) -> np.ndarray:
        """(N, O): the entries one after the other, once for every decision `elapsed` (N,) of the episodes."""
        parts = {"state": self._state, "map": self._seen, "clean_map": self._clean, "privileged": self._privileged}
        parts |= {"collision": self._collision, "motion": self._motion, "depth": self._picture}
        return np.concatenate([parts[name](elapsed) for name in self._names], axis=1)

    def _state(self, elapsed: np.ndarray) -> np.ndarray:
        """Pitch and its rate, joints and their velocities; command; clock; shifts of the feet."""
        qpos, qvel = self._body.simulations.qpos, self._body.simulations.qvel
        measured = np.concatenate([qpos[:, 2:3], qvel[:, 2:3], qpos[:, 3:] + self.bias, qvel[:, 3:]], axis=1)
        if self._noisy:
            measured += DEVIATIONS * noise.normal(self._key, elapsed, _STATE, len(DEVIATIONS))
        return np.concatenate([measured, self.command[:, None], self._clock.signals(), self._clock.shift], axis=1)

    def _seen(self, elapsed: np.ndarray) -> np.ndarray:
        return self._map.sense(self._body.base, self._level, elapsed)[:, 0]

    def _clean(self, elapsed: np.ndarray) -> np.ndarray:
        return self.heightmap.clean(self._body.base, self._level)[:, 0]

    def _privileged(self, elapsed: np.ndarray) -> np.ndarray:
        """Velocity and height of the base, feet, whether they touch anything, and the ground around them."""
        body, qpos = self._body, self._body.simulations.qpos
        base, feet = body.base, self._feet()
        height = base[:, 2:] - body.ground.heights(base[:, None, :2])
        around = [self._around.clean(base + foot, self._level)[:, 0] for foot in np.moveaxis(feet, 1, 0)]
        places = feet[:, :, ::2].reshape(len(qpos), -1)
        return np.concatenate([body.simulations.qvel[:, :2], height, places, body.force > TOUCH_N, *around], axis=1)

    def _collision(self, elapsed: np.ndarray) -> np.ndarray:
        return np.logical_or.reduce(self._body.struck, axis=1, keepdims=True).astype(float)

    def _picture(self, elapsed: np.ndarray) -> np.ndarray:
        """Depth over its greatest."""
        if not self.pictures:
            return self._black
        qpos = self._body.simulations.qpos
        rotation = walker.rotations(qpos[:, 2])
        return self._depth.sense(self._body.base, rotation, walker.capsules(qpos), elapsed)[:, :, 0] / depth.FARTHEST

    def _motion(self, elapsed: np.ndarray) -> np.ndarray:
        """What an inertial unit and joints tell: acceleration in the torso's frame, its rate, feet from the base."""
        body, qpos = self._body, self._body.simulations.qpos
        felt = (body.acceleration[:, 0] + 1j * (body.acceleration[:, 1] + 9.81)) * np.exp(1j * qpos[:, 2])
        feet = self._feet()[:, :, ::2].reshape(len(qpos), -1)
        return np.column_stack([felt.real, felt.imag, body.simulations.qvel[:, 2], feet])

    def _feet(self) -> np.ndarray:
        """(N, 2, 3): middles of the feet from the base, in the world's directions."""
        points = walker.legs(self._body.simulations.qpos)
        middle = (points.ankle + points.toe) / 2
        places = np.stack([middle.real, np.zeros_like(middle.real), middle.imag], axis=2)
        found: np.ndarray = places - self._body.base[:, None]
        return found
