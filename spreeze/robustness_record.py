"""What is asked about the robustness of a policy, and what came of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spreeze.contract import Reference
from spreeze.errors import RunFolderError, UsageError
from spreeze.measure import Which, check_amounts

FORMAT = 1
RADII = tuple(round(float(radius), 6) for radius in np.linspace(0, 0.2, 10))
"""Radii of an attack where none are given, in standard deviations of an observation."""
UNMOVED = "none"
"""The attack of episodes in which nothing is moved."""


@dataclass(frozen=True)
class Plan:
    """Which conditions a policy is evaluated under, and how."""

    attacks: tuple[str, ...] = ()
    radii: tuple[float, ...] = RADII
    """Of every attack, in standard deviations of an observation."""
    friction: tuple[float, ...] = ()
    """As multiples of the model's own; with `gravity`, every pair is evaluated."""
    gravity: tuple[float, ...] = ()
    episodes: int = 10
    """Of each condition."""
    seed: int = 12345
    """Of environments and attacks, the same for every condition."""
    checkpoint: Which = "best"

    def check(self) -> None:
        """Raise UsageError for amounts that cannot be served."""
        check_amounts(self.episodes, self.seed)
        if not (self.attacks or self.friction or self.gravity):
            raise UsageError("nothing to evaluate: give an attack, friction or gravity")
        if not self.radii or not all(0 <= radius < math.inf for radius in self.radii):
            raise UsageError(f"--radius {_listed(self.radii)}: every radius is a finite number of at least 0")
        for name, factors in (("friction", self.friction), ("gravity", self.gravity)):
            if not all(0 < factor < math.inf for factor in factors):
                raise UsageError(f"--{name} {_listed(factors)}: every factor is a finite number above 0")

    @property
    def conditions(self) -> int:
        """How many evaluations there are, the unattacked one included."""
        grid = max(len(self.friction), 1) * max(len(self.gravity), 1) if self.friction or self.gravity else 0
        return (1 + len(self.attacks) * len(self.radii) if self.attacks else 0) + grid


@dataclass(frozen=True)
class Cell:
    """The episodes of one condition."""

    attack: str
    """`none` where nothing is moved."""
    radius: float
    friction: float | None
    """Multiple of the model's own; None where neither friction nor gravity was chosen."""
    gravity: float | None
    returns: tuple[float, ...]
    """Undiscounted."""
    lengths: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean of the returns."""
        return float(np.mean(self.returns))

    @property
    def std(self) -> float:
        """Standard deviation of the returns."""
        return float(np.std(self.returns))


@dataclass(frozen=True)
class Robustness:
    """Everything that was evaluated of one run."""

    run: str
    algorithm: str
    environment: str
    """Gymnasium id, or the name of a plug-in."""
    mujoco: str
    """Version that is installed; returns differ between versions."""
    checkpoint: str
    episodes: int
    seed: int
    spread: str
    """Whose standard deviation the radius multiplies; empty without an attack."""
    std: tuple[float, ...]
    reference: Reference | None
    """What returns are normalised with."""
    cells: tuple[Cell, ...]

    def curve(self, attack: str) -> list[Cell]:
        """The cells of one attack by radius."""
        return sorted((cell for cell in self.cells if cell.attack == attack), key=lambda cell: cell.radius)

    @property
    def attacks(self) -> list[str]:
        """Every attack, in the order of evaluation."""
        return [name for name in dict.fromkeys(cell.attack for cell in self.cells) if name != UNMOVED]

    @property
    def grid(self) -> list[Cell]:
        """The cells of chosen friction and gravity."""
        return [cell for cell in self.cells if cell.friction is not None]

    def area(self, attack: str) -> float:
        """Area under return against radius, divided by the range of radii: a return; the mean for a single radius."""
        curve = self.curve(attack)
        return area([cell.radius for cell in curve], [cell.mean for cell in curve])

    def score(self, value: float) -> float | None:
        """A return normalised with the reference; None without one."""
        return None if self.reference is None else self.reference.score(value)

    def heading(self) -> str:
        """What was measured, where and how."""
        kept = f"{self.episodes} episodes each, seed {self.seed}"
        return f"{self.algorithm} on {self.environment} (mujoco {self.mujoco}), {self.checkpoint}, {kept}"

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON: every field, and the areas and means that follow from the cells."""
        areas = {name: {"return": self.area(name), "score": self.score(self.area(name))} for name in self.attacks}
        cells = [asdict(cell) | {"mean": cell.mean, "std": cell.std} for cell in self.cells]
        return asdict(self) | {"cells": cells, "areas": areas}


def area(radii: Sequence[float], means: Sequence[float]) -> float:
    """The trapezoids under `means` over ascending `radii`, divided by the range of these; of a single one, its mean."""
    if len(radii) == 1:
        return float(means[0])
    return float(np.trapezoid(means, radii) / (radii[-1] - radii[0]))


def write_json(results: Sequence[Robustness], path: Path) -> None:
    """Replace `path` with every result.

    Raises:
        RunFolderError: it cannot be written.
    """
    part = path.with_name(f".{path.name}")
    try:
        part.touch(mode=0o600)
        part.write_text(json.dumps({"format": FORMAT, "runs": [result.to_data() for result in results]}, indent=1))
        part.replace(path)
    except OSError as error:
        raise RunFolderError(f"cannot write '{path}' ({error.strerror or error}); choose another --out") from error


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
