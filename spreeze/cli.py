"""The command line: `spreeze run | tune | resume | eval | watch | plot | export | dataset | list | doctor`."""

from __future__ import annotations

import dataclasses
import errno
import faulthandler
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from spreeze import registry
from spreeze.config import RunOptions, Settings, Unset
from spreeze.errors import CheckpointError, SpreezeError, UnknownName, UsageError
from spreeze.signals import Interrupted, stoppable

if TYPE_CHECKING:
    from spreeze.forkserver import ForkServer

REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)
"""Errors of a disk that is full, over its quota, read-only or broken."""
BEGUN_S = time.monotonic()

OVERVIEW = """usage: spreeze COMMAND [options]

Train reinforcement-learning policies as fast as one computer can.

commands:
  run      train: spreeze run --algo sac --env hopper
  tune     choose sizes for this machine by measurement, explained: spreeze tune --algo sac --env hopper
  resume   go on with a run, its replay intact: spreeze resume latest
  eval     measure the policy of a run, attacked if you like: spreeze eval RUN --attack random
  watch    show the policy of a run in the browser, live: spreeze watch latest
  plot     curves of runs and seeds, as table, figure and CSV: spreeze plot RUN...
  export   the policy of a run as ONNX: spreeze export RUN
  dataset  logged data: list, show, record, download
  list     algorithms and environments
  doctor   what this machine offers, what it lacks, and what crashed runs left: spreeze doctor --clear

`spreeze COMMAND --help` shows the options of a command, `spreeze run --algo NAME --help` those of an algorithm too.
"""


def parse(kind: Any, argv: Sequence[str], command: str, default: Any = None) -> Any:
    """Read `argv` into the dataclass `kind`; exits with 2 on an error, having named the nearest option."""
    import tyro

    extra = {} if default is None else {"default": default}
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes)
    return tyro.cli(kind, args=list(argv), prog=f"spreeze {command}", config=config, **extra)


def positional(kind: type) -> type:
    """`kind` with the fields marked "positional" as tyro wants them."""
    import tyro

    for field in dataclasses.fields(kind):
        if "Annotated" in str(field.type):
            inner = str(field.type).removeprefix("Annotated[").rpartition(",")[0]
            kind.__annotations__[field.name] = {
                "str": Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")],
                "tuple[Path, ...]": Annotated[
                    tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN [RUN ...]")
                ],
            }[inner]
    return kind


def value_of(argv: Sequence[str], option: str) -> str | None:
    """The value of `--option` in `argv`, if it is there."""
    for index, word in enumerate(argv):
        if word == f"--{option}" and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(f"--{option}="):
            return word.split("=", 1)[1]
    return None


def read_settings(argv: Sequence[str], command: str = "run") -> Settings:
    """Two stages: algorithm, environment and configuration file first, then the options that these have."""
    from spreeze.run_folder import load_settings

    given = value_of(argv, "config")
    base = load_settings(Path(given)) if given else None
    algo = value_of(argv, "algo") or (base.algo if base else registry.DEFAULT_ALGORITHM)
    env = value_of(argv, "env") or (base.env if base else registry.DEFAULT_ENVIRONMENT)
    bare = {"-h", "--help"} & set(argv) and value_of(argv, "algo") is None and base is None
    algorithm = _NoOptions if bare else registry.algorithm(algo).config
    environment = _NoOptions if bare else registry.environment(env).options
    _check_names({f"algorithm '{algo}'": algorithm, f"environment '{env}'": environment})
    defaults = Settings(
        algo, env, base.run if base else RunOptions(),
        base.algorithm if base and base.algo == algo else algorithm(),
        base.environment if base and base.env == env else environment(),
    )  # fmt: skip
    parsed = parse(_request(algorithm, environment, defaults), argv, command)
    return Settings(parsed.algo, parsed.env, parsed.run, parsed.algorithm, parsed.environment)


@dataclass(frozen=True)
class _NoOptions:
    """Options of the algorithm: `spreeze run --algo NAME --help`."""


def _check_names(kinds: Mapping[str, type]) -> None:
    """Raise UsageError if a plug-in's option has a name that is taken."""
    taken = {"algo", "env", "config", "help", *(field.name for field in dataclasses.fields(RunOptions))}
    for owner, kind in kinds.items():
        names = {field.name for field in dataclasses.fields(kind)}
        if names & taken:
            raise UsageError(f"the option '{min(names & taken)}' of {owner} has a name that is taken; rename it there")
        taken |= names


def _request(algorithm: type, environment: type, defaults: Settings) -> type:
    """The dataclass of all options of `spreeze run`."""
    fields: list[tuple[str, Any, Any]] = [
        ("algo", Annotated[str, _help("Algorithm; see `spreeze list`.")], defaults.algo),
        ("env", Annotated[str, _help("Environment: a short name or a Gymnasium id.")], defaults.env),
        ("config", Annotated[Path | Unset, _help("YAML file of options, as a run folder holds it.")], None),
        ("run", RunOptions, defaults.run),
        ("algorithm", algorithm, defaults.algorithm),
        ("environment", environment, defaults.environment),
    ]
    made = dataclasses.make_dataclass("Run", [(n, t, dataclasses.field(default=d)) for n, t, d in fields], frozen=True)
    made.__doc__ = "Train a policy. Ctrl-C saves a checkpoint and ends the run; `spreeze resume` goes on with it."
    return made


