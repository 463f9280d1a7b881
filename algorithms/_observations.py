"""What networks are given of an observation: one flat array of floats, without an action mask."""

from dataclasses import dataclass
from typing import Any

import torch
from gymnasium.spaces import Box, Dict, Discrete, Space
from gymnasium.spaces.utils import flatdim
from torch import Tensor
from torch.nn.functional import one_hot

from spreeze.contract import Field
from spreeze.errors import UnsupportedSpace
from spreeze.spaces import ACTION_MASK


@dataclass(frozen=True)
class Observations:
    """How observations of one space are stored and read."""

    field: Field
    """As the framework stores them."""
    size: int
    """O, of what networks are given."""
    mask: slice | None = None
    """Where in a stored observation the action mask lies."""
    start: int = 0
    """The least of discrete observations."""

    @classmethod
    def of(cls, space: Space[Any], name: str) -> "Observations":
        """Read a space, for the algorithm `name`.

        Raises:
            UnsupportedSpace: it is no one-dimensional Box, Discrete, or Dict of such.
        """
        match space:
            case Box() if len(space.shape) == 1:
                return cls(Field(space.shape), space.shape[0])
            case Discrete():
                return cls(Field((), "int64"), int(space.n), start=int(space.start))
            case Dict() if ACTION_MASK in space.spaces:
                before = list(space.spaces)[: list(space.spaces).index(ACTION_MASK)]
                begin = sum(flatdim(space[key]) for key in before)
                mask = slice(begin, begin + flatdim(space[ACTION_MASK]))
                return cls(Field((flatdim(space),)), flatdim(space) - flatdim(space[ACTION_MASK]), mask)
            case Dict():
                return cls(Field((flatdim(space),)), flatdim(space))
        raise UnsupportedSpace(
            f"{name} needs observations in a one-dimensional Box, Discrete, or a Dict; this environment has {space}: "
            "gymnasium.wrappers.FlattenObservation makes it one array"
        )

    def seen(self, stored: Tensor) -> Tensor:
        """What networks are given (..., O) of stored observations (..., *field.shape)."""
        if not self.field.shape:
            return one_hot(stored - self.start, self.size).to(torch.float32)
        stored = stored.to(torch.float32)
        if self.mask is None:
            return stored
        return torch.cat((stored[..., : self.mask.start], stored[..., self.mask.stop :]), -1)

    def allowed(self, stored: Tensor) -> Tensor | None:
        """Which actions (..., C) are allowed, bool; None: all."""
        return None if self.mask is None else stored[..., self.mask] > 0.5
