"""How policies of heightmap runs walk over each terrain, and how wrong the maps are that they predict."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from bipeds_robust import area
from rich.console import Console
from rich.progress import track
from rich.table import Table

from spreeze.contract import Evaluation
from spreeze.measure import Trained, load_policy
from spreeze.stages import build_stages

SHARES = {
    "success": "terrain/success",
    "passed": "terrain/passed",
    "foot collision": "terrain/with_foot_collision",
}
"""Shares of episodes, by their names in tables."""
ERRORS = {"error": "map/error_cm", "edge error": "map/edge_error_cm", "coarse error": "map/coarse_error_cm"}
AT_ONCE = 125
"""Episodes that are walked side by side."""

Cell = tuple[str, str, str, str]
"""Runs that differ by their seeds, stage, terrain, heights."""


@dataclass
class Walks:
    """Of one cell: a list for each run."""

    shares: dict[str, list[list[float]]] = field(default_factory=lambda: {name: [] for name in SHARES})
    """1 or 0 for each episode."""
    errors: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in ERRORS})
    """Means [cm]; empty of stages that predict nothing."""

    def add(self, found: Sequence[Evaluation]) -> None:
        """Count the episodes of one run."""
        sizes = [len(part.returns) for part in found]
        for name, metric in SHARES.items():
            hits = round(sum(part.metrics[metric] * size for part, size in zip(found, sizes, strict=True)))
            self.shares[name].append([1.0] * hits + [0.0] * (sum(sizes) - hits))
        for name, metric in ERRORS.items():
            if metric in found[0].metrics:
                self.errors[name].append(float(np.average([part.metrics[metric] for part in found], weights=sizes)))

    def summary(self) -> dict[str, list[float]]:
        """Shares with the ends of their intervals of 95 % over runs and episodes; errors with those over runs."""
        shares = {name: area([{0.0: alive} for alive in runs]) for name, runs in self.shares.items()}
        return shares | {name: over_runs(means) for name, means in self.errors.items() if means}


def over_runs(means: Sequence[float]) -> list[float]:
    """Mean of runs, least and greatest of them: too few for more."""
    return [float(np.mean(means)), min(means), max(means)]


def stages_of(trained: Trained) -> Iterator[Trained]:
    """The policy of each stage of which the checkpoint holds all modules: each with the weights of the end."""
    for stage in build_stages(trained.settings, trained.spec):
        if stage.evaluate is not None and stage.bundles.keys() <= trained.modules.keys():
            yield replace(trained, stage=stage, modules={name: trained.modules[name] for name in stage.bundles})


def walked(trained: Trained, episodes: int, seed: int, terrain: str, heights: str) -> list[Evaluation]:
    """Episodes on one kind of terrain, some at a time."""
    sizes = [min(AT_ONCE, episodes - begun) for begun in range(0, episodes, AT_ONCE)]
    return [trained.evaluate(size, seed + index, terrain=terrain, heights=heights) for index, size in enumerate(sizes)]


def measure(options: argparse.Namespace) -> dict[Cell, Walks]:
    """Walk the policies of all runs over all terrains that were asked for."""
    torch.set_num_threads(1)
    held = [one for run in options.runs for one in stages_of(load_policy(run, "latest"))]
    chosen = [one for one in held if one.stage.name in options.stages]
    if not chosen:
        names = ", ".join(dict.fromkeys(one.stage.name for one in held))
        sys.exit(f"--stages {' '.join(options.stages)}: these runs hold policies of {names}")
    found: dict[Cell, Walks] = {}
    work = [(one, terrain, height) for one in chosen for terrain in options.terrain for height in options.heights]
    for one, terrain, height in track(work, "walking", console=Console(stderr=True)):
        cell = (one.run.name.rpartition("-")[0] or one.run.name, one.stage.name, terrain, height)
        found.setdefault(cell, Walks()).add(walked(one, options.episodes, options.seed, terrain, height))
    return found


def walk_table(found: Mapping[Cell, Walks]) -> Table:
    """A line for each cell."""
    drawn = Table("runs", "stage", "terrain", "heights", *SHARES, *(f"{name} [cm]" for name in ERRORS))
    for cell, walks in found.items():
        summary = walks.summary()
        drawn.add_row(*cell, *(_cell(summary.get(name)) for name in (*SHARES, *ERRORS)))
    return drawn


def _cell(found: Sequence[float] | None) -> str:
    return "" if found is None else f"{found[0]:.3g} ({found[1]:.3g} to {found[2]:.3g})"


def write(found: Mapping[Cell, Walks], path: Path) -> None:
    """The numbers of the table."""
    rows = [
        {"runs": len(walks.shares["success"]), **dict(zip(("name", "stage", "terrain", "heights"), cell, strict=True))}
        | walks.summary()
        for cell, walks in found.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")
