"""Stage 2's source: the policy rolled out in the learned model, from states of the dataset."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spreeze.algorithms.micro.ensemble import EliteModel
from spreeze.algorithms.micro.operator import largest_spread
from spreeze.contract import Block, Draw, SourceSetup, Step

Penalty = Callable[[EliteModel, Tensor, Tensor], Tensor]
"""(model, observations (B, O), actions (B, A)) -> what is taken off the reward (B,)."""


class ImaginationSource:
    """Imagines `horizon` steps of as many rollouts as the store has streams; knows neither time nor processes.

    Each step gives every elite an equal share of the rollouts, drawn anew. A rollout that ends early leaves rows
    without a transition.
    """

    def __init__(
        self,
        setup: SourceSetup,
        model: EliteModel,
        termination: Callable[[Any], Any],
        horizon: int,
        rollouts: int,
        penalty: Penalty | None = None,
    ) -> None:
        self.policy, self.dataset = setup.policy, setup.readers["dataset"]
        self.model, self.termination, self.penalty = model, termination, penalty
        self.horizon, self.rollouts, self.seed, self.count = horizon, rollouts, setup.seed, 0
        self.generator = torch.Generator()

    @torch.inference_mode()
    def collect(self, mode: str) -> Iterable[Block]:
        """One block: `horizon` steps of every rollout."""
        self.generator.manual_seed(self.seed + self.count)
        random = np.random.default_rng([self.seed, self.count])
        self.count += 1
        begin = self.dataset.draw(Draw("dataset", rows=self.rollouts), random)["observation"]
        observation, alive = torch.from_numpy(begin), torch.ones(self.rollouts, dtype=torch.bool)
        rows: list[tuple[Tensor, ...]] = []
        for index in range(self.horizon):
            action = self._act(observation, mode, first=index == 0)
            following, reward = self.step(observation, action)
            ended = self.termination(following)
            rows.append((observation, action, reward, ended.float(), alive))
            observation, alive = following, alive & ~ended
        names = ("observation", "action", "reward", "terminated", "valid")
        fields = {
            name: torch.stack(column).numpy() for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }
        return [Block("imagined", fields, fields.pop("valid"), observation.numpy(), continues=False)]

    def _act(self, observation: Tensor, mode: str, first: bool) -> Tensor:
        none, is_first = torch.zeros(self.rollouts), torch.full((self.rollouts,), first)
        state = self.policy.initial_state(self.rollouts)
        previous = torch.zeros(self.rollouts, self._actions())
        return self.policy.act(Step(observation, previous, none, is_first), state, mode)[0]

    def _actions(self) -> int:
        ensemble = self.model.ensemble
        return len(ensemble.input_mean) - ensemble.outputs + 1

    def step(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Next observations (B, O) and rewards (B,), less the penalty if there is one."""
        order = torch.randperm(len(observation), generator=self.generator)
        sampled = torch.empty(len(observation), observation.shape[1] + 1)
        sampled[order] = self.model.step(observation[order], action[order], self.generator)
        reward = sampled[:, -1]
        if self.penalty is not None:
            reward = reward - self.penalty(self.model, observation, action)
        return sampled[:, :-1].contiguous(), reward

    def state(self) -> Mapping[str, np.ndarray]:
        """The number of blocks: all random numbers follow from it."""
        return {"count": np.array([self.count]), "seed": np.array([self.seed])}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on where the source that gave `state` stood."""
        self.count, self.seed = int(state["count"][0]), int(state["seed"][0])


def spread_penalty(beta: float) -> Penalty:
    """MOPO: beta max_j |sigma_j(s, a)| over all members, reward included."""

    def penalty(model: EliteModel, observation: Tensor, action: Tensor) -> Tensor:
        return beta * largest_spread(model.spread(observation, action))

    return penalty
