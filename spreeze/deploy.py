"""A policy as a function of tensors alone: what it chooses while evaluating, in the units of its environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Space
from torch import Tensor, nn

from spreeze.contract import EnvironmentSpec, Policy, Step
from spreeze.spaces import ActionScale, action_field


def torch_dtype(dtype: Any) -> torch.dtype:
    """The dtype of torch that is numpy's `dtype`."""
    return torch.from_numpy(np.zeros(0, dtype)).dtype


class ActionUnits(nn.Module):
    """`ActionScale.to_env` in torch; floats are float32, whatever the environment's."""

    middle: Tensor
    extent: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, space: Space[Any]) -> None:
        super().__init__()
        self.scale = ActionScale(space)
        self.dtype = torch.float32 if np.dtype(space.dtype).kind == "f" else torch_dtype(space.dtype)
        if self.scale.space is not None:
            box = self.scale.space
            values = {"middle": self.scale.middle, "extent": self.scale.half, "low": box.low, "high": box.high}
            for name, value in values.items():
                self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))

    def forward(self, chosen: Tensor) -> Tensor:
        """Actions (B, ...) in the units of the environment for those that the policy chose."""
        if self.scale.space is not None:
            scaled = self.middle + chosen * self.extent
            whole = scaled if self.dtype.is_floating_point else scaled.round()
            return torch.clamp(whole, self.low, self.high).to(self.dtype)
        if self.scale.start is not None:
            return chosen + torch.as_tensor(self.scale.start)
        return chosen.to(self.dtype)

    def share_of_range(self, difference: np.ndarray, action: np.ndarray) -> np.ndarray:
        """A difference of actions as a share of the range that an action may have; without bounds, of its size."""
        extent = np.maximum(np.abs(action), 1) if self.scale.space is None else 2 * self.scale.half
        share: np.ndarray = np.divide(difference, extent, out=np.zeros_like(difference), where=extent > 0)
        return share


class Deployed(nn.Module):
    """A policy as a function of tensors alone."""

    def __init__(
        self, policy: Policy, modules: Mapping[str, nn.Module], spec: EnvironmentSpec, mode: str, told: Sequence[str]
    ) -> None:
        """`told` are the fields of a `Step` that are inputs, the observation first; others are zeros."""
        super().__init__()
        self.policy, self.mode, self.told = policy, mode, tuple(told)
        self.bundles, self.units = nn.ModuleList(modules.values()), ActionUnits(spec.action)
        self.action = action_field(spec.action)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Action, the choice behind it if it is an input of the next step, memory, and extras."""
        told, state = inputs[: len(self.told)], inputs[len(self.told) :]
        chosen, after, extras = self.policy.act(self.step(told), state, self.mode)
        fed_back = (chosen,) if "previous_action" in self.told else ()
        return (self.units(chosen), *fed_back, *after, *extras.values())

    def step(self, told: Sequence[Tensor]) -> Step:
        """What the policy sees."""
        batch = told[0].shape[0]
        nothing = {
            "previous_action": torch.zeros((batch, *self.action.shape), dtype=torch_dtype(self.action.dtype)),
            "previous_reward": torch.zeros(batch),
            "is_first": torch.zeros(batch, dtype=torch.bool),
        }
        return Step(**(nothing | dict(zip(self.told, told, strict=True))))

    def names(self, inputs: Sequence[Tensor]) -> tuple[list[str], list[str]]:
        """Names of inputs and outputs."""
        told, state = inputs[: len(self.told)], inputs[len(self.told) :]
        _, after, extras = self.policy.act(self.step(told), tuple(state), self.mode)
        fed_back = ["chosen"] if "previous_action" in self.told else []
        memory = [f"state{index}" for index in range(len(after))]
        return [*self.told, *memory], ["action", *fed_back, *(f"{name}_out" for name in memory), *extras]
