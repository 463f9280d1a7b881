"""How fast bipeds are simulated: controller and physics together, and the physics alone, on one core.

Both take turns within one process, with the same states, controls and number of simulations. Seconds are CPU time of
the process, so that other work beside it does less harm; the table gives the median of the turns.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spreeze import registry
from spreeze.environment import VectorEnv

TURNS = 5
TICKS = 30
TICK_S = 0.001
console = Console()


def per_tick(work: Callable[[], object], seconds: float, robots: int) -> float:
    """CPU time of one simulation and tick [us], of work that takes `TICKS` ticks of each."""
    calls, begun = 0, time.process_time()
    while time.process_time() - begun < seconds:
        work()
        calls += 1
    return (time.process_time() - begun) / (calls * TICKS * robots) * 1e6


def measured(name: str, robots: int, seconds: float) -> tuple[float, float]:
    """Whole ticks, and the physics alone [us]; robots walk under decisions in the middle of the range."""
    environment = registry.environment(name)
    envs: Any = environment.make_vector(environment.options(), robots, 0)
    envs.reset()
    space = envs.scheme.action_space
    action = np.tile((space.low + space.high) / 2, (robots, 1))
    whole, physics = [], []
    for _ in range(TURNS):
        whole.append(per_tick(lambda: envs.step(action), seconds, robots))
        physics.append(physics_alone(envs, seconds, robots))
    envs.close()
    assert np.isfinite(envs.simulations.state).all(), "the states must stay finite for the comparison"
    return float(np.median(whole)), float(np.median(physics))


def physics_alone(envs: VectorEnv, seconds: float, robots: int) -> float:
    """From the states of now, over and over, with their controls."""
    simulations = envs.simulations  # type: ignore[attr-defined]
    begun = simulations.state.copy()

    def replay() -> None:
        simulations.state[...] = begun
        simulations.step(TICKS)

    found = per_tick(replay, seconds, robots)
    simulations.state[...] = begun
    return found


def speed_table(names: Sequence[str], counts: Sequence[int], seconds: float) -> None:
    """Print a row for each environment and number of simulations."""
    table = Table("environment", "robots", "tick [us]", "x real time", "physics [us]", "x real time")
    for name in names:
        for robots in counts:
            whole, physics = measured(name, robots, seconds)
            times = [f"{TICK_S * 1e6 / us:.0f}" for us in (whole, physics)]
            table.add_row(name, f"{robots}", f"{whole:.1f}", times[0], f"{physics:.1f}", times[1])
    console.print(table)
