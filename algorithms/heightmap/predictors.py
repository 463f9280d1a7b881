"""From what a camera and the robot's motion tell to the heights ahead: a coarse map, and one that is refined.

Shapes: L steps, B streams, X cells of a map, F features. All predictors are causal, and give the same for a whole
history as for one step after the other.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from spreeze.algorithms._memory import LSTMMemory, Memory, NoMemory
from spreeze.algorithms._networks import mlp
from spreeze.algorithms._normalisation import Normaliser
from spreeze.algorithms.heightmap.attention import WindowMemory
from spreeze.algorithms.heightmap.config import HeightmapConfig
from spreeze.algorithms.heightmap.networks import LEVEL
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.contract import Recurrent

PICTURE, MOTION = 64, 32
"""Features of what is seen and of what is felt."""
CHANNELS = (16, 32, 64)
"""Of the refiner's levels; each halves the cells."""


class Predictor(nn.Module):
    """Maps of observations, of which it takes `depth` and `motion`."""

    def __init__(self, senses: Senses, config: HeightmapConfig) -> None:
        super().__init__()
        self.senses, self.feels = senses, config.predictor != "lstm_no_state"
        self.normaliser = Normaliser(senses.size("motion"))
        self.of_picture = nn.Sequential(mlp((senses.size("depth"), 2 * PICTURE, PICTURE)), nn.ReLU())
        self.of_motion = nn.Sequential(nn.Linear(senses.size("motion"), MOTION), nn.ReLU())
        self.memory = memory_of(config, PICTURE + MOTION * self.feels)
        self.coarse = mlp((self.memory.features, config.predictor_units, senses.size("map")))
        self.refiner = Refiner() if config.refine else None

    def initial_state(self, batch: int) -> Recurrent:
        """The memory of `batch` streams before their first step."""
        return self.memory.initial_state(batch)

    def forward(self, observation: Tensor, is_first: Tensor, state: Recurrent) -> tuple[Tensor, Tensor, Recurrent]:
        """Coarse and final maps (L, B, X) [m], and the memory after; of observations (L, B, O), flags (L, B) bool."""
        parts = [self.of_picture(self.senses.take(observation, "depth"))]
        if self.feels:
            parts.append(self.of_motion(self.normaliser(self.senses.take(observation, "motion"))))
        features, after = self.memory(torch.cat(parts, -1), is_first, state)
        coarse = LEVEL + self.coarse(features)
        # The refiner learns of the coarse map as it is, and never changes it.
        return coarse, coarse if self.refiner is None else self.refiner(coarse.detach()), after

    def see(self, observation: Tensor) -> None:
        """Let motions of observations (R, O) enter the normalisation."""
        self.normaliser.see(self.senses.take(observation, "motion"))


def memory_of(config: HeightmapConfig, inputs: int) -> Memory:
    """What the predictor remembers by."""
    match config.predictor:
        case "transformer":
            return WindowMemory(inputs, config.predictor_units, config.window)
        case "memoryless":
            return NoMemory(inputs)
        case _:
            return LSTMMemory(inputs, config.predictor_units)


class Refiner(nn.Module):
    """A U-Net (Ronneberger et al., arXiv 1505.04597) along a row of cells, which adds to a map; at first nothing."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (1, *CHANNELS)
        pairs = list(pairwise(sizes))
        self.down = nn.ModuleList(twice(before, after) for before, after in pairs)
        self.up = nn.ModuleList(twice(after + before, before) for before, after in reversed(pairs[1:]))
        self.last = nn.Conv1d(CHANNELS[0], 1, 1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, coarse: Tensor) -> Tensor:
        """Refined maps (..., X) of coarse ones."""
        cells, halvings = coarse.shape[-1], 2 ** (len(CHANNELS) - 1)
        flat = (coarse - LEVEL).reshape(-1, 1, cells)
        found, levels = pad(flat, (0, -cells % halvings), mode="replicate"), list[Tensor]()
        for index, layer in enumerate(self.down):
            found = layer(found if index == 0 else nn.functional.max_pool1d(found, 2))
            levels.append(found)
        for layer, level in zip(self.up, reversed(levels[:-1]), strict=True):
            found = layer(torch.cat((found.repeat_interleave(2, -1), level), 1))
        added: Tensor = self.last(found)[:, 0, :cells]
        return coarse + added.reshape(coarse.shape)


def twice(before: int, after: int) -> nn.Sequential:
    """Two convolutions of three cells."""
    return nn.Sequential(
        nn.Conv1d(before, after, 3, padding=1), nn.ReLU(), nn.Conv1d(after, after, 3, padding=1), nn.ReLU()
    )
