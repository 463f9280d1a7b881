"""The command `spreeze eval`: what a policy achieves, and how it bears attacks and another friction or gravity."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from spreeze.config import Unset
from spreeze.errors import UsageError

if TYPE_CHECKING:
    from spreeze.robustness_record import Cell, Plan, Robustness

Say = Callable[[str], None]
TABLE = "{:11} {:>8} {:>8} {:>8} {:>10} {:>9} {:>8}"
HEADER = TABLE.format("attack", "radius", "friction", "gravity", "return", "+-", "steps")


@dataclass(frozen=True)
class EvalOptions:
    """Measure the policy of a run: deterministic episodes on fresh environments, attacked or changed if asked."""

    runs: Annotated[tuple[Path, ...], "positional"]
    """Run folders, checkpoints, or `latest`; several are measured one after the other."""
    episodes: int = 10
    """Episodes, of each radius, friction and gravity."""
    checkpoint: Literal["best", "latest"] = "best"
    """The policy with the best evaluation, or the newest."""
    seed: int = 12345
    """Seed of the environments and attacks."""
    attack: str | Unset = None
    """Attacks on the observations, separated by commas: random, action-diff, min-q."""
    radius: str | Unset = None
    """Radii of the attacks, separated by commas, in standard deviations of an observation (default: 10, up to 0.2)."""
    friction: str | Unset = None
    """Multiples of the model's friction, separated by commas; with --gravity every pair (MuJoCo only)."""
    gravity: str | Unset = None
    """Multiples of the model's gravity, separated by commas (MuJoCo only)."""
    plot: bool = False
    """Draw how the policy adapts to tasks that are held out: its episodes, and what it believes after them."""
    out: Path | Unset = None
    """Stem of the picture and numbers of attacks, friction and gravity (default: `robustness` in the run folder, of
    several runs in this folder), or of the picture of --plot (default: `adaptation` in the run folder)."""


def evaluate(options: EvalOptions) -> None:
    """Measure every run, print, and write what belongs into files."""
    from rich.console import Console

    from spreeze.run_folder import find_run

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    runs = [find_run(str(run)) for run in options.runs]
    if not runs:
        raise UsageError("give the folder of a RUN, or `latest`")
    changed = options.attack or options.friction or options.gravity
    if changed and options.plot:
        raise UsageError("--plot draws an adaptation that nothing disturbs; leave out --attack, --friction, --gravity")
    if changed:
        evaluate_robustness(options, runs, console)
    elif options.radius or (options.out and not options.plot):
        raise UsageError("--radius and --out belong to --attack, --friction or --gravity; give one of these")
    elif options.plot:
        draw_adaptations(options, runs, lambda text: console.print(text, markup=False))
    else:
        for run in runs:
            evaluate_plainly(options, run, lambda text: console.print(text, markup=False))


