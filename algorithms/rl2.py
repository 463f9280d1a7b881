"""RL^2: a recurrent policy that learns by PPO over several episodes of a task, and adapts by its memory alone.

Source: Duan et al., RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning, arXiv 1611.02779. The policy is
told its previous action, the reward, and whether an episode begins; its memory outlasts the episodes of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from spreeze.algorithms import ppo
from spreeze.algorithms._meta.episodes import sketch_of
from spreeze.algorithms._meta.trials import Trials, told_space
from spreeze.algorithms.sac import Shape
from spreeze.contract import (
    Adaptation,
    Algorithm,
    EnvironmentSpec,
    Evaluation,
    EvaluationSetup,
    Policy,
    Recurrent,
    Source,
    SourceSetup,
    Stage,
    Step,
    TaskFamily,
    Tasks,
    Trail,
    environment_source,
)
from spreeze.errors import UnsupportedSpace, UsageError


@dataclass(frozen=True)
class RL2Config(ppo.PPOConfig):
    """Options of RL^2."""

    task_episodes: int = 4
    """Episodes of a task, through which the memory is kept."""
    memory: int = 64
    """Units of the recurrent network."""
    horizon: int = 128
    """L, steps of each environment that an update takes; one trial of four episodes of 32."""
    until: int = 10_000_000
    """Environment steps of a run without --steps."""

    def check(self) -> None:
        """Raise UsageError if an option makes no sense."""
        super().check()
        for name in ("task_episodes", "memory"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)}: at least 1 is needed")


class RL2Policy:
    """PPO's policy, on trials as on plain environments, of which it tells itself what trials observe."""

    def __init__(self, policy: Policy, observations: int) -> None:
        self.policy, self.observations = policy, observations

    def initial_state(self, batch: int) -> Recurrent:
        """The memory before a trial."""
        return self.policy.initial_state(batch)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """As PPO's policy does."""
        if step.observation.shape[-1] == self.observations:
            flag = step.is_first.float()[:, None]
            parts = (step.observation, step.previous_action, step.previous_reward[:, None], flag)
            step = step._replace(observation=torch.cat(parts, -1))
        return self.policy.act(step, state, mode)


def source(setup: SourceSetup, tasks: Tasks, episodes: int) -> Source:
    """The default source, of trials of random training tasks."""

    def make_envs(count: int, seed: int) -> Trials:
        def choose(trial: int, number: int) -> np.ndarray:
            return np.random.default_rng([seed, trial]).integers(tasks.train, size=number)

        return Trials(cast(TaskFamily, setup.make_envs(count, seed)), tasks, episodes, choose)

    return environment_source(setup._replace(make_envs=make_envs))


@torch.inference_mode()
def played(setup: EvaluationSetup, tasks: Tasks, episodes: int) -> Adaptation:
    """One trial of every task that is held out; of observations, the final ones are not kept."""
    held_out = np.array(tasks.held_out)
    family = cast(TaskFamily, setup.make_envs(len(held_out), setup.seed))
    size = cast(Box, family.observation_space).shape[0]
    trials, policy = Trials(family, tasks, episodes, lambda trial, number: held_out), setup.policy
    state, seen, rewards = policy.initial_state(len(held_out)), list[np.ndarray](), list[np.ndarray]()
    observation, first = trials.reset(), np.ones(len(held_out), bool)
    nothing = torch.zeros(len(held_out), trials.actions), torch.zeros(len(held_out))
    for _ in range(episodes * tasks.episode_steps):
        seen.append(observation[:, :size].copy())
        step = Step(torch.from_numpy(observation.copy()), *nothing, torch.from_numpy(first))
        action, state, _ = policy.act(step, state, setup.mode)
        observation, reward, _, _ = trials.step(trials.scale.to_env(action.numpy()))
        rewards.append(reward)
        first = np.zeros(len(held_out), bool)
    columns = zip(np.split(np.stack(seen), episodes), np.split(np.stack(rewards), episodes), strict=True)
    trails = [Trail(f"episode {index + 1}", *column) for index, column in enumerate(columns)]
    return Adaptation(held_out, trails, sketch=sketch_of(family))


def evaluate(setup: EvaluationSetup, tasks: Tasks, episodes: int) -> Evaluation:
    """The returns are those of the last episode of a trial."""
    *before, last = (trail.reward.sum(0) for trail in played(setup, tasks, episodes).trails)
    explored = {f"explored/return_{index + 1}": float(one.mean()) for index, one in enumerate(before)}
    return Evaluation(last.tolist(), [tasks.episode_steps] * len(last), explored)


def stages(spec: EnvironmentSpec, config: RL2Config, batch_size: int) -> Sequence[Stage]:
    """PPO's stage on trials; raises UnsupportedSpace if there is no family of tasks."""
    config.check()
    shape = Shape.of(spec, "RL2")
    if spec.tasks is None:
        raise UnsupportedSpace("RL2 needs a family of tasks, as point-robot-sparse; this environment has one task")
    tasks, episodes = spec.tasks, config.task_episodes
    told = replace(spec, observation=told_space(spec.observation, spec.action))
    [stage] = ppo.ALGORITHM.stages(told, config, batch_size)
    make_policy = stage.make_policy
    assert make_policy is not None, "PPO acts"
    return [
        replace(
            stage,
            name="rl2",
            make_policy=lambda modules, generator: RL2Policy(make_policy(modules, generator), shape.observations),
            make_source=lambda setup: source(setup, tasks, episodes),
            evaluate=lambda setup: evaluate(setup, tasks, episodes),
            adapt=lambda setup: played(setup, tasks, episodes),
        )
    ]


ALGORITHM = Algorithm(
    summary="RL^2: a recurrent policy that adapts by its memory over several episodes of a task",
    source="Duan et al. 2016, arXiv 1611.02779",
    config=RL2Config,
    stages=stages,
    batch_size=replace(ppo.ALGORITHM.batch_size, default=512),
)
