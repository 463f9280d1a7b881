"""One worker's share of soft actor-critic's update: rows taken through networks, a block at a time."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from spreeze.algorithms._native.passes import NativePass
from spreeze.algorithms._native.shares import NativeShare
from spreeze.algorithms._passes import AnyPass, Head, block_rows, blocks


class AnyShare(Protocol):
    """The work of one worker; results are written into the rows of the tensors given for them."""

    def critic(
        self, observation: Tensor, action: Tensor, target: Tensor, scale: float, rows: slice, values: Tensor
    ) -> None:
        """Values (E, B), and the gradient of scale / 2 times the sum of (Q_k - y)^2; all passes are critics."""

    def actor(
        self,
        observation: Tensor,
        noise: Tensor,
        by_value: float,
        by_density: float,
        rows: slice,
        values: Tensor,
        densities: Tensor,
    ) -> None:
        """min_k Q_k and log pi (B,), and the gradient of the sum of by_value min_k Q_k + by_density log pi.

        The first pass is the actor's, as in `values`.
        """

    def values(self, states: Tensor, noise: Tensor, rows: slice, values: Tensor, densities: Tensor | None) -> None:
        """min_k Q_k (B,) of sampled actions and, if asked for, log pi (B,) at them."""


def share_of(passes: Sequence[AnyPass]) -> AnyShare:
    """The work with these passes, in C if all of them are."""
    native = [one for one in passes if isinstance(one, NativePass)]
    return NativeShare(native, block_rows()) if len(native) == len(passes) else TorchShare(passes)


class TorchShare:
    """The work in operations of PyTorch."""

    def __init__(self, passes: Sequence[AnyPass]) -> None:
        self.passes = passes

    def critic(
        self, observation: Tensor, action: Tensor, target: Tensor, scale: float, rows: slice, values: Tensor
    ) -> None:
        """See `AnyShare`."""
        for block in blocks(rows):
            inputs = torch.cat((observation[block], action[block]), -1)
            # One critic after the other in the same buffers, which then stay in the processor's caches.
            for value, one in zip(values, self.passes, strict=True):
                value[block] = one.forward(inputs)[:, 0]
                one.backward((value[block] - target[block]).mul_(scale)[:, None], add=block.start > rows.start)
        for one in self.passes:
            one.finish()

    def actor(
        self,
        observation: Tensor,
        noise: Tensor,
        by_value: float,
        by_density: float,
        rows: slice,
        values: Tensor,
        densities: Tensor,
    ) -> None:
        """See `AnyShare`."""
        policy, *critics = self.passes
        for block in blocks(rows):
            head = Head(policy.forward(observation[block]), noise[block])
            values[block], slope = least(critics, observation[block], head.action)
            densities[block] = head.log_density()
            policy.backward(head.backward(slope.mul_(by_value), by_density), add=block.start > rows.start)
        policy.finish()

    def values(self, states: Tensor, noise: Tensor, rows: slice, values: Tensor, densities: Tensor | None) -> None:
        """See `AnyShare`."""
        policy, *critics = self.passes
        for block in blocks(rows):
            head = Head(policy.forward(states[block]), noise[block])
            if densities is not None:
                densities[block] = head.log_density()
            inputs = torch.cat((states[block], head.action), -1)
            torch.amin(torch.cat([one.forward(inputs) for one in critics], -1), -1, out=values[block])


def least(critics: Sequence[AnyPass], observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """min_k Q_k (R,), and its gradient by the action (R, A): only the least critic of a row has a part in it."""
    inputs = torch.cat((observation, action), -1)
    value, index = torch.cat([one.forward(inputs) for one in critics], -1).min(-1)
    slope = torch.empty_like(action)
    for number, one in enumerate(critics):
        rows = (index == number).nonzero()[:, 0]
        slope[rows] = one.input_slope(rows, begin=observation.shape[1])
    return value, slope
