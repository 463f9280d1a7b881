"""Every error that spreeze raises on purpose.

SpreezeError
├── UsageError            exit code 2: the request cannot be served; nothing was started
│   ├── UnknownName       no such algorithm, environment or option; names the nearest one
│   ├── UnsupportedSpace  the algorithm cannot serve this observation or action space
│   ├── DatasetError      logged data are missing, damaged, hostile or of another environment
│   └── RunFolderError    the run folder is taken, unwritable or not a run
├── EnvironmentFault      exit code 3: the environment raised, or returned NaN or a wrong shape
├── LearnerFault          exit code 4: the learner failed, or produced NaN
├── CheckpointError       exit code 5: could not save, or nothing intact to load
└── ForkError             exit code 1: the system gives no processes for roles
"""

import difflib
from collections.abc import Iterable


class SpreezeError(Exception):
    """Base class. `exit_code` is what the command line returns; the message is one the user can act on."""

    exit_code = 1


class UsageError(SpreezeError):
    """The request cannot be served as it was made."""

    exit_code = 2


class UnknownName(UsageError):
    """Nothing of that `kind` is called `name`; the message lists what exists."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        super().__init__(f"no {kind} '{name}'{hint} Available: {', '.join(names)}")


class UnsupportedSpace(UsageError):
    """The algorithm cannot serve this observation or action space."""


class DatasetError(UsageError):
    """Logged data are missing, damaged, hostile or belong to another environment."""


class RunFolderError(UsageError):
    """The run folder is taken by another run, cannot be written, or holds no run."""


class EnvironmentFault(SpreezeError):
    """The environment raised, or returned something that must not be learned from."""

    exit_code = 3


class LearnerFault(SpreezeError):
    """The learner failed or produced values that must not be published."""

    exit_code = 4


class CheckpointError(SpreezeError):
    """A checkpoint could not be written, or none that can be read is intact."""

    exit_code = 5


class ForkError(SpreezeError):
    """A role's process cannot be started."""