def _help(text: str) -> Any:
    import tyro

    return tyro.conf.arg(help=text)


def run_command(argv: Sequence[str]) -> int:
    """Train."""
    with stoppable() as signals, warm_roles(argv) as forkserver:
        settings = read_settings(argv)
        from spreeze import run_folder

        folder = settings.run.out or run_folder.default_folder(settings)
        signals.at_once = False  # A folder that was claimed by half would stay.
        with run_folder.claim(folder, fresh=True) as claimed:
            signals.raise_at_once()
            from spreeze.run import execute

            curves = f"   (curves: tensorboard --logdir {folder})" if "tensorboard" in settings.run.log else ""
            print(f"{settings.algo} on {settings.env} -> {folder}{curves}", flush=True)
            execute(settings, claimed, age_s=process_age_s(), signals=signals, forkserver=forkserver)
    print(f"finished: {folder}/summary.json")
    return 0


def warm_roles(argv: Sequence[str]) -> AbstractContextManager[ForkServer | None]:
    """What forks roles: it imports from now on, while this process reads its options; none where none is needed."""
    if {"-h", "--help", "--serial"} & set(argv):
        return nullcontext()
    from spreeze.forkserver import ForkServer, can_fork_roles

    return ForkServer() if can_fork_roles() else nullcontext()


def tune_command(argv: Sequence[str]) -> int:
    """Choose sizes by measurement."""
    settings = read_settings(argv, "tune")
    from spreeze.tune_cli import tune

    tune(settings)
    return 0


def resume_command(argv: Sequence[str]) -> int:
    """Go on with a run."""
    from spreeze.resume_cli import ResumeOptions, resume

    with stoppable() as signals, warm_roles(argv) as forkserver:
        folder = resume(parse(positional(ResumeOptions), argv, "resume"), process_age_s(), signals, forkserver)
    print(f"finished: {folder}/summary.json")
    return 0


def eval_command(argv: Sequence[str]) -> int:
    """Measure a policy."""
    from spreeze.eval_cli import EvalOptions, evaluate

    evaluate(parse(positional(EvalOptions), argv, "eval"))
    return 0


def plot_command(argv: Sequence[str]) -> int:
    """Draw curves."""
    from spreeze.plot_cli import PlotOptions, plot

    plot(parse(positional(PlotOptions), argv, "plot"))
    return 0


def export_command(argv: Sequence[str]) -> int:
    """Write a policy as ONNX."""
    from spreeze.export_cli import ExportOptions, export

    export(parse(positional(ExportOptions), argv, "export"))
    return 0


def elsewhere(module: str, argv: Sequence[str]) -> int:
    """A command with a module of its own, imported when it is asked for."""
    import importlib

    return int(importlib.import_module(f"spreeze.{module}").main(argv))


def list_command(argv: Sequence[str]) -> int:
    """Show every plug-in, the broken ones with their reason."""
    _no_options(argv, "list")
    for kind in ("algorithm", "environment"):
        print(f"{kind}s:")
        for item in registry.listing():
            if item.kind == kind:
                print(f"  {item.name:26} {item.summary if item.error is None else f'BROKEN: {item.error}'}")
    print("  any Gymnasium id, and module:attribute of a plug-in of yours")
    return 0


def _no_options(argv: Sequence[str], command: str) -> None:
    if argv and argv[0] not in ("-h", "--help"):
        raise UsageError(f"spreeze {command} takes no options, given: {' '.join(argv)}")
    if argv:
        print(f"usage: spreeze {command}\n\n{COMMANDS[command].__doc__}")
        raise SystemExit(0)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": run_command,
    "tune": tune_command,
    "resume": resume_command,
    "eval": eval_command,
    "watch": partial(elsewhere, "watch_cli"),
    "plot": plot_command,
    "export": export_command,
    "dataset": partial(elsewhere, "dataset_cli"),
    "list": list_command,
    "doctor": partial(elsewhere, "doctor_cli"),
}


def process_age_s() -> float:
    """Seconds since the interpreter came here: a run's clock begins with the command, not when all is imported."""
    return time.monotonic() - BEGUN_S


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 2 usage, 3 environment, 4 learner, 5 saving, 128 + signal."""
    global BEGUN_S
    if argv is not None:
        BEGUN_S = time.monotonic()  # called from Python: the process may be old
    words = list(sys.argv[1:] if argv is None else argv)
    if not faulthandler.is_enabled():  # An environment that crashes when it is tried takes this process along.
        faulthandler.enable()
    if not words or words[0] in ("-h", "--help"):
        print(OVERVIEW, end="")
        return 0 if words else 2
    try:
        if words[0] not in COMMANDS:
            raise UnknownName("command", words[0], COMMANDS)
        return COMMANDS[words[0]](words[1:])
    except SpreezeError as error:
        print(f"spreeze: {error}", file=sys.stderr)
        return error.exit_code
    except Interrupted as interruption:
        onward = "; `spreeze resume` goes on" if interruption.begun else " before the run began"
        print(f"spreeze: stopped by {interruption}{onward}", file=sys.stderr)
        return 128 + interruption.number
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        print(f"spreeze: the disk takes nothing more: {error}", file=sys.stderr)
        return CheckpointError.exit_code
