"""How a trained policy bears attacks on what it observes, and an environment of other friction and gravity."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box

from spreeze import registry
from spreeze.attacks import Perturbed, check_served
from spreeze.contract import Evaluation, Policy, Recurrent, Step
from spreeze.errors import UsageError
from spreeze.measure import Trained, load_policy
from spreeze.robustness_record import UNMOVED, Cell, Robustness
from spreeze.robustness_record import Plan as Plan


class Spread:
    """Standard deviation of rows that come in batches, by dimension (Chan's update)."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, np.float64(0), np.float64(0)

    def add(self, rows: np.ndarray) -> None:
        """Account rows (K, O)."""
        if not len(rows):
            return
        wide = rows.astype(np.float64)
        mean, total = wide.mean(0), self.count + len(rows)
        moved = mean - self.mean
        self.squares = self.squares + np.square(wide - mean).sum(0) + np.square(moved) * self.count * len(rows) / total
        self.mean, self.count = self.mean + moved * len(rows) / total, total

    @property
    def std(self) -> np.ndarray:
        """(O,), of the population."""
        return np.asarray(np.sqrt(self.squares / max(self.count, 1)))


class Watching:
    """A policy that keeps the spread of what it observes."""

    def __init__(self, policy: Policy, spread: Spread) -> None:
        self.policy, self.spread = policy, spread

    def initial_state(self, batch: int) -> Recurrent:
        """The memory of the policy."""
        return self.policy.initial_state(batch)

    def act(self, step: Step, state: Recurrent, mode: str) -> Any:
        """What the policy does."""
        self.spread.add(step.observation.numpy())
        return self.policy.act(step, state, mode)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)


def robustness(run: Path, plan: Plan, told: Callable[[Cell], None] = lambda cell: None) -> Robustness:
    """Evaluate the policy of a run under every condition of `plan`; `told` hears of each as soon as it is known.

    Raises:
        UsageError: a condition makes no sense, or the policy or the environment cannot serve it.
        CheckpointError: the run has no intact checkpoint of that kind.
    """
    plan.check()
    trained = load_policy(run, plan.checkpoint)
    cells: list[Cell] = []

    def keep(cell: Cell) -> None:
        cells.append(cell)
        told(cell)

    spread, std = attacked(trained, plan, keep) if plan.attacks else ("", np.zeros(0))
    if plan.friction or plan.gravity:
        changed(trained, plan, keep)
    dataset, settings = trained.spec.dataset, trained.settings
    return Robustness(
        run=str(run),
        algorithm=settings.algo,
        environment=registry.environment_id(settings.env),
        mujoco=importlib.metadata.version("mujoco"),
        checkpoint=trained.checkpoint.folder.name,
        episodes=plan.episodes,
        seed=plan.seed,
        spread=spread,
        std=tuple(std.ravel().tolist()),
        reference=dataset.reference if dataset else None,
        cells=tuple(cells),
    )


def attacked(trained: Trained, plan: Plan, keep: Callable[[Cell], None]) -> tuple[str, np.ndarray]:
    """Evaluate without an attack, then each attack at each radius; return whose spread these multiply, and the spread.

    Every evaluation meets the same episodes and draws the same directions. At radius 0 it is the unattacked one.
    """
    check_attackable(trained, plan)
    seen = Spread()
    calm = trained.evaluate(plan.episodes, plan.seed, lambda policy: Watching(policy, seen))
    if not seen.count:
        raise UsageError(f"the evaluation of {trained.settings.algo} does not act with the policy it is given")
    keep(cell_of(calm))
    name, std = dataset_spread(trained) or ("the observations of the unattacked policy", seen.std)
    for attack, radius in product(plan.attacks, sorted(set(plan.radii))):
        keep(cell_of(calm if radius == 0 else under(trained, plan, attack, radius, std), attack=attack, radius=radius))
    return name, std


def under(trained: Trained, plan: Plan, attack: str, radius: float, std: np.ndarray) -> Evaluation:
    """The evaluation of one attack at one radius."""
    generator = torch.Generator().manual_seed(plan.seed)
    reach = torch.from_numpy(std.astype(np.float32))
    wrap = partial(Perturbed, attack=attack, radius=radius, std=reach, generator=generator)
    return trained.evaluate(plan.episodes, plan.seed, wrap)


def changed(trained: Trained, plan: Plan, keep: Callable[[Cell], None]) -> None:
    """Evaluate every pair of friction and gravity; what was not chosen stays as the run has it."""
    own = trained.settings.environment
    factors = {
        name: sorted(set(chosen)) or [float(getattr(own, name, 1.0))]
        for name, chosen in (("friction", plan.friction), ("gravity", plan.gravity))
    }
    for friction, gravity in product(*factors.values()):
        result = trained.evaluate(plan.episodes, plan.seed, friction=friction, gravity=gravity)
        keep(cell_of(result, friction=friction, gravity=gravity))


def cell_of(
    result: Evaluation,
    attack: str = UNMOVED,
    radius: float = 0.0,
    friction: float | None = None,
    gravity: float | None = None,
) -> Cell:
    """The cell that an evaluation fills."""
    returns, lengths = tuple(map(float, result.returns)), tuple(map(int, result.lengths))
    return Cell(attack, radius, friction, gravity, returns, lengths)


def check_attackable(trained: Trained, plan: Plan) -> None:
    """Raise UsageError if an attack is unknown, or policy or observations cannot serve it."""
    policy, space = trained.policy(plan.seed), trained.spec.observation
    for attack in plan.attacks:
        check_served(policy, attack, trained.settings.algo)
    if not isinstance(space, Box) or space.dtype.kind != "f":
        raise UsageError(f"--attack moves observations in a Box of floats; '{trained.settings.env}' has {space}")


def dataset_spread(trained: Trained) -> tuple[str, np.ndarray] | None:
    """Name and standard deviation of the observations of the run's dataset; None without one."""
    dataset, spread = trained.spec.dataset, Spread()
    if dataset is None:
        return None
    for episode in dataset.episodes():
        spread.add(episode.observation[:-1])
    if spread.std.shape != trained.spec.observation.shape:
        raise UsageError(
            f"the observations of dataset {dataset.name} have shape {spread.std.shape}, "
            f"those of '{trained.settings.env}' {trained.spec.observation.shape}"
        )
    return f"the observations of dataset {dataset.name}", spread.std
