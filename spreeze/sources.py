"""The default source and evaluation: environments stepped with a policy."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch

from spreeze.contract import Block, Evaluation, EvaluationSetup, Policy, Recurrent, SourceSetup, Step
from spreeze.environment import VectorEnv
from spreeze.spaces import ActionScale, action_field

OFFERED = ("observation", "action", "reward", "terminated", "truncated", "is_first")
"""Fields of a step that the default source knows without the policy."""


class Moment(NamedTuple):
    """One step of N environments, from observation to reward; `valid` is False where it was an autoreset."""

    fields: Mapping[str, np.ndarray]
    valid: np.ndarray
    ended: np.ndarray


class Rollout:
    """Environments and a policy, stepped together; keeps what the policy is told about the previous step."""

    def __init__(self, envs: VectorEnv, policy: Policy) -> None:
        self.envs, self.policy = envs, policy
        self._scale = ActionScale(envs.action_space)
        field = action_field(envs.action_space)
        self._action_zero = np.zeros((envs.count, *field.shape), field.dtype)
        self.begin(envs.reset())

    def begin(self, observation: np.ndarray) -> None:
        """Forget the past: every environment is at the first step of an episode."""
        count = self.envs.count
        self.observation = observation.copy()
        self.action, self.reward = self._action_zero.copy(), np.zeros(count, np.float32)
        self.is_first, self.resetting = np.ones(count, bool), np.zeros(count, bool)
        self.state: Recurrent = self.policy.initial_state(count)

    @torch.inference_mode()
    def step(self, mode: str) -> Moment:
        """Act once in every environment."""
        told = (self.observation, self.action, self.reward, self.is_first)
        action, state, extras = self.policy.act(Step(*map(torch.from_numpy, told)), self._remembered(), mode)
        chosen = action.numpy()
        observation, reward, terminated, truncated = self.envs.step(self._scale.to_env(chosen))
        fields = dict(
            observation=self.observation,
            action=chosen,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            is_first=self.is_first,
        )
        fields |= {name: value.numpy() for name, value in extras.items()}
        moment = Moment(fields, ~self.resetting, terminated | truncated)
        self._advance(observation, chosen, reward, state, moment.ended)
        return moment

    def _remembered(self) -> Recurrent:
        if not self.state or not self.is_first.any():
            return self.state
        first = torch.from_numpy(self.is_first)
        initial = self.policy.initial_state(self.envs.count)
        return tuple(
            torch.where(first.view(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip(initial, self.state, strict=True)
        )

    def _advance(
        self, observation: np.ndarray, action: np.ndarray, reward: np.ndarray, state: Recurrent, ended: np.ndarray
    ) -> None:
        self.observation, self.reward, self.state = observation.copy(), reward.copy(), state
        self.is_first, self.resetting = self.resetting, ended.copy()
        self.action = action.copy()
        self.action[self.is_first], self.reward[self.is_first] = 0, 0

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs."""
        own = dict(action=self.action, reward=self.reward, is_first=self.is_first, resetting=self.resetting)
        memory = {f"state{index}": tensor.numpy() for index, tensor in enumerate(self.state)}
        return own | memory | {f"env/{name}": value for name, value in self.envs.state().items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on where `arrays` was taken."""
        envs = {name[4:]: value for name, value in arrays.items() if name.startswith("env/")}
        self.begin(self.envs.load_state(envs))
        self.action, self.reward = arrays["action"].copy(), arrays["reward"].copy()
        self.is_first, self.resetting = arrays["is_first"].copy(), arrays["resetting"].copy()
        self.state = tuple(torch.from_numpy(arrays[f"state{i}"].copy()) for i in range(len(self.state)))


class EpisodeLog:
    """Return and length of the episodes under way."""

    def __init__(self, count: int) -> None:
        self.returns, self.lengths = np.zeros(count), np.zeros(count, np.int64)

    def add(self, moment: Moment) -> list[tuple[float, int]]:
        """Account one step; return the episodes that it ended."""
        self.returns += moment.fields["reward"]
        self.lengths += moment.valid
        if not moment.ended.any():
            return []
        done = np.flatnonzero(moment.ended)
        finished = [(float(self.returns[n]), int(self.lengths[n])) for n in done]
        self.returns[done], self.lengths[done] = 0, 0
        return finished


class EnvironmentSource:
    """Steps N environments with the stage's policy into the stage's one store that is filled by sampling."""

    def __init__(self, setup: SourceSetup) -> None:
        [(self._name, self._store)] = [(n, s) for n, s in setup.stores.items() if s.written]
        self._steps = self._store.segment or setup.block_steps
        self._rollout = Rollout(setup.make_envs(setup.streams, setup.seed), setup.policy)
        self._log = EpisodeLog(setup.streams)
        self._continues = False
        shape = (self._steps, setup.streams)
        self._fields = {n: np.zeros((*shape, *f.shape), f.dtype) for n, f in self._store.fields.items()}
        self._valid = np.zeros(shape, np.uint8)

    def collect(self, mode: str) -> Iterable[Block]:
        """Return the next T steps of every environment."""
        head = {f"state{i}": tensor.numpy() for i, tensor in enumerate(self._rollout.state)}
        episodes = []
        for step in range(self._steps):
            moment = self._rollout.step(mode)
            for name, column in self._fields.items():
                column[step] = moment.fields[name]
            self._valid[step] = moment.valid
            episodes += self._log.add(moment)
        follows, self._continues = self._continues, True
        return [Block(self._name, self._fields, self._valid, self._rollout.observation, follows, head, episodes)]

    def state(self) -> Mapping[str, np.ndarray]:
        """The open episodes, replayed from their seeds and actions on `load_state`."""
        return self._rollout.arrays() | {"returns": self._log.returns, "lengths": self._log.lengths}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on in the middle of the open episodes."""
        self._rollout.restore(state)
        self._log.returns, self._log.lengths = state["returns"].copy(), state["lengths"].copy()
        self._continues = True


def evaluate_episodes(setup: EvaluationSetup) -> Evaluation:
    """Run `setup.episodes` whole episodes side by side, one per environment; metrics are means over them."""
    envs = setup.make_envs(setup.episodes, setup.seed)
    rollout = Rollout(envs, setup.policy)
    metrics: Callable[[], Mapping[str, np.ndarray]] = getattr(envs, "metrics", dict)
    log, results = EpisodeLog(setup.episodes), dict[int, tuple[float, int, dict[str, float]]]()
    while len(results) < setup.episodes:
        moment = rollout.step(setup.mode)
        measured = metrics() if moment.ended.any() else {}
        for env, episode in zip(np.flatnonzero(moment.ended).tolist(), log.add(moment), strict=True):
            results.setdefault(env, (*episode, {name: float(values[env]) for name, values in measured.items()}))
    returns, lengths, found = zip(*(results[env] for env in sorted(results)), strict=True)
    means = {name: float(np.mean([episode[name] for episode in found])) for name in found[0]}
    return Evaluation(list(returns), list(lengths), means)
