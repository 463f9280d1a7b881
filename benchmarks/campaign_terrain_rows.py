"""The rows of walking by a heightmap: the bare command, and what it is without each of its parts.

Rows without vision end after the modulator. Those of predictors differ from the bare command after the stage
`dataset` only, so they walk alike and are compared by their maps. Cassie's have the stages of the bare command.
`terrain.py walk` measures the runs.
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


SPATIAL = ("heightmap, Cassie", 180.0, ("--dataset-steps", "60000", "--closed-steps", "60000"))
"""The same of Cassie: an observation with picture and map is 22 kB."""


def walking(name: str, environment: str, what: tuple[str, float, tuple[str, ...]], seed: int) -> Row:
    """Return a run on a robot; `what` is its label, minutes and options."""
    label, minutes, options = what
    run = ("run", "--algo", "heightmap", "--env", environment, *options, "--evaluation-episodes", "40")
    command = ("{python}", "-m", "spreeze", *run, "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    return Row(f"{name}-{seed}", command, environment, label, seed, minutes)


ROWS: tuple[Row, ...] = (
    *(walking(name, "walker2d-terrain", what, seed) for seed in SEEDS for name, what in WITHOUT.items()),
    *(walking("cassie", "cassie-terrain", SPATIAL, seed) for seed in SEEDS),
)
