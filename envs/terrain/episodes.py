"""N robots over terrain as a `VectorEnv`: seeds, episodes, commands, ends, measures, saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.seeding import np_random

from spreeze.environment import Transition
from spreeze.envs.native.batch import BatchSimulations
from spreeze.envs.native.simulations import PhysicsError, initial_state
from spreeze.envs.terrain import clock
from spreeze.envs.terrain.clock import Clock
from spreeze.envs.terrain.curriculum import ENOUGH, Curriculum
from spreeze.envs.terrain.ground import Ground
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.randomisation import NOMINAL, Randomisation, Spread
from spreeze.envs.terrain.ranges import KINDS, Kind
from spreeze.envs.terrain.robot import Robot
from spreeze.envs.terrain.shapes import make_terrain
from spreeze.envs.terrain.timing import DECISION_S
from spreeze.envs.vector import empty_transition, episode_seed, fault, first_not_finite, not_finite, place
from spreeze.errors import CheckpointError, EnvironmentFault, UsageError

LOWEST = 0.4
"""Height of the base above the ground below which an episode ends, of a robot of 1 m [m]. [R]"""
TOO_FAST = 1.0
"""By which the speed may exceed the command [m/s]. [R]"""
PATIENCE = 30
"""Decisions at the beginning in which speed ends nothing. [R]"""
CHANGE = (200, 250)
"""Decisions between which the command changes. [R]"""
FIELDS = ("mocap_pos", "mocap_quat", "sensordata", "actuator_force")


class TerrainWalkers:
    """N robots, as `VectorEnv` says, whose `metrics` tell what became of their episodes."""

    def __init__(
        self, name: str, robot: Robot, simulations: BatchSimulations, options: TerrainOptions, seed: int
    ) -> None:
        """Use simulations of `robot.model()`; raises UsageError if an option makes no sense."""
        check(options)
        self._name, self._options, self._seed = name, options, np.array([seed])
        self.robot, self.simulations, self.count = robot, simulations, simulations.count
        self.ground = Ground(simulations, robot.spatial, robot.height)
        self.body, self.clock = robot.body(simulations, self.ground), Clock(self.count, robot.period, DECISION_S)
        self.senses = robot.senses(self.body, self.clock, options)
        self.curriculum = Curriculum(self.count, options.difficulty, options.curriculum == "on")
        self.randomisation = Randomisation(
            simulations, Spread() if options.randomise else NOMINAL, planar=not robot.spatial
        )
        self._learned, self._penalty = options.clock == "learned", options.foot_collision_penalty
        self._kinds: Sequence[Kind] = KINDS if options.terrain == "mixed" else (options.terrain,)
        self._motors = len(robot.motors)
        self._size = self._motors + (clock.ACTIONS if self._learned else 0)
        self.observation_space: gymnasium.Space[Any] = self.senses.space
        self.action_space: gymnasium.Space[Any] = gymnasium.spaces.Box(-1, 1, (self._size,), np.float32)
        self._allocate()

    def _allocate(self) -> None:
        count = self.count
        self._episodes, self._elapsed = np.full(count, -1), np.zeros(count, np.int64)
        self._due, self._previous = np.zeros(count, bool), np.zeros((count, self._size))
        self._next, self._change_at = np.zeros(count), np.zeros(count, np.int64)
        self._walked, self._wanted, self._strikes = np.zeros(count), np.zeros(count), np.zeros(count, np.int64)
        self._success = np.zeros(count, bool)
        self._everyone, self._blank = np.arange(count), initial_state(self.simulations.model)
        shape = (gymnasium.spaces.flatdim(self.observation_space),)
        self._turns = [empty_transition(count, shape, np.dtype(np.float32)) for _ in range(2)]
        own = {
            "seed": self._seed, "episode": self._episodes, "elapsed": self._elapsed, "due": self._due,
            "previous": self._previous, "next": self._next, "change_at": self._change_at, "walked": self._walked,
            "wanted": self._wanted, "strikes": self._strikes, "success": self._success,
            "physics": self.simulations.state,
        }  # fmt: skip
        parts = (self.ground, self.body, self.clock, self.senses, self.curriculum, self.randomisation)
        self._arrays: dict[str, np.ndarray] = {k: v for part in parts for k, v in part.memory.items()} | own

    def reset(self) -> np.ndarray:
        """Begin a new episode in every environment; return the observations (N, O)."""
        self._due[:] = False
        self._begin(self._everyone)
        return self._observe(self._turn())

    def step(self, actions: np.ndarray) -> Transition:
        """Walk for one decision with `actions` (N, A) in [-1, 1].

        Raises:
            EnvironmentFault: an action or an observation is NaN or infinite, or MuJoCo failed.
        """
        transition, due = self._turn(), self._due.nonzero()[0]
        going = None if not due.size else (~self._due).nonzero()[0]
        chosen = self._checked(actions)
        self._command()
        self.clock.advance(chosen[:, self._motors :] if self._learned else None, ~self._due)
        try:
            self.body.act(chosen[:, : self._motors], self.senses.bias, going)
        except PhysicsError as error:
            raise self._fault(error.index, f"MuJoCo failed: {error.reason}") from error
        self._elapsed += 1
        self._judge(transition, chosen)
        if due.size:
            self._begin(due)
            transition.reward[due], transition.terminated[due], transition.truncated[due] = 0.0, False, False
        np.logical_or(transition.terminated, transition.truncated, out=self._due)
        self._observe(transition)
        return transition

    def metrics(self) -> Mapping[str, np.ndarray]:
        """(N,) each, of the episodes under way, or just over until the next step; the distance in m."""
        return {
            "terrain/success": self._success.astype(float),
            "terrain/passed": (self._success & (self._share() >= ENOUGH)).astype(float),
            "terrain/foot_collisions": self._strikes.astype(float),
            "terrain/with_foot_collision": (self._strikes > 0).astype(float),
            "terrain/distance": self._walked.copy(),
            "terrain/share_of_way": self._share(),
            "terrain/difficulty": self.curriculum.difficulty.copy(),
        }

    def prepare(self, stage: str, measures: bool = False) -> None:
        """Be for the `stage` of an algorithm, before the first episode; `measures`: for an evaluation.

        All stages charge for foot collisions themselves. `blind` walks on level ground and gentle hills, if terrain is
        mixed; in `modulator` difficulty follows success; `predictor` and `closed` look through the camera. Evaluations
        draw from all difficulties.
        """
        self._penalty = 0.0
        if stage == "blind" and self._options.terrain == "mixed":
            self._kinds = ("flat", "hills")
            self._be_as_hard_as((0.0, 0.0), False)
        else:
            chosen = self._options.curriculum
            follows = chosen == "on" or (chosen == "auto" and stage == "modulator")
            self._be_as_hard_as(self._options.difficulty, follows and not measures)
        self.senses.pictures |= stage in ("predictor", "closed")

    def _be_as_hard_as(self, interval: tuple[float, float], follows: bool) -> None:
        self.curriculum = Curriculum(self.count, interval, follows)
        self._arrays |= self.curriculum.memory

    def state(self) -> Mapping[str, np.ndarray]:
        """What `load_state` needs to go on to the bit, once `reset` was called."""
        return {name: value.copy() for name, value in self._all().items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on where `state` was taken, with the seed of then; return the observations (N, O) of that moment.

        Raises:
            CheckpointError: the state belongs to another number of environments or other options.
        """
        observation, own = self._turn().observation, self._all()
        for name, value in own.items():
            if name not in state or state[name].shape != value.shape:
                saved = state[name].shape if name in state else "missing"
                raise CheckpointError(
                    f"saved {name} ({saved}) does not fit {self.count} x '{self._name}' with {value.shape}"
                )
        for name, value in own.items():
            value[...] = state[name]
        self.randomisation.apply(self._everyone)
        return observation

    def close(self) -> None:
        """Release what the simulations hold."""
        self.simulations.close()

    def begin_with(self, seed: int) -> np.ndarray:
        """Begin an episode from this very seed in every environment; return the observations (N, O)."""
        self._begin(self._everyone, seed)
        self._due[:] = False
        return self._observe(self._turn())

    def _all(self) -> dict[str, np.ndarray]:
        return self._arrays | {"observation": self._turns[0].observation}

    def _turn(self) -> Transition:
        self._turns.reverse()
        return self._turns[0]

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        batch = np.asarray(actions, np.float64)
        if batch.shape != (self.count, self._size):
            raise ValueError(f"actions have shape {batch.shape}, '{self._name}' takes {(self.count, self._size)}")
        if not np.isfinite(batch).all():
            raise self._fault(first_not_finite(batch), "was given an action that is not finite")
        return np.clip(batch, -1, 1)

    def _command(self) -> None:
        changed = self._elapsed == self._change_at
        self.senses.command[changed] = self._next[changed]
        self.senses.steer(changed, ~self._due)

    def _begin(self, indices: np.ndarray, seed: int | None = None) -> None:
        """Begin the next episode of environments `indices` (K,), or one from `seed`."""
        robot, simulations, options = self.robot, self.simulations, self._options
        self._episodes[indices] += 1
        for index in indices.tolist():
            random, _ = np_random(self._episode_seed(index) if seed is None else seed)
            difficulty = self.curriculum.draw(index, random)
            kind = self._kinds[int(random.integers(len(self._kinds)))]
            terrain = make_terrain(kind, options.heights, difficulty, random, robot.height, robot.spatial)
            self.ground.lay(index, terrain)
            simulations.state[index] = self._blank
            simulations.qpos[index], simulations.qvel[index] = robot.start(random)
            self.senses.command[index], self._next[index] = random.uniform(*options.speed, 2)
            self._change_at[index] = random.integers(*CHANGE, endpoint=True)
            self.clock.begin(index, random)
            self.senses.begin(index, random)
            self.randomisation.draw(index, random)
        simulations.ctrl[indices] = simulations.qpos[indices[:, None], robot.motors]
        self.randomisation.apply(indices)
        self.ground.follow(self.body.base[:, :2])
        simulations.forward(indices)
        for array in (self._elapsed, self._previous, self._walked, self._wanted, self._strikes, self._success):
            array[indices] = 0
        self.body.begin(indices)

    def _judge(self, transition: Transition, actions: np.ndarray) -> None:
        """Fill rewards and ends, and count."""
        body, struck = self.body, self.body.struck.any(axis=1)
        self._walked += body.speed * DECISION_S
        self._wanted += self.senses.command * DECISION_S
        self._strikes += struck
        np.logical_not(self._upright(), out=transition.terminated)
        np.greater_equal(self._elapsed, self._options.max_episode_steps, out=transition.truncated)
        self._success[:] = transition.truncated & ~transition.terminated
        change = np.abs(actions - self._previous).mean(axis=1)
        gained = self.body.reward(self.clock.swing(), self.senses.command, change)
        transition.reward[:] = np.where(transition.terminated, 0.0, gained) - self._penalty * struck
        self._previous[:] = actions
        ended = (transition.terminated | transition.truncated) & ~self._due
        self.curriculum.judge(ended, self._success, self._share())

    def _share(self) -> np.ndarray:
        """(N,): of the commanded way, that was walked."""
        found: np.ndarray = self._walked / np.maximum(self._wanted, 1e-9)
        return found

    def _upright(self) -> np.ndarray:
        base = self.body.base
        height = base[:, 2] - self.ground.heights(base[:, None, :2])[:, 0]
        slow = (self.body.pace() < self.senses.command + TOO_FAST) | (self._elapsed < PATIENCE)
        sound = ~self.simulations.warnings().any(axis=1)
        found: np.ndarray = (height > LOWEST * self.robot.height) & ~self.body.leaning() & slow & sound
        return found

    def _observe(self, transition: Transition) -> np.ndarray:
        observation = transition.observation
        observation[...] = self.senses.observe(self._elapsed)
        for name, values in (("observation", observation), ("reward", transition.reward)):
            if not np.isfinite(values).all():
                index = first_not_finite(values)
                raise self._fault(index, not_finite(name, values[index]))
        return observation

    def _fault(self, index: int, complaint: str) -> EnvironmentFault:
        where = place(self._name, index, self._episode_seed(index), int(self._elapsed[index]))
        return fault(where, complaint, np.zeros(0))

    def _episode_seed(self, index: int) -> int:
        return episode_seed(int(self._seed[0]), index, int(self._episodes[index]))


def check(options: TerrainOptions) -> None:
    """Raise UsageError if an option makes no sense."""
    low, high = options.difficulty
    if not 0 <= low <= high <= 1:
        raise UsageError(f"--difficulty {low:g} {high:g}: give the least and the greatest one, between 0 and 1")
    low, high = options.speed
    if not 0 <= low <= high <= 3:
        raise UsageError(f"--speed {low:g} {high:g}: give the least and the greatest one, between 0 and 3 m/s")
    if not options.foot_collision_penalty >= 0:
        raise UsageError(f"--foot-collision-penalty {options.foot_collision_penalty:g}: at least 0")
    if options.max_episode_steps < 1:
        raise UsageError("--max-episode-steps is at least 1")
