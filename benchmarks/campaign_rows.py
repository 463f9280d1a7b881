"""Rows of the campaign, as data: what a row is, and the runs that learn by acting."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One long run. Its name is its key in the ledger and its folder under `runs/campaign`."""

    name: str
    command: Sequence[str]
    """Run in the root of the checkout. Placeholders: {out} the folder to fill, {seed}, {python} the interpreter that
    runs the campaign, {peers} and {d3rlpy} the interpreters of the peers' own virtual environments, {run} the folder
    of the row `after`."""
    environment: str
    algorithm: str
    """Name in tables and figures, unless the summary holds a label."""
    seed: int
    minutes: float
    """Wall clock of the training; an estimate where something else ends it."""
    needs: str = ""
    """File below the root of the checkout without which the row is left out."""
    advice: str = ""
    """How to get that file."""
    after: str = ""
    """Row whose finished run this one evaluates."""
    result: str = "summary.json"
    """File in the folder {out} that holds what came of it."""


SEEDS = range(5)
PENDULUM = ("pendulum", "Pendulum-v1", 2.0)
HOPPER = ("hopper", "Hopper-v5", 15.0)
HALFCHEETAH = ("halfcheetah", "HalfCheetah-v5", 15.0)


def spreeze_sac(short: str, environment: str, minutes: float, seed: int) -> Row:
    """Return our SAC with its defaults on an environment."""
    options = ("--algo", "sac", "--env", short, "--seconds", f"{60 * minutes:g}", "--visualize", "none")
    command = ("{python}", "-m", "spreeze", "run", *options, "--seed", "{seed}", "--out", "{out}")
    return Row(f"spreeze-sac-{short}-{seed}", command, environment, "spreeze SAC", seed, minutes)


def sb3_sac(short: str, environment: str, minutes: float, seed: int) -> Row:
    """Return Stable-Baselines3's SAC with its defaults on an environment."""
    options = ("--env", environment, "--seconds", f"{60 * minutes:g}", "--seed", "{seed}", "--out", "{out}")
    command = ("{peers}", "benchmarks/peers/sb3_sac.py", *options)
    return Row(f"sb3-sac-{short}-{seed}", command, environment, "Stable-Baselines3 SAC", seed, minutes)


ROWS: tuple[Row, ...] = (
    *(spreeze_sac(*PENDULUM, seed) for seed in SEEDS),
    *(make(*HOPPER, seed) for seed in SEEDS for make in (spreeze_sac, sb3_sac)),
    *(make(*HALFCHEETAH, seed) for seed in SEEDS for make in (spreeze_sac, sb3_sac)),
)
