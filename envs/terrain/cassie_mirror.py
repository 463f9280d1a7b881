"""How observations and actions of Cassies look when left and right change places.

Legs change places; rows of the map and columns of a picture are read from the other end; what points aside, or turns
about an axis that does not, changes its sign.
"""

from __future__ import annotations

import numpy as np

from spreeze.environment import Mirror
from spreeze.envs.terrain import cassie, heightmap
from spreeze.envs.terrain.cassie_senses import ASIDE_OF_FOOT, ENTRIES, PICTURE
from spreeze.envs.terrain.options import TerrainOptions
from spreeze.envs.terrain.senses import AROUND_FOOT, chosen

Exchange = tuple[np.ndarray, np.ndarray]
"""Index and sign, (X,) each."""
VECTOR, TURN, ATTITUDE = (1, -1, 1), (-1, 1, -1), (1, -1, 1, -1)
"""Signs of a place or velocity, of a rate about the axes, of a quaternion."""
PLAIN, JOINTS, SPRINGS = (1,), tuple(cassie.SIGNS), (1, 1)
COMMAND = (1, -1, -1)
"""Of forward and lateral speed, and turning."""


def kept(signs: tuple[float, ...]) -> Exchange:
    """Numbers that stay where they are."""
    return np.arange(len(signs)), np.array(signs, float)


def swapped(signs: tuple[float, ...]) -> Exchange:
    """The same numbers of the left and of the right."""
    count = len(signs)
    return np.roll(np.arange(2 * count), count), np.tile(np.array(signs, float), 2)


def reversed_rows(rows: int, columns: int) -> Exchange:
    """A table, row by row, in which rows are read from the other end."""
    index = np.arange(rows * columns).reshape(rows, columns)[::-1].ravel()
    return index, np.ones(rows * columns)


def reversed_columns(rows: int, columns: int) -> Exchange:
    """A table, row by row, in which columns are read from the other end."""
    index = np.arange(rows * columns).reshape(rows, columns)[:, ::-1].ravel()
    return index, np.ones(rows * columns)


def both(table: Exchange) -> Exchange:
    """Two tables that change places."""
    index, sign = table
    return np.concatenate([index + len(index), index]), np.tile(sign, 2)


def joined(*parts: Exchange) -> Exchange:
    """One after the other."""
    begins = np.cumsum([0, *(len(index) for index, _ in parts)])
    moved = [index + begin for (index, _), begin in zip(parts, begins, strict=False)]
    return np.concatenate(moved), np.concatenate([sign for _, sign in parts])


_MAP = reversed_rows(len(heightmap.ACROSS), len(heightmap.AHEAD))
_AROUND = both(reversed_rows(len(ASIDE_OF_FOOT), len(AROUND_FOOT)))
_JOINTS = (swapped(JOINTS), swapped(SPRINGS))
_CLOCK = (swapped((1, 1)), swapped(PLAIN))
PARTS: dict[str, Exchange] = {
    "state": joined(kept(ATTITUDE), kept(TURN), *_JOINTS, *_JOINTS, kept(COMMAND), *_CLOCK),
    "map": _MAP,
    "clean_map": _MAP,
    "privileged": joined(kept(VECTOR), kept(PLAIN), swapped(VECTOR), swapped(PLAIN), _AROUND),
    "collision": kept(PLAIN),
    "motion": joined(kept(VECTOR), kept(TURN), swapped(VECTOR)),
    "depth": reversed_columns(PICTURE[1], PICTURE[0]),
}
"""By entry of an observation."""


def mirror(options: TerrainOptions) -> Mirror:
    """The mirror of `cassie-terrain`: indices and signs, as `Mirror` says."""
    seen, sign = joined(*(PARTS[name] for name in chosen(ENTRIES, options.senses)))
    clock = (kept(PLAIN), swapped(PLAIN)) if options.clock == "learned" else ()
    done, done_sign = joined(swapped(JOINTS), *clock)
    return Mirror((seen, sign.astype(np.float32)), (done, done_sign.astype(np.float32)))
