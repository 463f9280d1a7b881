"""N bipeds as a `VectorEnv`: seeds, episodes, the inner loop of 1 kHz, ends, saving."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gymnasium
import numpy as np
from gymnasium.utils.seeding import np_random

from spreeze.environment import Transition
from spreeze.envs.bipeds._native.gait import gait
from spreeze.envs.bipeds.conditions import DECISION_S, Conditions
from spreeze.envs.bipeds.options import WalkingOptions
from spreeze.envs.bipeds.rewards import FALL
from spreeze.envs.bipeds.robot import TICK_S, TICKS, Controller, Robot
from spreeze.envs.bipeds.scheme import Scheme, World
from spreeze.envs.native.simulations import PhysicsError, Simulations, initial_state
from spreeze.envs.vector import empty_transition, episode_seed, fault, first_not_finite, not_finite, place
from spreeze.errors import CheckpointError, EnvironmentFault, UsageError

LOWEST, HIGHEST = 0.75, 1.25
"""Shares of the base's height between which an episode goes on."""
MOST_PITCH, MOST_ROLL = 0.8, 0.6
"""Lean of the torso with which it does [rad]."""
COUNTED = ("ticks", "saturated", "failed", "slipped")
"""What is counted of every episode: ticks, and those of them in which it happened."""


