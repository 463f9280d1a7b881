"""The rows of walking by a heightmap: the bare command, and what it is without each of its parts.

Rows without vision end after the modulator. Those of predictors differ from the bare command after the stage
`dataset` only, so they walk alike and are compared by their maps. `terrain.py walk` measures the runs.
"""

from campaign_rows import SEEDS, Row

MINUTES = 50.0
"""Of all stages, roughly, on two cores."""
WALKING_MINUTES = 40.0
"""Of the first two."""
WITHOUT: dict[str, tuple[str, float, tuple[str, ...]]] = {
    "heightmap-whole": ("heightmap", MINUTES, ()),
    "heightmap-unseeing": ("heightmap without vision", WALKING_MINUTES, ("--no-vision",)),
    "heightmap-fixed-clock": ("heightmap without a learned clock", MINUTES, ("--no-learned-clock",)),
    "heightmap-careless": ("heightmap, collisions free", MINUTES, ("--collision-penalty", "0")),
    **{
        f"heightmap-{name.replace('_', '-')}": (f"heightmap, predictor {name}", MINUTES, ("--predictor", name))
        for name in ("lstm_no_state", "transformer", "memoryless")
    },
}
"""Label, minutes and options by the names of rows."""


def walking(name: str, seed: int) -> Row:
    """Return one of `WITHOUT` on the planar robot."""
    label, minutes, options = WITHOUT[name]
    run = ("run", "--algo", "heightmap", "--env", "walker2d-terrain", *options, "--evaluation-episodes", "40")
    command = ("{python}", "-m", "spreeze", *run, "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    return Row(f"{name}-{seed}", command, "walker2d-terrain", label, seed, minutes)


ROWS: tuple[Row, ...] = tuple(walking(name, seed) for seed in SEEDS for name in WITHOUT)
