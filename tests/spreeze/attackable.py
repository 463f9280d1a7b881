"""A linear policy with a critic, and run folders that hold it, for attacks whose harm is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from safetensors.torch import save_file
from torch import Tensor, nn

from spreeze.checkpoint import Checkpoints
from spreeze.config import RunOptions, Settings
from spreeze.contract import (
    Algorithm,
    Dataset,
    EnvironmentSpec,
    Episode,
    Evaluation,
    EvaluationSetup,
    Recurrent,
    Reference,
    Stage,
    Step,
)
from spreeze.registry import environment
from spreeze.run_folder import save_settings
from tests.contract.environments import GOAL, LINE

SPREAD = np.array([0.5, 2.0])
"""Standard deviation of the observations in the dataset of `RECORDED`."""
REFERENCE = Reference(-10.0, 0.0, "by hand")


class LinearPolicy:
    """a = W s, with a Gaussian of standard deviation 1 about it; two critics, -|a - W s|^2 and half of it."""

    def __init__(self, weights: nn.Linear) -> None:
        self.weights = weights

    def initial_state(self, batch: int) -> Recurrent:
        return ()

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        return self.weights.forward(step.observation), state, {}

    def distribution(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.weights.forward(observation)
        return mean, torch.zeros_like(mean)

    def value(self, observation: Tensor, action: Tensor) -> Tensor:
        loss = (action - self.weights.forward(observation)).square().sum(-1)
        return torch.stack((-loss, -loss / 2))


class Mute:
    """The same policy without a critic."""

    def __init__(self, policy: LinearPolicy) -> None:
        self.initial_state, self.act, self.distribution = policy.initial_state, policy.act, policy.distribution


@dataclass(frozen=True)
class Config:
    """Options of the linear policy."""

    critic: bool = True
    """Whether the policy has one."""
    deaf: bool = False
    """Whether the evaluation leaves the policy alone."""


def weights(spec: EnvironmentSpec) -> nn.Linear:
    """W of a size for the spaces; its values come from the checkpoint."""
    inputs = int(np.prod(spec.observation.shape or (1,)))
    return nn.Linear(inputs, int(np.prod(spec.action.shape or (1,))), bias=False)


def deaf_evaluation(setup: EvaluationSetup) -> Evaluation:
    """Nothing is done, and nothing gained."""
    return Evaluation([0.0] * setup.episodes, [1] * setup.episodes)


def stages(spec: EnvironmentSpec, config: Config, batch_size: int) -> Sequence[Stage]:
    """One stage, in which nothing is learned."""

    def policy(modules: Mapping[str, nn.Module], generator: torch.Generator) -> LinearPolicy | Mute:
        linear = modules["policy"]
        assert isinstance(linear, nn.Linear)
        return LinearPolicy(linear) if config.critic else Mute(LinearPolicy(linear))

    stage = Stage("linear", {}, {"policy": lambda: weights(spec)}, policy, lambda setup: {}, make_source=None)
    return [replace(stage, evaluate=deaf_evaluation) if config.deaf else stage]


ALGORITHM = Algorithm("a linear policy", "nowhere", Config, stages)


def episodes() -> list[Episode]:
    """Two episodes whose observations, the final ones left out, spread as `SPREAD` says about another mean."""
    rows = np.array([[1.0, 7.0], [2.0, 3.0], [1.0, 7.0], [2.0, 3.0]], np.float32)
    last = np.full((1, 2), 1000.0, np.float32)
    nothing = np.zeros(4, np.float32)
    episode = Episode(np.concatenate((rows, last)), nothing[:, None], nothing, nothing.astype(bool))
    return [episode, episode]


DATASET = Dataset("line/by-hand-v0", "line", "", "", 8, REFERENCE, episodes)
RECORDED = replace(LINE, dataset=lambda name: DATASET)
OTHER = replace(DATASET, episodes=lambda: [e._replace(observation=e.observation[:, :1]) for e in episodes()])
MISRECORDED = replace(LINE, dataset=lambda name: OTHER)


def run_folder(folder: Path, env: str = "tests.contract.environments:LINE", **options: Any) -> Path:
    """A run folder with one checkpoint of each kind; on the line, W is the best there is."""
    settings = Settings(f"{__name__}:ALGORITHM", env, RunOptions(), Config(**options), environment(env).options())
    folder.mkdir(parents=True)
    save_settings(folder, settings)
    vector = environment(env).make_vector(settings.environment, 1, 0)
    linear = weights(EnvironmentSpec(vector.observation_space, vector.action_space))
    on_the_line = isinstance(vector.observation_space, Box) and vector.observation_space.shape == (2,)
    tensor = torch.from_numpy(GOAL)[None] if on_the_line else torch.full_like(linear.weight, 0.1)
    for kind in ("best", "checkpoint"):
        checkpoints = Checkpoints(folder / "checkpoints", kind)
        staging = checkpoints.begin()
        save_file({"weight": tensor.detach().clone()}, staging / "bundle-policy.safetensors")
        checkpoints.commit(staging, {"stage": 0})
    vector.close()
    return folder
