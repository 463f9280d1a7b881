"""Small learners, and meta-episodes whose every number tells where it is from."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from spreeze.algorithms._meta.episodes import Plan
from spreeze.algorithms._meta.stage import plan_of
from spreeze.algorithms.metacure import MetaCUREConfig, MetaCUREPart, learner
from spreeze.contract import EnvironmentSpec, LearnerSetup, Tasks

TASKS = Tasks(train=6, test=3, episode_steps=4)
SPEC = EnvironmentSpec(Box(-1, 1, (2,), np.float32), Box(-1, 1, (2,), np.float32), tasks=TASKS)
SMALL = MetaCUREConfig(
    explore_episodes=2, exploit_episodes=1, tasks_per_update=3, segments_per_task=2, hidden=(16,), encoder_width=16
)


def plan(config: MetaCUREConfig = SMALL) -> Plan:
    return plan_of(SPEC, config, "toy")


def part(config: MetaCUREConfig = SMALL, rows: int = 24) -> MetaCUREPart:
    made = learner(SPEC, config, LearnerSetup({"*": torch.device("cpu")}, 0, {}), rows)
    return cast(MetaCUREPart, made["metacure"])


def labelled(config: MetaCUREConfig = SMALL) -> Mapping[str, Tensor]:
    """Segments of 3 tasks, 2 of each: observation (step of the episode, episode), reward 100 x task + row, valid."""
    shape, columns = plan(config), config.tasks_per_update * config.segments_per_task
    row = torch.arange(shape.segment + 1)
    step, episode = row % (TASKS.episode_steps + 1), row // (TASKS.episode_steps + 1)
    seen = torch.stack((step, episode), -1)[:, None].expand(-1, columns, -1).float()
    task = torch.arange(config.tasks_per_update).repeat_interleave(config.segments_per_task)
    column = torch.arange(columns)
    action = torch.stack((column / 10, column * 0.0), -1).expand(shape.segment, -1, -1)
    reward = 100.0 * task + row[:-1, None].float()
    fields = {"observation": seen[:-1], "next_observation": seen[1:], "action": action.contiguous(), "reward": reward}
    return {**fields, "valid": (step[:-1, None] < TASKS.episode_steps).expand(-1, columns), "task": task}
