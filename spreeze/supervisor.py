"""Role processes: started, watched, restarted, stopped."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spreeze.errors import EnvironmentFault, ForkError, LearnerFault
from spreeze.forkserver import death
from spreeze.pacing import Every
from spreeze.transport.counters import BEAT, ENV_STEPS, PID, TAKEN, VERSION, Counters

START_LIMIT_S, PATIENCE = 120.0, 5.0
"""Until a role must have said hello; and by how much longer it may take where the machine is too busy for it."""
BEAT_LIMIT_S = 60.0
"""Between two signs of life; an environment step or an update may take that long."""
STOPPED_LIMIT_S, LOOK_EVERY_S = 3.0, 0.5
"""For a role that a signal has stopped to be let go, and between two looks for such roles."""
HEALTHY_S = 10.0
"""A role that lived this long after its hello has its failures forgotten."""
MAX_FAILURES, MAX_ERRORS = 5, 3
"""Deaths in a row that end the run, and exceptions in a row."""
PROGRESS = 100
"""Rows of a sampler or updates of a learner, beyond those of its last death, that make up for its failures."""


class Process(Protocol):
    """What is asked of a child process, as of `subprocess.Popen`."""

    pid: int
    returncode: Any

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def wait(self) -> int:
        """Wait for its end; return the exit code."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """End it."""


@dataclass
class Child:
    """One role and the process that plays it at the moment."""

    role: str
    process: Process | None = None
    incarnation: int = 0
    started_s: float = 0.0
    ready_s: float | None = None
    failures: int = 0
    restart_at_s: float = 0.0
    over: bool = False
    """It ended of its own accord and is not wanted back."""
    tracebacks: list[str] = field(default_factory=list)
    used_s: float = 0.0
    """Seconds of a core that it has used, as far as anybody looked."""
    used_at_s: float = 0.0
    """When it was last seen to have used more."""
    stopped_s: float | None = None
    """Since when it has been seen stopped."""
    reached: int = 0
    """How far the role had come at the furthest of its deaths."""


class Supervisor:
    """Keeps every role alive.

    1. A role that dies or cannot be started, whatever the reason, is started anew after a pause that doubles with each
       failure in a row.
    2. A role that gives no sign of life, or that a signal has stopped, is asked for its stacks, killed, and treated
       as dead.
    3. The parts of a split learner are one: if one dies, all are restarted from the last checkpoint.
    4. `MAX_FAILURES` in a row, or `MAX_ERRORS` exceptions without any progress, end the run with the first traceback of
       that role. A learner that fails at the same update again made no progress, however long it lived. Without a
       visualizer the run goes on.
    5. Only recorded processes are ever signalled.
    """

    def __init__(
        self,
        roles: Sequence[str],
        start: Callable[[str, int], Process],
        counters: Counters,
        tell: Callable[[str], None],
        before_restart: Callable[[str], None],
    ) -> None:
        self.children = {role: Child(role) for role in roles}
        self.restarts = dict.fromkeys(roles, 0)
        self._start, self._counters, self._tell, self._before_restart = start, counters, tell, before_restart
        self._look_due = Every(LOOK_EVERY_S)

    def start_all(self) -> None:
        """Start every role, learners last: these take longest, and others have something to do before."""
        for child in sorted(self.children.values(), key=lambda child: child.role.startswith("learner")):
            self._launch(child)

    def _launch(self, child: Child) -> None:
        self._counters.row(child.role)[[BEAT, PID]] = 0
        child.incarnation += 1
        child.started_s, child.ready_s, child.stopped_s = time.monotonic(), None, None
        child.used_s = child.used_at_s = 0.0
        try:
            child.process = self._start(child.role, child.incarnation)
        except ForkError as error:
            self._fail(child, child.started_s, f"cannot be started: {error}")

    def heard_hello(self, role: str, incarnation: int) -> None:
        """`role` says that it works."""
        child = self.children[role]
        if child.incarnation == incarnation:
            child.ready_s = time.monotonic()

    def heard_error(self, role: str, traceback: str) -> None:
        """`role` reports the exception that ends it; shown once."""
        child = self.children[role]
        if traceback not in child.tracebacks:
            self._tell(f"{role} failed:\n{traceback.rstrip()}")
        child.tracebacks.append(traceback)

    def check(self) -> None:
        """Notice deaths and silence, and restart what is due.

        Raises:
            EnvironmentFault, LearnerFault: a role keeps failing.
        """
        now, look = time.monotonic(), self._look_due()
        for child in self.children.values():
            if child.process is None:
                if not child.over and now >= child.restart_at_s:
                    self._before_restart(child.role)
                    self._launch(child)
            elif child.process.poll() is not None:
                self._bury(child, now)
            elif self._silent(child, now):
                self._kill_silent(child, "gives no sign of life")
            elif look and self._stopped(child, now):
                self._kill_silent(child, "was stopped by a signal")

    def _silent(self, child: Child, now: float) -> bool:
        if child.ready_s is None:
            return now - child.started_s > START_LIMIT_S and not self._gets_on(child, now)
        beat = int(self._counters.row(child.role)[BEAT]) / 1e9
        return now - max(beat, child.ready_s) > BEAT_LIMIT_S

    def _gets_on(self, child: Child, now: float) -> bool:
        """Whether a role that starts computes, if slowly: on a machine without an idle core imports take minutes."""
        assert child.process is not None
        used = cpu_seconds(child.process.pid)
        if used > child.used_s:
            child.used_s, child.used_at_s = used, now
        patient = now - child.started_s < PATIENCE * START_LIMIT_S
        return patient and now - child.used_at_s < START_LIMIT_S / 4

    def _stopped(self, child: Child, now: float) -> bool:
        assert child.process is not None
        if not is_stopped(child.process.pid):
            child.stopped_s = None
            return False
        child.stopped_s = now if child.stopped_s is None else child.stopped_s
        return now - child.stopped_s > STOPPED_LIMIT_S

    def _kill_silent(self, child: Child, why: str) -> None:
        assert child.process is not None
        self._tell(f"{child.role} (process {child.process.pid}) {why}; its stacks are in log.txt")
        for number in (signal.SIGUSR1, signal.SIGCONT):
            child.process.send_signal(number)
        time.sleep(0.2)
        child.process.kill()
        child.process.wait()

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None
        code = child.process.returncode
        child.process = None
        if code == 0 and child.role == "visualizer":
            child.over = True
            return
        self._forget_failures(child, now)
        self._fail(child, now, death(code))

    def _fail(self, child: Child, now: float, how: str) -> None:
        """Have `child` started again after a pause, or give it up."""
        child.failures += 1
        if child.failures >= MAX_FAILURES or len(child.tracebacks) >= MAX_ERRORS:
            return self._give_up(child, how)
        pause = 0.0 if child.failures == 1 else min(0.5 * 2.0 ** (child.failures - 2), 30.0)
        child.restart_at_s = now + pause
        self.restarts[child.role] += 1
        self._tell(f"{child.role} {how}; restarting" + (f" in {pause:g} s" if pause else ""))
        if child.role.startswith("learner-"):
            self._fell_partners(child)

    def _forget_failures(self, child: Child, now: float) -> None:
        kind = child.role.partition("-")[0]
        word, enough = {"sampler": (ENV_STEPS, PROGRESS), "learner": (TAKEN, PROGRESS)}.get(kind, (VERSION, 1))
        reached = int(self._counters.row(child.role)[word])
        gained, child.reached = reached - child.reached, max(reached, child.reached)
        healthy = child.ready_s is not None and now - child.ready_s > HEALTHY_S
        if healthy or gained >= enough:
            child.failures = 0
        if gained >= enough or (healthy and kind != "learner") or (gained > 0 and kind == "sampler"):
            child.tracebacks = child.tracebacks[-1:]

    def _fell_partners(self, dead: Child) -> None:
        for child in self.children.values():
            if child.role.startswith("learner-") and child is not dead:
                if child.process is not None:
                    child.process.kill()
                    child.process.wait()
                    child.process = None
                child.restart_at_s = dead.restart_at_s

    def _give_up(self, child: Child, how: str) -> None:
        kind = LearnerFault if child.role.startswith("learner") else EnvironmentFault
        cause = child.tracebacks[0].rstrip() if child.tracebacks else f"the process {how}"
        times = max(child.failures, len(child.tracebacks))
        complaint = f"{child.role} failed {times} times in a row; the first time:\n{cause}"
        if child.role != "visualizer":
            raise kind(complaint)
        child.over = True
        self._tell(f"{complaint}\nthe run goes on without it")

    def alive(self, prefix: str = "") -> list[Child]:
        """Children with a living process whose role begins with `prefix`."""
        living = [c for c in self.children.values() if c.process is not None and c.process.poll() is None]
        return [child for child in living if child.role.startswith(prefix)]

    def wait(self, prefix: str, limit_s: float, meanwhile: Callable[[], None]) -> bool:
        """Wait until all roles that begin with `prefix` have ended; return whether they did in time."""
        deadline = time.monotonic() + limit_s
        while self.alive(prefix) and time.monotonic() < deadline:
            meanwhile()
        return not self.alive(prefix)

    def kill_all(self) -> None:
        """End whatever still lives."""
        for child in self.alive():
            assert child.process is not None
            child.process.kill()
        for child in self.children.values():
            if child.process is not None:
                child.process.wait()


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped a process; one under a debugger is not."""
    return stat_of(pid)[0] == "T"


def cpu_seconds(pid: int) -> float:
    """Seconds of a core that a process has used; 0 of one that is gone."""
    return sum(map(int, stat_of(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def stat_of(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; of one that is gone, that it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", *["0"] * 20]
