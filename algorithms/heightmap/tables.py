"""Networks over tables of numbers: what a picture shows, and a map that is refined.

A planar walker's tables have one row or one column; convolutions then go along it alone. Shapes: R rows, C columns.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from spreeze.algorithms._networks import mlp
from spreeze.algorithms.heightmap.networks import LEVEL

CHANNELS = (16, 32, 64)
"""Of the refiner's levels; each halves the table."""
STRIDES = (16, 32, 32)
"""Channels of what looks at a picture; each layer halves it."""


class Eye(nn.Module):
    """Features (..., F) of pictures (..., R C)."""

    def __init__(self, table: tuple[int, int], features: int) -> None:
        super().__init__()
        self.table = table
        layers = list[nn.Module]()
        for before, after in pairwise((1, *STRIDES)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
        sizes = [-(-side // 2 ** len(STRIDES)) for side in table]
        linear = nn.Linear(STRIDES[-1] * sizes[0] * sizes[1], features)
        self.layers = nn.Sequential(*layers, nn.Flatten(), linear, nn.ReLU())

    def forward(self, picture: Tensor) -> Tensor:
        """Features, of whatever comes before them."""
        found: Tensor = self.layers(picture.reshape(-1, 1, *self.table))
        return found.reshape(*picture.shape[:-1], -1)


def eye(table: tuple[int, int], features: int) -> nn.Module:
    """What looks at pictures of one column or row, or of several."""
    if min(table) > 1:
        return Eye(table, features)
    return nn.Sequential(mlp((table[0] * table[1], 2 * features, features)), nn.ReLU())


class Refiner(nn.Module):
    """A U-Net (Ronneberger et al., arXiv 1505.04597) over a map of R x C cells, which adds to it; at first nothing."""

    def __init__(self, table: tuple[int, int]) -> None:
        super().__init__()
        self.table, self.halved = table, (min(table[0], 2), min(table[1], 2))
        sizes = (1, *CHANNELS)
        pairs = list(pairwise(sizes))
        self.down = nn.ModuleList(self._twice(before, after) for before, after in pairs)
        self.up = nn.ModuleList(self._twice(after + before, before) for before, after in reversed(pairs[1:]))
        self.last = nn.Conv2d(CHANNELS[0], 1, 1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, coarse: Tensor) -> Tensor:
        """Refined maps (..., R C) of coarse ones."""
        rows, columns = self.table
        below, right = (-side % half ** (len(CHANNELS) - 1) for side, half in zip(self.table, self.halved, strict=True))
        flat = (coarse - LEVEL).reshape(-1, 1, rows, columns)
        found, levels = pad(flat, (0, right, 0, below), mode="replicate"), list[Tensor]()
        for index, layer in enumerate(self.down):
            found = layer(found if index == 0 else max_pool2d(found, self.halved))
            levels.append(found)
        for layer, level in zip(self.up, reversed(levels[:-1]), strict=True):
            for dimension, half in zip((-2, -1), self.halved, strict=True):
                found = found.repeat_interleave(half, dimension) if half > 1 else found
            found = layer(torch.cat((found, level), 1))
        added: Tensor = self.last(found)[:, 0, :rows, :columns]
        return coarse + added.reshape(coarse.shape)

    def _twice(self, before: int, after: int) -> nn.Sequential:
        """Two convolutions with the nearest neighbours."""
        high, wide = self.halved
        kernel, beside = (2 * high - 1, 2 * wide - 1), (high - 1, wide - 1)
        convolutions = (nn.Conv2d(count, after, kernel, padding=beside) for count in (before, after))
        return nn.Sequential(*(layer for convolution in convolutions for layer in (convolution, nn.ReLU())))
