"""A run in which one role after the other is struck while it goes on."""

import signal
import time
from collections.abc import Callable

from spreeze.checkpoint import Checkpoints
from spreeze.transport.counters import BEAT, INCARNATION, Counters
from tests.faults.plan import FORK_SERVER, ROLES, FaultPlan, Outcome
from tests.faults.scene import DAWDLING, LIMIT_S, TINY, Scene, wait_for

SMALL = ("--samplers", "1", "--tune", "off", "--evaluation-episodes", "1", "--evaluate-every", "1")
FOREVER = ("--seconds", "100000", "--checkpoint-every", "2")
WORDS = {
    "sac": (*TINY, *DAWDLING, "--evaluate"),
    "ppo": (*SMALL, "--algo", "ppo", "--env", "pendulum", "--envs-per-sampler", "4", "--hidden", "16"),
    "micro": (
        *(*SMALL, "--algo", "micro", "--env", "hopper", "--dynamics-epochs", "1", "--members", "3", "--elites", "2"),
        *("--dynamics-hidden", "16", "--hidden", "16", "--rollout-batch", "60"),
    ),
    "metacure": (
        *(*SMALL, "--algo", "metacure", "--env", "point-robot-sparse", "--envs-per-sampler", "2", "--warmup", "600"),
        *("--hidden", "16", "--encoder-width", "16", "--tasks-per-update", "4"),
    ),
}
"""Options of a small run of each algorithm."""
PLAYERS = {"sampler": "sampler-0", FORK_SERVER: "sampler-0", **{role: role for role in ROLES[1:]}}
"""Of each kind of role, the one that is struck."""
RATE_S, SETTLE_S = 3.0, 10.0
"""How long a rate is measured, and for how long it may take to come back."""


class Session:
    """A run with all roles, started once and struck again and again."""

    def __init__(self, scene: Scene, algo: str, filming: bool) -> None:
        """Start it, with a visualizer if that is to be struck: on a busy machine, it begins late."""
        self.scene, self.struck = scene, dict.fromkeys(PLAYERS.values(), 0)
        show = ("--visualize", "video" if filming else "none")
        self.process = scene.start(["run", *WORDS[algo], *FOREVER, *show, "--out", str(scene.folder)])
        roles = [role for role in dict.fromkeys(PLAYERS.values()) if filming or role != "visualizer"]
        self.counters: Counters | None = scene.await_roles(roles, 3 * LIMIT_S)
        self.await_updates(20)

    def await_updates(self, count: int) -> None:
        """Wait until so many updates have been made from now on."""
        counters = self.counters
        assert counters is not None
        wanted = counters.updates + count
        wait_for(lambda: counters.updates >= wanted, 3 * LIMIT_S)

    def rate(self) -> float:
        """Updates per second."""
        assert self.counters is not None
        begin, updates = time.monotonic(), self.counters.updates
        time.sleep(RATE_S)
        return (self.counters.updates - updates) / (time.monotonic() - begin)

    def strike(self, plan: FaultPlan) -> Outcome:
        """Kill or stop a role at a random moment; wait until its successor works and the rate is back."""
        counters, rng, role = self.counters, plan.random(), PLAYERS[plan.who]
        assert counters is not None
        row, before = counters.row(role), self.rate()
        time.sleep(rng.uniform(0, 2))
        totals = totals_of(counters)
        incarnation, begin, moment = int(row[INCARNATION]), time.monotonic(), time.monotonic_ns()
        forking = self.scene.forking() if plan.who == FORK_SERVER else []
        for process in (*forking, self.scene.roles()[role]):
            process.kill() if plan.what == "kill" else process.suspend()
        self.struck[role] += 1
        wait_for(lambda: row[INCARNATION] > incarnation and row[BEAT] > moment, 3 * LIMIT_S)
        recovery = time.monotonic() - begin
        self.await_updates(5)
        if any(now < then for now, then in zip(totals_of(counters), totals, strict=True)):
            return Outcome("a counter ran backwards", recovery)
        return Outcome("", recovery, self._back(before))

    def _back(self, before: float) -> float | None:
        """The rate as a share of the one before, as soon as that is 95 %, or after a while."""
        begin, best = time.monotonic(), 0.0
        while before > 0 and best < 0.95 and time.monotonic() - begin < SETTLE_S:
            best = max(best, self.rate() / before)
        return best if before > 0 else None

    def end(self) -> str:
        """End the run; return what is wrong with it, if anything is."""
        self.counters = None
        self.scene.interrupt(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=LIMIT_S)
        restarts = self.scene.summary.get("restarts", {})
        struck = {role: count for role, count in self.struck.items() if count}
        return failure_of(
            lambda: self.process.returncode == 128 + signal.SIGTERM,
            lambda: restarts == struck,
            lambda: Checkpoints(self.scene.folder / "checkpoints").newest_intact() is not None,
            lambda: "Traceback" not in output,
        ) or clean_failure(self.scene)


def totals_of(counters: Counters) -> tuple[int, int, int]:
    """What never runs backwards."""
    return counters.env_steps, counters.updates, counters.rows_consumed


def failure_of(*checks: Callable[[], bool]) -> str:
    """The number of the first check that does not hold, in words; empty if all do."""
    wrong = [index for index, check in enumerate(checks, 1) if not check()]
    return f"check {wrong[0]} of {len(checks)} does not hold" if wrong else ""


def clean_failure(scene: Scene) -> str:
    """What a run left behind; empty if nothing."""
    try:
        scene.assert_clean()
    except AssertionError as error:
        return f"left something behind: {str(error).splitlines()[0] if str(error) else 'see assert_clean'}"
    return ""
