"""What is done to a run, and what came of it."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class FaultPlan:
    """One trial: what happens, to whom, in a run of which algorithm; the moment follows from `random`."""

    what: str
    who: str
    algo: str = "sac"
    trial: int = 0
    seed: int = 0

    @property
    def row(self) -> str:
        """The row of the matrix to which it belongs."""
        return f"{self.what}/{self.who}/{self.algo}"

    @property
    def name(self) -> str:
        """A name that no other trial has, fit for a folder."""
        return f"{self.row}/{self.trial}".replace("/", "-").replace(" ", "-")

    def random(self) -> random.Random:
        """The generator of everything that is left to chance in it."""
        return random.Random(f"{self.seed} {self.row} {self.trial}")


@dataclass(frozen=True)
class Outcome:
    """What came of a trial."""

    failure: str = ""
    """Why it did not pass; empty if it did."""
    recovery_s: float | None = None
    """Seconds until the role worked again, or until everything was over."""
    throughput: float | None = None
    """Updates per second afterwards, as a share of those before."""


ROLES = ("sampler", "learner", "evaluator", "visualizer")
FORK_SERVER = "fork server"
"""The process that forks roles; whether it works is seen by a sampler, which is killed just after it."""
ALGORITHMS = ("sac", "ppo", "micro", "metacure")
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
NOT_FINITE = ("observation", "reward", "action", "loss", "gradient", "weights", "state")
ENDS = ("raise", "segfault", "exit", "hang")

ROWS: tuple[tuple[str, str, str], ...] = (
    *(("kill", role, algo) for algo in ALGORITHMS for role in ROLES),
    *(("stop", role, "sac") for role in ROLES),
    ("kill", FORK_SERVER, "sac"),
    ("kill", "orchestrator", "sac"),
    ("kill", "everything", "sac"),
    *((number, "orchestrator", "sac") for number in SIGNALS),
    ("kill while saving", "orchestrator", "sac"),
    ("kill while saving", "writer", "sac"),
    ("damage", "checkpoint", "sac"),
    *(("not finite", place, "sac") for place in NOT_FINITE),
    *((end, "environment", "sac") for end in ENDS),
    ("full disk", "run", "sac"),
)
"""Every row of the matrix: what, who, and in a run of which algorithm."""
