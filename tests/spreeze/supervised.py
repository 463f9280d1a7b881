"""A supervisor of shell commands, for tests."""

import subprocess
import time
from collections.abc import Callable

from spreeze.supervisor import Process, Supervisor
from spreeze.transport.counters import Counters

ROLES = ("sampler-0", "learner-critic", "learner-actor", "evaluator", "visualizer")


class Family:
    """A supervisor of shell commands, and a record of what it did."""

    def __init__(self, commands: dict[str, str] | None = None) -> None:
        self.commands = dict.fromkeys(ROLES, "exec sleep 60") | (commands or {})
        self.started: list[tuple[str, int]] = []
        self.said: list[str] = []
        self.announced: list[str] = []
        self.counters = Counters.create(ROLES)
        self.supervisor = Supervisor(ROLES, self.start, self.counters, self.said.append, self.announced.append)

    def start(self, role: str, incarnation: int) -> Process:
        self.started.append((role, incarnation))
        return subprocess.Popen(["/bin/sh", "-c", self.commands[role]])

    def process(self, role: str) -> "subprocess.Popen[bytes]":
        process = self.supervisor.children[role].process
        assert isinstance(process, subprocess.Popen)
        return process

    def check_until(self, what: Callable[[], bool], limit_s: float = 10.0) -> None:
        deadline = time.monotonic() + limit_s
        while not what():
            assert time.monotonic() < deadline
            self.supervisor.check()
            time.sleep(0.002)

    def incarnation(self, role: str) -> int:
        return self.supervisor.children[role].incarnation

    def fail(self, role: str, traceback: str = "") -> None:
        """Have the role report an exception, end it, and wait until that is noticed."""
        before = self.incarnation(role)
        if traceback:
            self.supervisor.heard_error(role, traceback)
        self.process(role).kill()
        self.process(role).wait()
        self.supervisor.children[role].failures = min(self.supervisor.children[role].failures, 1)
        self.check_until(lambda: self.incarnation(role) > before)
