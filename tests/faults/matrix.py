"""The matrix of faults: `tools/faults` makes trial after trial, and writes what came of them into the documentation.

tools/faults [--only WHAT[/WHO[/ALGO]] ...] [--trials N] [--seed 0] [--fresh]

Every trial that is done is kept in docs/faults.json at once: a second call goes on where the first one ended, and
`--trials` says how many there shall be of each row. `--only kill` makes the rows whose name begins so.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.drills import clear, drill_of
from tests.faults.plan import FORK_SERVER, ROLES, ROWS, FaultPlan, Outcome
from tests.faults.records import Records, write_table
from tests.faults.scene import Scene
from tests.faults.session import Session

DOCS = Path(__file__).parents[2] / "docs"


@contextmanager
def stage(root: Path, name: str) -> Iterator[Scene]:
    """A scene of its own for a trial; the world around it is noted before, so that whatever is left is seen."""
    runtime = Path(tempfile.mkdtemp(prefix="faults-"))
    scene = Scene(root / f"run-{os.getpid()}-{name}", runtime)
    try:
        yield scene
    finally:
        clear(scene)


def plans_of(records: Records, chosen: Sequence[tuple[str, str, str]], trials: int, seed: int) -> list[FaultPlan]:
    """The trials that are missing, those of one run beside each other."""
    rows = [FaultPlan(*row) for row in chosen]
    return [
        FaultPlan(plan.what, plan.who, plan.algo, trial, seed)
        for plan in rows
        for trial in range(records.tried(plan.row), trials)
    ]


def play_alone(plan: FaultPlan, root: Path) -> Outcome:
    """A trial with a run of its own; whatever goes wrong in it is its outcome."""
    try:
        with stage(root, plan.name) as scene:
            return drill_of(plan)(plan, scene)
    except Exception as error:
        return Outcome(f"{type(error).__name__}: {error}".replace(str(root), "...").splitlines()[0])


def play_together(plans: Sequence[FaultPlan], root: Path) -> Iterator[tuple[FaultPlan, Outcome]]:
    """Trials in one run, as far as it carries; what is wrong with its end is the last trial's outcome."""
    with stage(root, plans[0].name) as scene:
        last: tuple[FaultPlan, Outcome] | None = None
        try:
            session = Session(scene, plans[0].algo, any(plan.who == "visualizer" for plan in plans))
            for plan in plans:
                if last is not None:
                    yield last
                last = plan, session.strike(plan)
            failure = session.end()
        except Exception as error:
            failure = f"{type(error).__name__}: {error}".replace(str(root), "...").splitlines()[0]
            if last is not None:
                yield last
            index = plans.index(last[0]) + 1 if last is not None else 0
            last = plans[min(index, len(plans) - 1)], Outcome(failure)
        if last is not None:
            plan, outcome = last
            yield plan, Outcome(failure or outcome.failure, outcome.recovery_s, outcome.throughput)


def play(plans: Sequence[FaultPlan], root: Path) -> Iterator[tuple[FaultPlan, Outcome]]:
    """Every trial and its outcome."""
    together: dict[str, list[FaultPlan]] = {}
    for plan in plans:
        if plan.who in (*ROLES, FORK_SERVER) and plan.what in ("kill", "stop"):
            together.setdefault(plan.algo, []).append(plan)
    for own in together.values():
        own.sort(key=lambda plan: plan.random().random())
        yield from play_together(own, root)
    for plan in plans:
        if plan not in together.get(plan.algo, ()):
            yield plan, play_alone(plan, root)


def main(argv: Sequence[str] | None = None) -> int:
    """Make what is missing; return 1 if a trial of the matrix has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose name, WHAT/WHO/ALGO, begins so")
    parser.add_argument("--trials", type=int, default=3, help="of each row, those done before included")
    parser.add_argument("--seed", type=int, default=0, help="of every moment and place that is left to chance")
    parser.add_argument("--fresh", action="store_true", help="forget the trials of these rows that were done before")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of faults.json, and of faults.md with the table")
    options = parser.parse_args(argv)
    chosen = [row for row in ROWS if "/".join(row).startswith(tuple(options.only))]
    if not chosen:
        known = ", ".join("/".join(row) for row in ROWS)
        parser.error(f"no row begins with '{' or '.join(options.only)}'; there are {known}")
    records = Records(options.out / "faults.json")
    if options.fresh:
        records.forget(["/".join(row) for row in chosen])
    run(records, plans_of(records, chosen, options.trials, options.seed))
    write_table(records, options.out / "faults.md")
    return 1 if records.failures() else 0


def run(records: Records, plans: Sequence[FaultPlan]) -> None:
    """Play trials, say what came of each, and keep it at once."""
    with tempfile.TemporaryDirectory(prefix="faults-runs-") as folder:
        for number, (plan, outcome) in enumerate(play(plans, Path(folder)), 1):
            records.add(plan, outcome)
            took = f", {outcome.recovery_s:.1f} s" if outcome.recovery_s is not None else ""
            said = f"{number}/{len(plans)} {plan.row} {plan.trial}: {outcome.failure or 'passed'}{took}"
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
