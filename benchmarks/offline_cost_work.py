"""Floating-point operations of the matrix products in one gradient step of MOPO, MOBILE and MICRO."""

from dataclasses import dataclass
from itertools import pairwise

BATCH, LOGGED, SAMPLES, MEMBERS, ELITES, HIDDEN, DYNAMICS_HIDDEN = 256, 12, 10, 7, 5, 256, 200
ROLLOUTS, HORIZON = 50.0, 5
"""Rollouts per update, and their steps."""


@dataclass(frozen=True)
class Shape:
    """Sizes of observations and actions, and rows of the dataset."""

    observations: int = 11
    actions: int = 3
    rows: int = 100_000


def mlp(*sizes: int) -> int:
    """Operations of a forward pass of one row."""
    return 2 * sum(inputs * outputs for inputs, outputs in pairwise(sizes))


def work(name: str, shape: Shape) -> dict[str, float]:
    """Operations by piece.

    Backward passes take twice a forward pass, less what nobody needs: gradients of inputs, of frozen critics, and of
    the critic that is not the least of a row.
    """
    inputs = shape.observations + shape.actions
    actor, critic = mlp(shape.observations, HIDDEN, HIDDEN, 2 * shape.actions), mlp(inputs, HIDDEN, HIDDEN, 1)
    member = mlp(inputs, *[DYNAMICS_HIDDEN] * 4, 2 * (shape.observations + 1))
    found: dict[str, float] = {
        "target": BATCH * (actor + 2 * critic),
        "critic": BATCH * 2 * (3 * critic - mlp(inputs, HIDDEN)),
        "actor": BATCH * (3 * actor - mlp(shape.observations, HIDDEN) + 3 * critic),
        "rollouts": ROLLOUTS * HORIZON * (actor + (MEMBERS if name == "mopo" else 1) * member),
    }
    if name != "mopo":
        found["penalty"] = (BATCH - LOGGED) * ELITES * (member + SAMPLES * (actor + 2 * critic))
    return found
