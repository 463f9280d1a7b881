"""What the framework hands to the factories of a stage, and what parts may add; all imported from the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from spreeze.contract import Draw, Policy, Store
    from spreeze.environment import VectorEnv


@dataclass(frozen=True)
class Modes:
    """Names that the framework hands to `Policy.act`: before `warmup`, while collecting, while evaluating."""

    warmup: str = "random"
    collect: str = "explore"
    evaluate: str = "exploit"


class LearnerSetup(NamedTuple):
    """What a learner is built from."""

    devices: Mapping[str, torch.device]
    """Of each part by name; ask `device(part)`."""
    seed: int
    inherited: Mapping[str, Mapping[str, Tensor]]
    """Bundles that earlier stages published last."""
    env_steps: int | None = None
    """Environment steps after which the stage ends, if that is known."""

    def device(self, part: str) -> torch.device:
        """The device of `part`, or the one given to all."""
        return self.devices.get(part, self.devices["*"])


@runtime_checkable
class Capturable(Protocol):
    """What a part adds to `Part` if its updates may be captured in a CUDA graph, whose replays run none of its code.

    By having it, a part promises that `update`
    1. computes on its device alone: it reads no tensor back, copies none from the host, decides nothing by a value;
    2. changes tensors where they lie from its first call on; an optimiser needs `capturable=True`;
    3. changes nothing on the host: no number of updates, no `finished`;
    4. draws from these generators alone, which its `state` holds.
    On a CPU nothing is captured and nothing of this is needed.
    """

    @property
    def graph_generators(self) -> Sequence[torch.Generator]:
        """The generators that `update` draws from, on the part's device."""


class Reader(Protocol):
    """Draws from one store, while that is being written."""

    def size(self) -> int:
        """Rows that may be drawn now."""

    def draw(self, draw: Draw, random: np.random.Generator) -> Mapping[str, np.ndarray]:
        """Return what `draw` asks for, as it says."""


class SourceSetup(NamedTuple):
    """What a source is built from."""

    policy: Policy
    modules: Mapping[str, nn.Module]
    """The bundles by name, kept fresh between calls of `collect`."""
    make_envs: Callable[[int, int], VectorEnv]
    """(count, seed) -> environments stepped together, with all that the plug-in's `make_vector` gave them."""
    stores: Mapping[str, Store]
    readers: Mapping[str, Reader]
    """By store name: model-based sources draw their start states here."""
    inherited: Mapping[str, Mapping[str, Tensor]]
    """Bundles that earlier stages published last."""
    streams: int
    """N."""
    block_steps: int
    """T, for sources that may choose."""
    seed: int


class EvaluationSetup(NamedTuple):
    """What an evaluation is run with."""

    policy: Policy
    modules: Mapping[str, nn.Module]
    make_envs: Callable[[int, int], VectorEnv]
    mode: str
    episodes: int
    seed: int