def evaluate_plainly(options: EvalOptions, run: Path, say: Say) -> None:
    """Say the return of every episode, what sums them up, and the means of what else was measured."""
    from spreeze.measure import measure

    result, text = measure(run, options.checkpoint, options.episodes, options.seed)
    for index, (value, length) in enumerate(zip(result.returns, result.lengths, strict=True)):
        say(f"episode {index + 1:3d}: return {value:9.2f}, {length} steps")
    say(text)
    if result.metrics:
        say(", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items()))


def draw_adaptations(options: EvalOptions, runs: list[Path], say: Say) -> None:
    """A picture of every run, and of what it shows the last returns."""
    from spreeze.adaptation_plot import write_png
    from spreeze.measure import check_amounts, load_policy

    if options.out and len(runs) > 1:
        raise UsageError(f"--out {options.out} is one picture, of one run; leave it out, or draw the runs one by one")
    check_amounts(options.episodes, options.seed)
    for run in runs:
        path = (options.out or run / "adaptation").with_suffix(".png")
        check_writable(path)
        trained = load_policy(run, options.checkpoint)
        adaptation = trained.adapt(options.seed)
        returns = adaptation.trails[-1].reward.sum(axis=0)
        what = f"{trained.settings.algo} on {trained.settings.env}, {len(returns)} tasks held out, seed {options.seed}"
        heading = f"{what}, {options.checkpoint} policy ({trained.checkpoint.folder.name})"
        write_png(
            adaptation, f"{heading}\nreturn of the last episode {returns.mean():.2f} +- {returns.std():.2f}", path
        )
        say(f"{heading}: last episode {returns.mean():.2f} +- {returns.std():.2f}\n{path}")


def evaluate_robustness(options: EvalOptions, runs: list[Path], console: Any) -> None:
    """Say every condition as soon as it is measured; write one picture and one file of numbers for all runs."""
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    plan, stem = plan_of(options), stem_of(options.out, runs)
    check_writable(stem)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        results = [measured(run, plan, progress) for run in runs]
    from spreeze.robustness_plot import write_png
    from spreeze.robustness_record import write_json

    png, numbers = Path(f"{stem}.png"), Path(f"{stem}.json")
    write_json(results, numbers)
    write_png(results, png)
    console.print(f"{png}\n{numbers}", markup=False)


def measured(run: Path, plan: Plan, progress: Any) -> Robustness:
    """Evaluate one run, with a line for each condition and a bar where there is a terminal."""
    from spreeze.robustness import robustness

    task = progress.add_task(run.name, total=plan.conditions)

    def say(text: str) -> None:
        progress.console.print(text, markup=False)

    def told(cell: Cell) -> None:
        say(row_of(cell))
        progress.advance(task)

    say(f"{run}: {plan.conditions} conditions of {plan.episodes} episodes\n{HEADER}")
    result = robustness(run, plan, told)
    for line in summary_of(result):
        say(line)
    return result


def row_of(cell: Cell) -> str:
    """One line of the table."""
    changed = ["-" if factor is None else f"{factor:g}" for factor in (cell.friction, cell.gravity)]
    steps = sum(cell.lengths) / len(cell.lengths)
    radius = f"{cell.radius:.4g}"
    return TABLE.format(cell.attack, radius, *changed, f"{cell.mean:.2f}", f"{cell.std:.2f}", f"{steps:.0f}")


def summary_of(result: Robustness) -> list[str]:
    """What was measured, and a number for each attack and for the grid."""
    lines = [result.heading()]
    if result.attacks:
        lines.append(f"radius in standard deviations of {result.spread}")
    lines += [
        f"area under return against radius, {name}: {result.area(name):.2f}{scored(result, result.area(name))}"
        for name in result.attacks
    ]
    if result.grid:
        mean = sum(cell.mean for cell in result.grid) / len(result.grid)
        lines.append(f"mean over friction and gravity: {mean:.2f}{scored(result, mean)}")
    return lines


def scored(result: Robustness, value: float) -> str:
    """The normalised score of a return behind it, and where its reference comes from; empty without one."""
    score = result.score(value)
    return "" if score is None or result.reference is None else f" (score {score:.1f}, {result.reference.source})"


def plan_of(options: EvalOptions) -> Plan:
    """The conditions that the options name."""
    from spreeze.attacks import find_attack
    from spreeze.robustness_record import RADII, Plan

    attacks = tuple(dict.fromkeys(word.strip() for word in (options.attack or "").split(",") if word.strip()))
    for attack in attacks:
        find_attack(attack)
    if options.radius and not attacks:
        raise UsageError("--radius belongs to --attack; give one or several of these")
    plan = Plan(
        attacks, numbers(options.radius, "radius") or RADII,
        numbers(options.friction, "friction"), numbers(options.gravity, "gravity"),
        options.episodes, options.seed, options.checkpoint,
    )  # fmt: skip
    plan.check()
    return plan


def numbers(text: str | None, option: str) -> tuple[float, ...]:
    """The numbers of a list separated by commas; raises UsageError for other words."""
    words = [] if text is None else text.split(",")
    try:
        return tuple(float(word) for word in words)
    except ValueError as error:
        raise UsageError(f"--{option} {text}: give numbers separated by commas, as 0.5,1.0") from error


def stem_of(out: Path | None, runs: list[Path]) -> Path:
    """Where results go, without suffix."""
    if out is None:
        return runs[0] / "robustness" if len(runs) == 1 else Path("robustness")
    return out.with_suffix("") if out.suffix in (".png", ".json") else out


def check_writable(stem: Path) -> None:
    """Raise UsageError before minutes are spent on results that cannot be written."""
    import os

    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {stem}: {error}") from error
    if not os.access(stem.parent, os.W_OK):
        raise UsageError(f"cannot write into {stem.parent}; choose another place with --out")
