"""Where in an observation, which arrives as one vector, its entries lie, and what both look like mirrored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from gymnasium.spaces import Box, Dict
from gymnasium.spaces.utils import flatdim
from torch import Tensor

from spreeze.contract import EnvironmentSpec
from spreeze.errors import UnsupportedSpace

ENTRIES = ("state", "map", "clean_map", "privileged", "collision", "motion", "depth")
"""What an observation must hold; docs/terrain.md says what is in them."""

CLOCK = 3
"""Actions of a learned clock."""
Exchange = tuple[Tensor, Tensor]
"""Index and sign of a mirrored vector, each (X,)."""


@dataclass(frozen=True)
class Senses:
    """Sizes and places, and the mirror if the environment has one."""

    places: Mapping[str, slice]
    observations: int
    """O."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of the entries, before they became part of one vector."""
    motors: int
    """M, the first actions."""
    clock: int
    """The actions after these."""
    mirrors: tuple[Exchange, Exchange] | None
    """Of observations and of actions."""

    @classmethod
    def of(cls, spec: EnvironmentSpec, motors: int | Literal["auto"]) -> "Senses":
        """Read the spaces of an environment; `motors` as `HeightmapConfig` says.

        Raises:
            UnsupportedSpace: an entry is missing, or there are fewer actions than motors.
        """
        space, action = spec.observation, spec.action
        if not isinstance(space, Dict) or set(ENTRIES) - set(space.spaces):
            raise UnsupportedSpace(
                f"heightmap needs an observation of the entries {', '.join(ENTRIES)}, as walker2d-terrain with "
                f"--senses all has; this environment has {space}"
            )
        if not isinstance(action, Box) or len(action.shape) != 1:
            raise UnsupportedSpace(f"heightmap needs a Box of actions; this environment has {action}")
        if motors == "auto":
            motors = action.shape[0] - CLOCK * (action.shape[0] % 2)
        if not 0 < motors <= action.shape[0]:
            raise UnsupportedSpace(f"heightmap needs at least {motors} actions (--motors); this environment: {action}")
        sizes, places, begin = {name: flatdim(part) for name, part in space.spaces.items()}, dict[str, slice](), 0
        for name, size in sizes.items():
            places[name] = slice(begin, begin + size)
            begin += size
        shapes = {name: part.shape or () for name, part in space.spaces.items()}
        return cls(places, begin, shapes, motors, action.shape[0] - motors, _exchanges(spec))

    @property
    def actions(self) -> int:
        """A."""
        return self.motors + self.clock

    def size(self, name: str) -> int:
        """Numbers of an entry."""
        place = self.places[name]
        return int(place.stop - place.start)

    def table(self, name: str) -> tuple[int, int]:
        """Rows and columns of an entry; of a vector, one row."""
        rows, columns = (1, 1, *self.shapes[name])[-2:]
        return rows, columns

    def take(self, observation: Tensor, *names: str) -> Tensor:
        """Entries (..., X) of observations (..., O), side by side."""
        return torch.cat([observation[..., self.places[name]] for name in names], -1)

    def put(self, observation: Tensor, name: str, values: Tensor) -> Tensor:
        """Observations (..., O) with other values (..., X) of an entry."""
        place = self.places[name]
        return torch.cat((observation[..., : place.start], values, observation[..., place.stop :]), -1)

    def mirrored(self, observation: Tensor) -> Tensor:
        """Observations (..., O) with left and right exchanged."""
        assert self.mirrors is not None, "asked for where there is a mirror"
        index, sign = (one.to(observation.device) for one in self.mirrors[0])
        return sign * observation[..., index]

    def mirrored_action(self, action: Tensor) -> Tensor:
        """The first X actions (..., X), all motors at least, with left and right exchanged."""
        assert self.mirrors is not None, "asked for where there is a mirror"
        index, sign = (one[: action.shape[-1]].to(action.device) for one in self.mirrors[1])
        return sign * action[..., index]

    def padded(self, action: Tensor) -> Tensor:
        """All actions (..., A): the first ones (..., X), then zeros."""
        return torch.nn.functional.pad(action, (0, self.actions - action.shape[-1]))


def _exchanges(spec: EnvironmentSpec) -> tuple[Exchange, Exchange] | None:
    if spec.mirror is None:
        return None
    (seen, seen_sign), (done, done_sign) = spec.mirror
    return (
        (torch.from_numpy(seen), torch.from_numpy(seen_sign)),
        (torch.from_numpy(done), torch.from_numpy(done_sign)),
    )
