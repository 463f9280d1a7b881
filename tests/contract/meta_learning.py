"""Meta-learning on a family of tasks: whole meta-episodes as segments, drawn by task, and two policies.

A meta-episode has two steps of the explorer, +probe and -probe, then steps of the exploiter, whose only knowledge of
the task is its belief: the slope of the two rewards. The explorer learns to probe where tasks differ most.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from spreeze import contract
from spreeze.contract import Block, Draw, Field, Metrics, Recurrent, Step, Store
from spreeze.environment import VectorEnv
from tests.contract.environments import Family, NoOptions
from tests.contract.learning import ForgetfulSource, ToyPart, linear

PROBES, LENGTH = 2, 6
"""Steps of the explorer, and of the whole meta-episode."""
ROW = {"observation": Field((1,)), "action": Field((1,)), "reward": Field()}


def belief(probes: Tensor) -> Tensor:
    """The slope (B, 1) of the rewards probes[:, 1] of two actions probes[:, 0]."""
    return (probes[:, 1:, 0] - probes[:, 1:, 1]) / (probes[:, :1, 0] - probes[:, :1, 1])


def probe(explorer: nn.Module) -> Tensor:
    """The explorer's action (1, 1)."""
    return torch.clamp(explorer(torch.ones(1, 1)), -1, 1)


class MetaPolicy:
    """Probes in mode `explore`, acts on its belief in mode `exploit`. Memory: age (N,), and what probing gave."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self.explorer, self.exploiter = modules["explorer"], modules["exploiter"]

    def initial_state(self, batch: int) -> Recurrent:
        return torch.zeros(batch), torch.zeros(batch, 2, PROBES)

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        age, probes = state
        told = torch.stack((step.previous_action[:, 0], step.previous_reward), 1)[:, :, None]
        probes = torch.where(age[:, None, None] == torch.arange(1, PROBES + 1), told, probes)
        action = probe(self.explorer) * (1 - 2 * age)[:, None] if mode == "explore" else self.exploiter(belief(probes))
        return action.clamp(-1, 1), (age + 1, probes), {}


@torch.inference_mode()
def play(envs: VectorEnv, policy: contract.Policy, random: np.random.Generator) -> tuple[dict[str, np.ndarray], ...]:
    """One meta-episode of a random task in every environment: its fields (L, N, ...), and its head (N,)."""
    family = cast(Family, envs)  # what an environment offers beside VectorEnv passes through `make_envs`
    task, state, rows = random.integers(family.tasks, size=envs.count), policy.initial_state(envs.count), []
    seen, action, reward = family.begin(task), np.zeros((envs.count, 1), np.float32), np.zeros(envs.count, np.float32)
    for age in range(LENGTH):
        told = map(torch.from_numpy, (seen, action, reward, np.full(envs.count, age == 0)))
        chosen, state, _ = policy.act(Step(*told), state, "explore" if age < PROBES else "exploit")
        action, before = chosen.numpy(), seen
        seen, reward, _, _ = envs.step(action)
        rows.append((before, action, reward))
    return {name: np.stack(column) for name, *column in zip(ROW, *rows, strict=True)}, {"task": task}


class MetaEpisodes(ForgetfulSource):
    """A source of whole meta-episodes; between two of them nothing is open."""

    def __init__(self, setup: contract.SourceSetup) -> None:
        self.envs, self.policy = setup.make_envs(setup.streams, setup.seed), setup.policy
        self.random = np.random.default_rng(setup.seed)

    def collect(self, mode: str) -> Iterable[Block]:
        fields, head = play(self.envs, self.policy, self.random)
        return [Block("episodes", fields, np.ones((LENGTH, self.envs.count)), self.envs.reset(), head=head)]


class MetaPart(ToyPart):
    """Fits the exploiter to the rewards of its task, and the explorer to the spread of rewards over tasks."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        batch, keys = batches["tasks"], self.draws["tasks"].keys
        groups, action = batch["task"].reshape(keys, -1), batch["action"][..., 0]
        self.note_largest("mixed", (groups != groups[:, :1]).sum())
        self.note_largest("missing", keys - len(groups.unique()))
        probes = torch.stack((action[:PROBES], batch["reward"][:PROBES])).permute(2, 0, 1)
        goal = self.owns["exploiter"](belief(probes))[:, 0]
        error = (-(action - goal).square() - batch["reward"]).square().mean()
        return self.descend(error - (probe(self.owns["explorer"])[0] - goal.detach()).square().var())


def evaluate(setup: contract.EvaluationSetup) -> contract.Evaluation:
    """Returns of the exploiter in meta-episodes of random tasks."""
    fields, _ = play(setup.make_envs(setup.episodes, setup.seed), setup.policy, np.random.default_rng(setup.seed))
    return contract.Evaluation(fields["reward"][PROBES:].sum(0).tolist(), [LENGTH - PROBES] * setup.episodes)


def stages(spaces: contract.EnvironmentSpec, config: NoOptions, batch_size: int) -> Sequence[contract.Stage]:
    draws = {"tasks": Draw("episodes", segments=batch_size, key="task", keys=4)}
    episodes = Store("replay", ROW, capacity=3000, segment=LENGTH, head={"task": Field((), "int64")})
    return [
        contract.Stage(
            name="meta",
            stores={"episodes": episodes},
            bundles={"explorer": lambda: linear(1, 1, 0.3), "exploiter": lambda: linear(1)},
            make_policy=lambda modules, generator: MetaPolicy(modules),
            make_learner=lambda _: {
                "meta": MetaPart({"explorer": linear(1, 1, 0.3), "exploiter": linear(1)}, draws, rate=0.02)
            },
            make_source=MetaEpisodes,
            evaluate=evaluate,
            pace=contract.Pace(ratio=contract.Range(8, 1, 64)),
            warmup=500,
            until=contract.Until(env_steps=8000),
        )
    ]


ALGORITHM = contract.Algorithm("probe, then act", "a toy", NoOptions, stages, contract.Range(16, 4, 256))
