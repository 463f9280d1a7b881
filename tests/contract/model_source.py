"""A source that steps a learned model: start states from a dataset, imagined rows into a replay store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from spreeze import contract
from spreeze.contract import Block, Draw, Field, Metrics, Step, Store
from tests.contract.environments import EPISODE, Line, NoOptions
from tests.contract.learning import LinearPolicy, ToyPart, linear

STREAMS, HORIZON = 16, 4
"""Imagined rollouts side by side, and their length."""
ROW = {"observation": Field((2,)), "action": Field((1,)), "reward": Field()}


class Model(nn.Module):
    """x' = motion(x, a) and the reward -(a - goal x)^2."""

    def __init__(self) -> None:
        super().__init__()
        self.motion, self.goal = linear(3, 2), linear(2)

    def forward(self, x: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Next state (N, 2) and reward (N,)."""
        return self.motion(torch.cat((x, action), -1)), -(action - self.goal(x)).square()[:, 0]


class ImaginationSource:
    """Rolls the policy out in the model from states of the dataset."""

    def __init__(self, setup: contract.SourceSetup) -> None:
        self.policy, self.model, self.dataset = setup.policy, setup.modules["model"], setup.readers["dataset"]
        self.seed, self.rollouts = setup.seed, 0

    @torch.inference_mode()
    def collect(self, mode: str) -> Iterable[Block]:
        random = np.random.default_rng([self.seed, self.rollouts])
        x = torch.from_numpy(self.dataset.draw(Draw("dataset", rows=STREAMS), random)["observation"])
        none, first, rows = torch.zeros(STREAMS, 1), torch.ones(STREAMS, dtype=torch.bool), []
        for _ in range(HORIZON):
            action, _, _ = self.policy.act(Step(x, none, none[:, 0], first), (), mode)
            after, reward = self.model(x, action)
            rows.append((x, action, reward))
            x, first = after, torch.zeros_like(first)
        self.rollouts += 1
        fields = {name: torch.stack(column).numpy() for name, column in zip(ROW, zip(*rows, strict=True), strict=True)}
        return [Block("imagined", fields, np.ones((HORIZON, STREAMS)), x.numpy(), continues=False)]

    def state(self) -> Mapping[str, np.ndarray]:
        return {"rollouts": np.array([self.rollouts]), "seed": np.array([self.seed])}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        self.rollouts, self.seed = int(state["rollouts"][0]), int(state["seed"][0])


class ModelPart(ToyPart):
    """Fits the model to the dataset."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        batch = batches["real"]
        after, reward = self.owns["model"](batch["observation"], batch["action"])
        error = (after - batch["next_observation"]).square().mean() + (reward - batch["reward"]).square().mean()
        return self.descend(error)


class PolicyPart(ToyPart):
    """Moves the policy to where the model expects the most reward, in imagined states."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        x = batches["imagined"]["observation"]
        _, reward = self.reads["model"](x, self.owns["policy"](x))
        return self.descend(-reward.mean())


def episodes() -> Iterator[Mapping[str, np.ndarray]]:
    """The dataset: episodes of random actions on the line."""
    env, random = Line(), np.random.default_rng(0)
    for seed in range(20):
        seen, actions = [env.reset(seed=seed)[0]], random.uniform(-1, 1, (EPISODE, 1)).astype(np.float32)
        steps = [env.step(action) for action in actions]
        rewards = np.array([reward for _, reward, *_ in steps], np.float32)
        yield {"observation": np.stack(seen + [x for x, *_ in steps]), "action": actions, "reward": rewards}


def learner(batch_size: int) -> Mapping[str, contract.Part]:
    """The model learns from the dataset, the policy from imagined rows."""
    model, real = Model(), {"real": Draw("dataset", rows=batch_size)}
    policy, imagined = {"policy": linear(2)}, {"imagined": Draw("imagined", rows=batch_size)}
    return {
        "model": ModelPart({"model": model}, real, rate=0.02),
        "policy": PolicyPart(policy, imagined, rate=0.02, reads={"model": model}),
    }


def stages(spaces: contract.EnvironmentSpec, config: NoOptions, batch_size: int) -> Sequence[contract.Stage]:
    """One stage."""
    replay, dataset = Store("replay", ROW, capacity=2000, streams=STREAMS), Store("dataset", ROW, load=episodes)
    return [
        contract.Stage(
            name="imagine",
            stores={"dataset": dataset, "imagined": replay},
            bundles={"policy": lambda: linear(2), "model": Model},
            make_policy=lambda modules, generator: LinearPolicy(modules["policy"], generator),
            make_learner=lambda setup: learner(batch_size),
            make_source=ImaginationSource,
            pace=contract.Pace(ratio=contract.Range(2, 0.5, 8)),
            until=contract.Until(env_steps=5000),
        )
    ]


ALGORITHM = contract.Algorithm("imagined rollouts", "a toy", NoOptions, stages, batch_size=contract.Range(32, 1, 256))
