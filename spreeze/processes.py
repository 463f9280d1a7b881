"""One stage in processes: every role forked from a warm interpreter, watched and restarted."""

import time
from collections.abc import Callable

from spreeze.checkpoint import Checkpoint
from spreeze.devices import part_devices
from spreeze.errors import CheckpointError
from spreeze.forkserver import ForkServer
from spreeze.inherited import inherited_file
from spreeze.pacing import Every
from spreeze.signals import Signals
from spreeze.sizing import usable_cores
from spreeze.stage_hub import StageHub
from spreeze.status import Status
from spreeze.supervisor import Process, Supervisor
from spreeze.transport.counters import BEAT, STOP
from spreeze.tuning.drift import Drift, Watch

SAVE_LIMIT_S = 8.0
"""For the last checkpoint of an interrupted run."""
STOP_LIMIT_S = 60.0
"""For roles to end regularly."""
EVALUATION_LIMIT_S = 60.0
"""For a sign of life of an evaluator that measures the final weights."""
GRACE_S = 1.0
"""For roles to end when interrupted, before they are killed."""


class ProcessStage:
    """Starts the roles of a stage, keeps them alive, and ends them."""

    def __init__(self, hub: StageHub, checkpoint: Checkpoint | None, forkserver: ForkServer) -> None:
        self.hub, self.memory, self.journal, self._forkserver = hub, hub.memory, hub.journal, forkserver
        self._checkpoint = str(checkpoint.folder) if checkpoint else ""
        counters = self.memory.counters
        self.supervisor = Supervisor(self.memory.roles, self._start, counters, self.journal.say, self._before_restart)
        self._signals: Signals | None = None
        self._save_due = Every(hub.settings.run.checkpoint_every)
        self._drift = self._new_drift()
        self._watch_drift = Watch(self._drift, lambda: self.memory.counters.updates)

    def _new_drift(self) -> Drift:
        asked, cores = self.journal.settings.run, usable_cores()
        on_cpu = all(place.type == "cpu" for place in part_devices(self.hub.settings.run.devices).values())
        free = asked.tune != "off" and asked.learner_cores == "auto" and on_cpu and "learner" in self.memory.roles
        choices = range(1, len(cores) + 1) if free else ()

        def apply(count: int) -> None:
            self.hub.send("learner", "cores", cores=list(cores[:count]))

        return Drift(len(self.memory.sizes.learner_cores), choices, apply, self.journal.say)

    def _start(self, role: str, incarnation: int) -> Process:
        inherited = inherited_file(self.hub.folder)
        given = str(inherited) if inherited.exists() else ""
        spec = self.memory.spec(role, incarnation, self.hub.folder, self.hub.socket, self._checkpoint, given)
        return self._forkserver.start(spec, self.memory.fds, self.journal.log.fileno())

    def _before_restart(self, role: str) -> None:
        self.journal.restarts[role] = self.journal.restarts.get(role, 0) + 1
        self.memory.counters.forgive()
        if not role.startswith("learner"):
            return
        self.hub.saver.abandon()
        if not self.supervisor.alive("learner"):
            self.memory.reset_exchanges()
            newest = self.hub.saver.checkpoints.newest_intact()
            own = newest is not None and newest.manifest["stage"] == self.memory.index
            self._checkpoint = str(newest.folder) if newest and own else ""  # of the stage before: begin anew

    def watch(self, status: Status, signals: Signals, deadline_s: float) -> None:
        """Supervise until the stage is over or `deadline_s` of the run's clock has come.

        Raises:
            Interrupted: a signal came.
            SpreezeError: a role keeps failing.
        """
        self._signals = signals
        self.supervisor.start_all()
        while not self.hub.over() and self.journal.seconds < deadline_s:
            self._hear(0.05)
            signals.check()
            self.supervisor.check()
            self._tend_forkserver()
            self.hub.look(status)
            self._watch_drift()
            if self._save_due() and not self.hub.saver.busy and self.supervisor.alive("learner"):
                self.hub.saver.request(self.hub.describe)

    def _tend_forkserver(self) -> None:
        if self._forkserver.tend():
            self.journal.say("the process that forks roles had died; started anew")

    def _hear(self, timeout_s: float) -> None:
        for message in self.hub.hear(timeout_s):
            if message.kind == "hello":
                self.supervisor.heard_hello(message.role, message.data["incarnation"])
                if message.role == "learner" and message.data["incarnation"] > 1:
                    self._drift.restarted()
            elif message.kind == "error":
                self.supervisor.heard_error(message.role, message.data["traceback"])
        self.hub.tell_problems()

    def finish(self) -> None:
        """A regular end: samplers stop, the learner saves and stops, the evaluator measures the final weights."""
        self._ask("sampler")
        self.save(STOP_LIMIT_S, last=True)
        self._ask("learner")
        self.supervisor.wait("learner", STOP_LIMIT_S, self._attend)
        self._ask("")
        self._await_evaluation()
        self._hear(0.05)

    def _await_evaluation(self) -> None:
        """Let the evaluator measure the final weights for as long as it gives signs of life."""
        seen = -1
        while self.supervisor.alive("evaluator"):
            beat = int(self.memory.counters.row("evaluator")[BEAT])
            if beat == seen:
                self.journal.say(f"the final weights were not evaluated: no sign of life for {EVALUATION_LIMIT_S:g} s")
                return
            seen = beat
            self.supervisor.wait("evaluator", EVALUATION_LIMIT_S, self._attend)

    def _attend(self) -> None:
        self._hear(0.02)
        if self._signals is not None:
            self._signals.check()

    def interrupt(self) -> None:
        """An early end: save within the limit and stop everybody."""
        self.save(SAVE_LIMIT_S)
        self.memory.counters.run[STOP] = 1
        self.supervisor.wait("", GRACE_S, lambda: self._hear(0.02))

    def save(self, limit_s: float, last: bool = False) -> None:
        """Write a checkpoint and wait for it; after the `last` one the learner makes no update.

        Raises:
            CheckpointError: it could not be written.
        """
        saver, deadline = self.hub.saver, time.monotonic() + limit_s
        if not self.supervisor.alive("learner"):
            return
        self._wait_until(lambda: not saver.busy, deadline)
        self.hub.tell_problems()  # Those of earlier attempts are not the last one's.
        saver.request(self.hub.describe, last=last)
        self._wait_until(lambda: not saver.busy, deadline)
        problem = saver.problem() or ("it took too long" if saver.busy else None)
        if problem:
            raise CheckpointError(f"the last checkpoint could not be written: {problem}")

    def _wait_until(self, ready: Callable[[], bool], deadline: float) -> None:
        while not ready() and time.monotonic() < deadline and self.supervisor.alive("learner"):
            self.hub.hear(0.02)

    def _ask(self, prefix: str) -> None:
        for child in self.supervisor.alive(prefix):
            self.hub.send(child.role, "stop", final=True)

    def close(self) -> None:
        """End all processes and give everything back."""
        self.memory.counters.run[STOP] = 1
        self.supervisor.kill_all()
        self.hub.close()
