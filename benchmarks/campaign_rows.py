"""Rows of the campaign, as data: what a row is, and the runs that learn by acting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


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


def tuned_sac(short: str, environment: str, minutes: float, seed: int) -> Row:
    """Return our SAC with its defaults, sizes chosen by the tuner before the clock's first minute is over."""
    row = spreeze_sac(short, environment, minutes, seed)
    return replace(row, name=f"tuned-sac-{short}-{seed}", algorithm="spreeze SAC, tuned")


def untuned(row: Row, name: str, algorithm: str, *options: str) -> Row:
    """Return a row without the tuner."""
    return replace(row, name=name, algorithm=algorithm, command=(*row.command, "--tune", "off", *options))


def faster_sac(short: str, environment: str, minutes: float, seed: int) -> Row:
    """Return our SAC as it is since sampling is native and updates are written out in bfloat16."""
    row = spreeze_sac(short, environment, minutes, seed)
    return untuned(row, f"faster-sac-{short}-{seed}", "spreeze SAC, native and bfloat16")


def batch_sac(batch: int, short: str, environment: str, minutes: float, seed: int) -> Row:
    """Return our SAC with another batch: what the tuner's rule must predict."""
    row = spreeze_sac(short, environment, minutes, seed)
    name = f"batch-{batch}-sac-{short}-{seed}"
    return untuned(row, name, f"spreeze SAC, batch {batch:,}", "--batch-size", f"{batch}")


def apart(delay: int | None, seed: int) -> Row:
    """Return our SAC on HalfCheetah with critic and actor in processes of their own, `delay` updates apart.

    None: in one process. Returns are compared at equal steps, so that work beside it does no harm.
    """
    options = ("--algo", "sac", "--env", "halfcheetah", "--steps", "200000", "--visualize", "none", "--tune", "off")
    parts = () if delay is None else ("--devices", "critic=cpu,actor=cpu", "--delay", f"{delay}")
    command = ("{python}", "-m", "spreeze", "run", *options, *parts, "--seed", "{seed}", "--out", "{out}")
    name = "joint" if delay is None else f"split-{delay}"
    label = "joint" if delay is None else f"split, delay {delay}"
    return Row(f"{name}-halfcheetah-{seed}", command, "HalfCheetah-v5", f"spreeze SAC, {label}", seed, 3.0)


def in_precision(precision: str, seed: int) -> Row:
    """Return our SAC on HalfCheetah for as many steps and updates in one precision as in the other, in one process."""
    learn = ("--algo", "sac", "--env", "halfcheetah", "--steps", "200000", "--precision", precision)
    options = (*learn, "--serial", "--visualize", "none", "--seed", "{seed}", "--out", "{out}")
    command = ("{python}", "-m", "spreeze", "run", *options)
    name = f"precision-{precision}-halfcheetah-{seed}"
    return Row(name, command, "HalfCheetah-v5", f"spreeze SAC, {precision}, 200,000 steps", seed, 4.0)


def on_policy(short: str, environment: str, seed: int) -> Row:
    """Return our PPO for a million steps, with the settings of docs/ppo.md."""
    learn = ("--algo", "ppo", "--env", short, "--steps", "1000000", "--visualize", "none", *PPO, *PPO_DECAY[short])
    command = ("{python}", "-m", "spreeze", "run", *learn, "--seed", "{seed}", "--out", "{out}")
    return Row(f"spreeze-ppo-{short}-{seed}", command, environment, "spreeze PPO", seed, 8.0)


def deterministic(seed: int) -> Row:
    """Return our TD3 on HalfCheetah for as many steps as Stable-Baselines3's, and as there one update for each step."""
    learn = ("--algo", "td3", "--env", "halfcheetah", "--steps", f"{TD3_STEPS}", "--visualize", "none")
    learn += ("--batch-size", "256", "--replay-ratio", "256")
    command = ("{python}", "-m", "spreeze", "run", *learn, "--seed", "{seed}", "--out", "{out}")
    return Row(f"spreeze-td3-halfcheetah-{seed}", command, "HalfCheetah-v5", "spreeze TD3", seed, 15.0)


def sb3_steps(algorithm: str, short: str, environment: str, steps: int, minutes: float, seed: int) -> Row:
    """Return Stable-Baselines3's PPO (settings of its zoo) or TD3 (defaults) for a number of steps."""
    options = ("--env", environment, "--steps", f"{steps}", "--seed", "{seed}", "--out", "{out}")
    command = ("{peers}", "benchmarks/peers/sb3_steps.py", algorithm, *options)
    label = f"Stable-Baselines3 {algorithm.upper()}"
    return Row(f"sb3-{algorithm}-{short}-{seed}", command, environment, label, seed, minutes)


def sb3_sac(short: str, environment: str, minutes: float, seed: int) -> Row:
    """Return Stable-Baselines3's SAC with its defaults on an environment."""
    options = ("--env", environment, "--seconds", f"{60 * minutes:g}", "--seed", "{seed}", "--out", "{out}")
    command = ("{peers}", "benchmarks/peers/sb3_sac.py", *options)
    return Row(f"sb3-sac-{short}-{seed}", command, environment, "Stable-Baselines3 SAC", seed, minutes)


FIRST_SEEDS = range(2)
"""Of the rows that were made before sampling was native, and cannot be made again."""
EARLY = [(short, environment, 6.0) for short, environment, _ in (HOPPER, HALFCHEETAH)]
"""For how fast returns rise: HalfCheetah passes 4000 and Hopper 2000 within three minutes; six are worth tuning."""
DELAYS = (None, 0, 1, 4, 16)
TD3_STEPS = 100_000
PPO = (
    *("--envs-per-sampler", "16", "--horizon", "32", "--batch-size", "256", "--hidden", "256", "256"),
    *("--learning-rate", "1e-4", "--activation", "relu", "--initial-log-std=-1"),
)
PPO_DECAY = {
    "halfcheetah": ("--discount", "0.98", "--gae-decay", "0.92", "--epochs", "20", "--clip", "0.1"),
    "hopper": ("--discount", "0.999", "--gae-decay", "0.99", "--epochs", "10", "--clip", "0.2"),
}
"""As in the settings of the peer that it is compared with."""
BATCHES = (256, 1024, 32_768)
ROWS: tuple[Row, ...] = (
    *(spreeze_sac(*PENDULUM, seed) for seed in SEEDS),
    *(spreeze_sac(*HOPPER, seed) for seed in FIRST_SEEDS),
    *(make(*task, seed) for seed in SEEDS for task in (HOPPER, HALFCHEETAH) for make in (faster_sac, sb3_sac)),
    *(tuned_sac(*task, seed) for seed in SEEDS for task in EARLY),
    *(batch_sac(batch, *task, seed) for seed in SEEDS for task in EARLY for batch in BATCHES),
    *(apart(delay, seed) for seed in SEEDS for delay in DELAYS),
    *(on_policy(short, environment, seed) for seed in SEEDS for short, environment, _ in (HOPPER, HALFCHEETAH)),
    *(
        sb3_steps("ppo", short, environment, 1_000_000, 30.0, seed)
        for seed in SEEDS
        for short, environment, _ in (HOPPER, HALFCHEETAH)
    ),
    *(deterministic(seed) for seed in SEEDS),
    *(sb3_steps("td3", "halfcheetah", "HalfCheetah-v5", TD3_STEPS, 25.0, seed) for seed in SEEDS),
    *(in_precision(precision, seed) for seed in SEEDS for precision in ("float32", "bfloat16")),
)
