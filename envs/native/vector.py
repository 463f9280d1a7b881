"""Environments whose physics is stepped together, and everything else vectorised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.seeding import np_random

from spreeze.environment import Transition
from spreeze.envs.native.simulations import WARNINGS, PhysicsError, Simulations, initial_state, of_model
from spreeze.envs.native.task import Outcome, Task
from spreeze.envs.vector import empty_transition, episode_seed, fault, first_not_finite, not_finite, place
from spreeze.errors import CheckpointError, EnvironmentFault

Randomise = Callable[[np.random.Generator], Mapping[str, np.ndarray]]
"""Draws values of fields of `MjModel`, by name, for one simulation."""

_WITHOUT_LIMIT = np.iinfo(np.int64).max
_SAVED = ("seed", "episode", "elapsed", "due", "physics", "before", "observation")
_PARAMETER = "parameter/"


class NativeVector:
    """N environments of one task, as `VectorEnv` says, with the episodes that Gymnasium gives for the same seeds.

    What `reset` and `step` return lives in two sets of arrays used by turns: a transition stays as it is until the
    step after the next one begins. A warning of MuJoCo is a fault: it goes on, but with a simulation that it has reset
    or with contacts left out.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        simulations: Simulations,
        seed: int,
        limit: int | None = None,
        randomise: Randomise | None = None,
    ) -> None:
        """Use `simulations` of the task's model.

        Args:
            name: What messages call the environments.
            task: What is observed, rewarded, and ends an episode.
            simulations: Where the physics happens; it belongs to this object.
            seed: From which every episode's seed is derived.
            limit: Steps after which an episode is truncated; None: never.
            randomise: What is drawn for the model of a simulation whenever it begins an episode, after its state.
        """
        self._name, self._task, self._simulations = name, task, simulations
        self._randomise, self._own, self._seed = randomise, set[str](), np.array([seed])
        self._limit = _WITHOUT_LIMIT if limit is None else limit
        self._seconds, self._blank = simulations.model.opt.timestep * task.frame_skip, initial_state(simulations.model)
        self.count = count = simulations.count
        low, high = simulations.model.actuator_ctrlrange.astype(np.float32).T
        self.action_space: gymnasium.Space[Any] = gymnasium.spaces.Box(low, high, dtype=np.float32)
        shape = (sum(part.shape[1] for part in task.observe(simulations)),)
        self.observation_space: gymnasium.Space[Any] = gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float64)
        self._episodes, self._elapsed = np.full(count, -1), np.zeros(count, np.int64)
        self._due, self._sound = np.zeros(count, bool), np.ones(count, bool)
        self._actions, self._nothing = np.zeros((count, len(low)), np.float32), np.zeros(count)
        self._before = self._remembered().copy()
        self._turns = [empty_transition(count, shape, np.dtype(np.float32)) for _ in range(2)]
        self.exact_reward = np.zeros(count)
        """(N,) float64: the rewards of the last step before they were rounded to float32."""

    def reset(self) -> np.ndarray:
        """Begin a new episode in every environment; return the observations (N, ...)."""
        self._due[:] = False
        self._begin(np.arange(self.count))
        self._before[...] = self._remembered()
        return self._observe(self._turn())

    def step(self, actions: np.ndarray) -> Transition:
        """Step with `actions` (N, ...), in the units of the action space.

        Raises:
            EnvironmentFault: something became NaN or infinite, or MuJoCo failed or warned.
        """
        self._actions = self._checked(actions)
        transition, due = self._turn(), self._due.nonzero()[0]
        self._elapsed += 1
        if due.size:
            self._begin(due)
        self._advance(None if not due.size else (~self._due).nonzero()[0])
        self._judge(transition, due)
        self._observe(transition)
        np.logical_or(transition.terminated, transition.truncated, out=self._due)
        self._before[...] = self._remembered()
        return transition

    def exact_observation(self) -> np.ndarray:
        """(N, O) float64: what the last `reset` or `step` observed before it was rounded to float32."""
        return np.concatenate(self._task.observe(self._simulations), axis=1)

    def parameter(self, name: str) -> np.ndarray:
        """(N, ...): the field `name` of `MjModel`, or of its `opt`, in every simulation; a copy."""
        return np.array(self._simulations.parameter(name))

    def set_parameters(self, values: Mapping[str, np.ndarray], indices: np.ndarray | None = None) -> None:
        """Give simulations values (K, ...) of their own of fields of `MjModel` or its `opt`, between two episodes.

        What the model derives of its fields, as inverse weights of its masses, follows. `indices` (K,): which
        simulations; None: all.

        Raises:
            ValueError: the model has no such field, or all simulations must have it in common.
        """
        model = self._simulations.model
        for name in values:
            if name == "timestep" or not (hasattr(model, name) or hasattr(model.opt, name)):
                raise ValueError(f"'{name}' is no field of MjModel or its options that simulations may differ in")
        self._own |= set(values)
        self._simulations.set_parameters(values, np.arange(self.count) if indices is None else np.asarray(indices))

    def state(self) -> Mapping[str, np.ndarray]:
        """What `load_state` needs to go on to the bit, once `reset` was called.

        `seed` (1,); of each environment: `episode` (N,), its number; `elapsed` (N,), its steps; `due` (N,) bool,
        whether the next step resets; `physics` (N, S), the integration state; `before` (N, ...), what the next reward
        remembers; `observation` (N, O); `parameter/...` (N, ...), the values that were set.
        """
        arrays = dict(zip(_SAVED, self._arrays(), strict=True))
        own = {_PARAMETER + name: self._simulations.parameter(name) for name in self._own}
        return {name: value.copy() for name, value in (arrays | own).items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on where `state` was taken, with the seed of then; return the observations (N, ...) of that moment.

        Raises:
            CheckpointError: the state belongs to another number of environments, another model or another engine.
        """
        self._check_fits(state)
        model = self._simulations.model
        saved = {name.removeprefix(_PARAMETER): value for name, value in state.items() if name.startswith(_PARAMETER)}
        shared = {name: np.array([of_model(model, name)] * self.count) for name in self._own}
        if shared or saved:
            self.set_parameters(shared | saved)
        observation = self._turn().observation
        for name, own in zip(_SAVED, self._arrays(), strict=True):
            own[...] = state[name]
        return observation

    def close(self) -> None:
        """Release what the simulations hold."""
        self._simulations.close()

    def _arrays(self) -> tuple[np.ndarray, ...]:
        """What `_SAVED` names, in that order."""
        progress = (self._seed, self._episodes, self._elapsed, self._due)
        return *progress, self._simulations.state, self._before, self._turns[0].observation

    def _check_fits(self, state: Mapping[str, np.ndarray]) -> None:
        missing = [name for name in _SAVED if name not in state]
        if missing:
            raise CheckpointError(
                f"the saved state of '{self._name}' lacks {', '.join(missing)}: it is not of the native engine; "
                "resume with sampler_engine: gymnasium in the run's config.yaml"
            )
        for name, own in zip(_SAVED, self._arrays(), strict=True):
            if state[name].shape != own.shape:
                raise CheckpointError(
                    f"saved {name} {state[name].shape} does not fit {self.count} x '{self._name}' with {own.shape}"
                )

    def _turn(self) -> Transition:
        self._turns.reverse()
        return self._turns[0]

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        batch = np.asarray(actions, np.float32)
        if batch.shape != self._actions.shape:
            raise ValueError(f"actions have shape {batch.shape}, '{self._name}' takes {self._actions.shape}")
        return batch

    def _begin(self, indices: np.ndarray) -> None:
        """Begin the next episode of environments `indices` (K,)."""
        simulations, drawn = self._simulations, list[Mapping[str, np.ndarray]]()
        for index in indices.tolist():
            self._episodes[index] += 1
            self._elapsed[index] = 0
            simulations.state[index] = self._blank
            random, _ = np_random(self._episode_seed(index))
            simulations.qpos[index], simulations.qvel[index] = self._task.begin(random, simulations.model)
            if self._randomise is not None:
                drawn.append(self._randomise(random))
        if drawn:
            self.set_parameters({name: np.stack([values[name] for values in drawn]) for name in drawn[0]}, indices)
        try:
            simulations.forward(indices)
        except PhysicsError as error:
            raise self._fault(error.index, f"MuJoCo failed: {error.reason}") from error

    def _advance(self, indices: np.ndarray | None) -> None:
        """Step the physics of environments `indices` (K,), or of all."""
        self._simulations.ctrl[...] = self._actions
        try:
            self._simulations.step(self._task.frame_skip, indices)
        except PhysicsError as error:
            raise self._fault(error.index, f"MuJoCo failed: {error.reason}") from error

    def _judge(self, transition: Transition, begun: np.ndarray) -> None:
        """Fill rewards and ends; those of environments `begun` (K,) are those of no step."""
        _, reward, terminated, truncated = transition
        sound = self._sound if self._task.healthy is None else self._task.healthy(self._simulations)
        outcome = Outcome(self._simulations, self._actions, self._before, sound, self._seconds)
        self.exact_reward = self._task.reward(outcome)
        np.logical_not(sound, out=terminated)
        np.greater_equal(self._elapsed, self._limit, out=truncated)
        if begun.size:
            self.exact_reward[begun], terminated[begun], truncated[begun] = 0.0, False, False
        reward[:] = self.exact_reward
        self._check_finite("reward", reward)

    def _observe(self, transition: Transition) -> np.ndarray:
        """Fill the observations."""
        observation = transition.observation
        np.concatenate(self._task.observe(self._simulations), axis=1, out=observation, casting="same_kind")
        self._check_finite("observation", observation)
        self._check_warnings()
        return observation

    def _remembered(self) -> np.ndarray:
        return self._nothing if self._task.before is None else self._task.before(self._simulations)

    def _check_finite(self, field: str, values: np.ndarray) -> None:
        if not np.isfinite(values).all():
            index = first_not_finite(values)
            raise self._fault(index, not_finite(field, values[index]))

    def _check_warnings(self) -> None:
        warnings = self._simulations.warnings()
        if warnings.any():
            index, kind = (int(number) for number in np.argwhere(warnings)[0])
            raise self._fault(index, f"MuJoCo met {WARNINGS[kind]}")

    def _fault(self, index: int, complaint: str) -> EnvironmentFault:
        step = int(self._elapsed[index])
        where = place(self._name, index, self._episode_seed(index), step)
        return fault(where, complaint, self._actions[index] if step else self._actions[:0])

    def _episode_seed(self, index: int) -> int:
        return episode_seed(int(self._seed[0]), index, int(self._episodes[index]))
