"""How observations and actions of planar walkers look when the legs change places.

Both legs move in one plane, so only numbers change places; none changes its sign.
"""

from __future__ import annotations

import numpy as np

from spreeze.environment import Mirror
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.planar_senses import ENTRIES
from spreeze.envs.terrain.senses import AROUND_FOOT, chosen

_AROUND = len(AROUND_FOOT)
PAIRS: dict[str, tuple[tuple[int, int], ...]] = {
    "state": ((2, 3), (8, 3), (15, 2), (19, 1)),
    "privileged": ((3, 2), (7, 1), (9, _AROUND)),
    "motion": ((3, 2),),
}
"""Entry to (where the left leg's numbers begin, how many there are); the right leg's follow them."""


def exchanged(size: int, pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
    """(size,): indices of a vector in which both halves of each of `pairs` change places."""
    index = np.arange(size)
    for begin, count in pairs:
        half = index[begin : begin + count].copy()
        index[begin : begin + count] = index[begin + count : begin + 2 * count]
        index[begin + count : begin + 2 * count] = half
    return index


def mirror(options: TerrainOptions) -> Mirror:
    """The mirror of `walker2d-terrain`: indices and signs, as `Mirror` says."""
    parts, begin = [], 0
    for name in chosen(ENTRIES, options.senses):
        parts.append(begin + exchanged(ENTRIES[name], PAIRS.get(name, ())))
        begin += ENTRIES[name]
    motors = ((0, 3), (7, 1)) if options.clock == "learned" else ((0, 3),)
    action = exchanged(9 if options.clock == "learned" else 6, motors)
    return Mirror((np.concatenate(parts), np.ones(begin, np.float32)), (action, np.ones(len(action), np.float32)))
