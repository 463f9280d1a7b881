"""Trials in words and as a table."""

from collections.abc import Sequence

from rich.table import Table

from spreeze.tuning.search import Choice, Trial


def in_words(trial: Trial) -> str:
    """One line."""
    choice = trial.choice
    layout = "parts apart" if "=" in choice.devices else cores(choice)
    what = f"{choice.samplers} x {choice.envs_per_sampler} environments, batch {choice.batch_size}, {layout}"
    if choice.updates_per_call > 1:
        what += f", {choice.updates_per_call} updates a call"
    if trial.rates is None:
        return f"{what}: {trial.problem}"
    rates = trial.rates
    numbers = f"{rates.env_steps:,.0f} env steps/s, {rates.updates:,.1f} updates/s"
    return f"{what}: {numbers}, progress {trial.progress:,.1f}, {rates.limit} limits"


def cores(choice: Choice) -> str:
    """The learner's cores in words."""
    return "1 learner core" if choice.learner_cores == 1 else f"{choice.learner_cores} learner cores"


def table(trials: Sequence[Trial], best: Choice) -> Table:
    """All trials; the chosen setting is marked."""
    heads = (
        "samplers",
        "environments",
        "learner cores",
        "batch",
        "updates/call",
        "learner",
        "env steps/s",
        "updates/s",
    )
    shown = Table("", *heads, "rows/s", "progress", "limited by", title="tuning")
    first = trials[0].progress
    for trial in trials:
        choice, rates = trial.choice, trial.rates
        own = (
            choice.samplers,
            choice.envs_per_sampler,
            choice.learner_cores,
            choice.batch_size,
            choice.updates_per_call,
        )
        layout = "split" if "=" in choice.devices else "joint"
        if rates is None:
            measured = ["-"] * 4 + [trial.problem]
        else:
            rows = rates.updates * choice.batch_size
            numbers = (f"{rates.env_steps:,.0f}", f"{rates.updates:,.1f}", f"{rows:,.0f}")
            measured = [*numbers, f"{trial.progress / first:.2f}", rates.limit]
        shown.add_row("*" if choice == best else "", *map(str, own), layout, *measured)
    return shown
