"""From what a camera and the robot's motion tell to the heights ahead: a coarse map, and one that is refined.

Shapes: L steps, B streams, X cells of a map, F features. All predictors are causal, and give the same for a whole
history as for one step after the other.
"""

import torch
from torch import Tensor, nn

from spreeze.algorithms._memory import LSTMMemory, Memory, NoMemory
from spreeze.algorithms._networks import mlp
from spreeze.algorithms._normalisation import Normaliser
from spreeze.algorithms.heightmap.attention import WindowMemory
from spreeze.algorithms.heightmap.config import HeightmapConfig
from spreeze.algorithms.heightmap.networks import LEVEL
from spreeze.algorithms.heightmap.senses import Senses
from spreeze.algorithms.heightmap.tables import Refiner, eye
from spreeze.contract import Recurrent

PICTURE, MOTION = 64, 32
"""Features of what is seen and of what is felt."""


class Predictor(nn.Module):
    """Maps of observations, of which it takes `depth` and `motion`."""

    def __init__(self, senses: Senses, config: HeightmapConfig) -> None:
        super().__init__()
        self.senses, self.feels = senses, config.predictor != "lstm_no_state"
        self.normaliser = Normaliser(senses.size("motion"))
        self.of_picture = eye(senses.table("depth"), PICTURE)
        self.of_motion = nn.Sequential(nn.Linear(senses.size("motion"), MOTION), nn.ReLU())
        self.memory = memory_of(config, PICTURE + MOTION * self.feels)
        self.coarse = mlp((self.memory.features, config.predictor_units, senses.size("map")))
        self.refiner = Refiner(senses.table("map")) if config.refine else None

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
