"""Small networks, batches and datasets for the tests of the model-based family."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spreeze.algorithms.micro import MICRO, DynamicsEnsemble, EliteModel, MicroConfig, Operator, make_parts
from spreeze.algorithms.micro.learner import ActorPart, CriticPart
from spreeze.contract import Dataset, Episode, LearnerSetup

CPU = torch.device("cpu")
OBSERVATIONS, ACTIONS, ROWS = 3, 2, 6
Batch = Mapping[str, Tensor]


def dataset_of(episodes: Sequence[Episode], environment: str = "Toy-v0", kind: str = "", digest: str = "") -> Dataset:
    """These episodes as a dataset."""
    steps = sum(len(episode.reward) for episode in episodes)
    return Dataset("toy", environment, kind, digest or "0" * 64, steps, None, lambda: episodes)


def episodes_of(lengths: Sequence[int], seed: int = 0) -> list[Episode]:
    """Episodes of random numbers, the last step of each terminated."""
    random, made = np.random.default_rng(seed), []
    for steps in lengths:
        seen = random.normal(size=(steps + 1, OBSERVATIONS)).astype(np.float32)
        action = random.uniform(-1, 1, (steps, ACTIONS)).astype(np.float32)
        made.append(Episode(seen, action, seen[1:, 0].copy(), np.arange(steps) == steps - 1))
    return made


def ensemble_of(
    seed: int = 0, members: int = 4, elites: int = 3, observations: int = OBSERVATIONS, actions: int = ACTIONS
) -> DynamicsEnsemble:
    """A network that nobody has fitted; its elites are the last, its normalisation and its biases are no defaults."""
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = DynamicsEnsemble(observations, actions, (8, 8), members, elites)
    with torch.no_grad():
        made.elites.copy_(torch.arange(members - elites, members))
        made.input_mean.copy_(torch.randn(observations + actions, generator=draw))
        made.input_std.copy_(0.5 + torch.rand(observations + actions, generator=draw))
        for bias in made.biases:
            bias.copy_(0.3 * torch.randn(bias.shape, generator=draw))
    return made


def micro(**options: Any) -> MicroConfig:
    """Options for tiny networks and a dataset without published settings."""
    return MicroConfig(**{"hidden": (16,), "samples": 3, **options}).for_dataset(dataset_of([]))


def setup_of(seed: int = 0) -> LearnerSetup:
    """Everything on the CPU."""
    return LearnerSetup({"*": CPU}, seed, {})


def parts_of(
    config: MicroConfig | None = None,
    seed: int = 0,
    operator: Operator = MICRO,
    model: EliteModel | None = None,
    termination: Any = None,
) -> tuple[CriticPart, ActorPart]:
    """Both parts of the policy stage."""
    model = model or EliteModel(ensemble_of())
    shape = (OBSERVATIONS, ACTIONS)
    parts = make_parts(shape, config or micro(), {}, setup_of(seed), operator, model, termination)
    critic, actor = parts["critic"], parts["actor"]
    assert isinstance(critic, CriticPart)
    assert isinstance(actor, ActorPart)
    return critic, actor


def batch_of(seed: int = 0, rows: int = ROWS) -> Batch:
    """Random rows, of which every third is terminated."""
    draw = torch.Generator().manual_seed(seed)
    return {
        "observation": torch.randn(rows, OBSERVATIONS, generator=draw),
        "action": torch.rand(rows, ACTIONS, generator=draw) * 2 - 1,
        "reward": torch.randn(rows, generator=draw),
        "terminated": (torch.arange(rows) % 3 == 0).float(),
        "next_observation": torch.randn(rows, OBSERVATIONS, generator=draw),
    }


def copy_of(generator: torch.Generator) -> torch.Generator:
    """A generator that goes on alike."""
    return torch.Generator().set_state(generator.get_state())