class Bipeds:
    """N robots of one kind under one `Scheme`, as `VectorEnv` says; numbers of the walk are attributes beside."""

    def __init__(
        self,
        name: str,
        robot: Robot,
        scheme: Callable[[World], Scheme],
        simulations: Simulations,
        options: WalkingOptions,
        seed: int,
    ) -> None:
        """Use `simulations` of the robot's model; raises UsageError if an option makes no sense."""
        self._name, self._seed, self._robot, self._limit = name, np.array([seed]), robot, options.max_episode_steps
        self.simulations, self.count = simulations, simulations.count
        count = self.count
        self.gait, self.conditions = gait(robot, count), Conditions(robot, options, simulations)
        self._controller = make_controller(robot, options.controller, simulations)
        self.speed = np.zeros((count, 2))
        """(N, 2): of the base in the world, mean over the last `Robot.stride` step times [m/s]."""
        self.world = World(robot, simulations, self._controller, self.gait, self.conditions, self.speed)
        self.scheme = scheme(self.world)
        self.observation_space: gymnasium.Space[object] = self.scheme.observation_space
        self.action_space: gymnasium.Space[object] = self.scheme.action_space
        self._episodes, self._elapsed = np.full(count, -1), np.zeros(count, np.int64)
        self._due = np.zeros(count, bool)
        self.counts = np.zeros((count, len(COUNTED)), np.int64)
        """(N, 4): `COUNTED` of the episodes under way, or just over."""
        window = max(1, round(robot.stride * robot.step_time / DECISION_S))
        self._past = np.zeros((count, window + 1, 2))
        self._blank, self._everyone = initial_state(simulations.model), np.arange(count)
        size = gymnasium.spaces.flatdim(self.observation_space)
        self._turns = [empty_transition(count, (size,), np.dtype(np.float32)) for _ in range(2)]
        self._arrays = {
            "seed": self._seed,
            "episode": self._episodes,
            "elapsed": self._elapsed,
            "due": self._due,
            "physics": simulations.state,
            "past": self._past,
            "speed": self.speed,
            "counts": self.counts,
            **self.gait.memory,
            **self.conditions.memory,
            **self.scheme.memory,
            **self._controller.memory,
        }

    def reset(self) -> np.ndarray:
        """Begin a new episode in every environment; return the observations (N, O)."""
        self._due[:] = False
        self._begin(self._everyone)
        return self._observe(self._turn())

    def step(self, actions: np.ndarray) -> Transition:
        """Walk for one decision with `actions` (N, A), in the units of the action space.

        Raises:
            EnvironmentFault: an observation became NaN or infinite, or MuJoCo failed.
        """
        transition, due = self._turn(), self._due.nonzero()[0]
        going = None if not due.size else (~self._due).nonzero()[0]
        self.conditions.decide(self._elapsed)
        self.scheme.decide(self._checked(actions))
        for tick in range(TICKS):
            self._tick(going, self._elapsed * DECISION_S + tick * TICK_S)
        self._elapsed += 1
        self._remember()
        self._judge(transition)
        if due.size:
            self._begin(due)
            transition.reward[due], transition.terminated[due], transition.truncated[due] = 0.0, False, False
        np.logical_or(transition.terminated, transition.truncated, out=self._due)
        self._observe(transition)
        return transition

    def state(self) -> Mapping[str, np.ndarray]:
        """What `load_state` needs to go on to the bit, once `reset` was called."""
        return {name: value.copy() for name, value in self._all().items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on where `state` was taken, with the seed of then; return the observations (N, O) of that moment.

        Raises:
            CheckpointError: the state belongs to another number of environments, another robot or other options.
        """
        observation = self._turn().observation
        own = self._all()
        for name, value in own.items():
            if name not in state or state[name].shape != value.shape:
                saved = state[name].shape if name in state else "missing"
                raise CheckpointError(
                    f"saved {name} ({saved}) does not fit {self.count} x '{self._name}' with {value.shape}"
                )
        for name, value in own.items():
            value[...] = state[name]
        self.conditions.apply(self._everyone)
        return observation

    def close(self) -> None:
        """Release what the simulations hold."""
        self.simulations.close()

    def metrics(self) -> dict[str, np.ndarray]:
        """Shares (N,) of the ticks of episodes under way or just over in which torques saturated, and so on."""
        shares = self.counts[:, 1:] / np.maximum(self.counts[:, :1], 1)
        return {f"walking/{name}": shares[:, place] for place, name in enumerate(COUNTED[1:])}

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
        shape = (self.count, *self.scheme.action_space.shape)
        if batch.shape != shape:
            raise ValueError(f"actions have shape {batch.shape}, '{self._name}' takes {shape}")
        if not np.isfinite(batch).all():
            raise self._fault(first_not_finite(batch), "was given an action that is not finite")
        return np.clip(batch, self.scheme.action_space.low, self.scheme.action_space.high)

    def _tick(self, going: np.ndarray | None, seconds: np.ndarray) -> None:
        posture = self._controller.posture()
        reference = self.gait.advance(posture)
        counts = self.scheme.track(posture, reference)
        self.conditions.push(seconds, self.gait.phase)
        self.counts[:, 0] += 1
        self.counts[:, 1] += counts.saturated
        self.counts[:, 2] += counts.failed
        self.counts[:, 3] += self.gait.slips(posture)
        try:
            self.simulations.step(1, going)
        except PhysicsError as error:
            raise self._fault(error.index, f"MuJoCo failed: {error.reason}") from error

    def _begin(self, indices: np.ndarray, seed: int | None = None) -> None:
        """Begin the next episode of environments `indices` (K,), or one from `seed`."""
        simulations, stance = self.simulations, np.zeros(len(indices), np.int64)
        self._episodes[indices] += 1
        for i, index in enumerate(indices.tolist()):
            random, _ = np_random(self._episode_seed(index) if seed is None else seed)
            simulations.state[index] = self._blank
            qpos, qvel, stance[i] = self._robot.start(random)
            simulations.qpos[index], simulations.qvel[index] = qpos, qvel
            self.conditions.draw(index, random)
        self.conditions.apply(indices)
        simulations.ctrl[indices] = 0
        self._stand(indices, stance)
        simulations.forward(indices)
        posture = self._controller.posture()
        self.gait.begin(indices, stance, posture)
        self._elapsed[indices], self.counts[indices], self.speed[indices] = 0, 0, posture.base_velocity[indices, :2]
        self._past[indices] = posture.base[indices, None, :2]
        self.scheme.begin(indices)

    def _stand(self, indices: np.ndarray, stance: np.ndarray) -> None:
        """Lay soles along the ground; lower or lift robots until a foot is at it, and the other not below it."""
        for ankle in self._robot.ankles:
            self.simulations.qpos[indices, ankle] -= self.conditions.slope[indices]
        feet = self._controller.posture().feet[indices]
        above = feet[:, :, 2] - self._robot.sole - self.conditions.ground(indices, feet[:, :, 0])
        self.simulations.qpos[indices, self._robot.vertical] -= above.min(axis=1)

    def _remember(self) -> None:
        """Mean speed over the last step times, or since the episode began."""
        self._past[:, :-1] = self._past[:, 1:]
        self._past[:, -1] = self._controller.posture().base[:, :2]
        window = self._past.shape[1] - 1
        decisions = np.minimum(self._elapsed, window)
        first = self._past[self._everyone, window - decisions]
        self.speed[...] = (self._past[:, -1] - first) / (decisions * DECISION_S)[:, None]

    def _judge(self, transition: Transition) -> None:
        """Fill rewards and ends."""
        posture, robot = self._controller.posture(), self._robot
        height = posture.base[:, 2] - posture.feet[self._everyone, self.gait.stance, 2]
        upright = (height > LOWEST * robot.height) & (height < HIGHEST * robot.height)
        upright &= (np.abs(posture.attitude[:, 1]) < MOST_PITCH) & (np.abs(posture.attitude[:, 0]) < MOST_ROLL)
        upright &= ~self.simulations.warnings().any(axis=1)
        np.logical_not(upright, out=transition.terminated)
        np.greater_equal(self._elapsed, self._limit, out=transition.truncated)
        transition.reward[:] = np.where(upright, self.scheme.reward(posture), FALL)

    def _observe(self, transition: Transition) -> np.ndarray:
        observation = transition.observation
        observation[...] = self.scheme.observe(self._controller.posture())
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


def make_controller(robot: Robot, name: str, simulations: Simulations) -> Controller:
    """The robot's controller of that name, or the usual one."""
    if name == "auto":
        name = next(iter(robot.controllers))
    if name not in robot.controllers:
        raise UsageError(f"--controller {name}: there are auto, {', '.join(robot.controllers)}")
    return robot.controllers[name](simulations)
