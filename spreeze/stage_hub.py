"""One stage as the orchestrator sees it: what roles say, what is saved, whether it is over."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from spreeze.checkpoint import Checkpoint
from spreeze.journal import Journal
from spreeze.pacing import Every
from spreeze.runtime import RuntimeFolder
from spreeze.saving import Saver
from spreeze.stage_memory import StageMemory
from spreeze.status import Status
from spreeze.transport.messages import Hub, Message


class StageHub:
    """Hears the roles of one stage, keeps its journal and its checkpoints; the same in processes and in serial."""

    def __init__(self, folder: Path, memory: StageMemory, journal: Journal, checkpoint: Checkpoint | None) -> None:
        self.folder, self.memory, self.journal = folder, memory, journal
        self.settings, self.stage = memory.settings, memory.stage
        with ExitStack() as failed:
            failed.callback(memory.close)
            self._runtime = RuntimeFolder()
            failed.callback(self._runtime.close)
            self.socket = self._runtime.path / "hub"
            self._hub = Hub(self.socket)
            failed.callback(self._hub.close)
            self.send = self._hub.send
            self.saver = Saver(folder, memory, self.send, checkpoint.manifest["stores"] if checkpoint else {})
            failed.pop_all()
        self.learner_done = False
        self.second, self._flush_due, self._summary_due = Every(1.0), Every(3.0), Every(10.0)

    def hear(self, timeout_s: float) -> list[Message]:
        """Act on what roles have said; return it."""
        known = [message for message in self._hub.receive(timeout_s) if message.role in self.memory.roles]
        for message in known:
            self._handle(message)
        return known

    def _handle(self, message: Message) -> None:
        role, data = message.role, message.data
        match message.kind:
            case "metrics":
                self.journal.add_metrics(data["values"])
            case "episodes":
                self.journal.add_episodes(data["returns"], data["lengths"])
            case "evaluation":
                self.journal.add_evaluation(data)
            case "saved":
                self.saver.heard_saved(role, data["folder"], data["problem"])
            case "log":
                self.journal.say(f"{role}: {data['text']}")
            case "done":
                self.learner_done |= role.startswith("learner")

    def over(self) -> bool:
        """Whether the stage has reached its end, or an evaluation that of the run."""
        limit = self.stage.until.env_steps
        enough = limit is not None and self.memory.counters.env_steps >= limit
        return enough or self.learner_done or self.journal.reached_return

    def look(self, status: Status) -> None:
        """Do what is due by the clock: numbers every second, the summary and the stores' files now and then."""
        if self.second():
            self.journal.sample()
            status.show(self.memory)
        if self._flush_due():
            self.saver.flush()
        if self._summary_due():
            self.journal.write_summary("running")

    def tell_problems(self) -> None:
        """Say why something could not be saved."""
        problem = self.saver.problem()
        if problem:
            self.journal.complain(f"could not save: {problem}; the previous checkpoint stands")

    def describe(self) -> Mapping[str, Any]:
        """What a checkpoint's manifest says of the run."""
        totals = {"env_steps": self.journal.env_steps, "updates": self.journal.updates}
        return totals | {"seconds": self.journal.seconds, "before": self.journal.totals_before}

    def close(self) -> None:
        """Give everything back."""
        self.saver.close()
        self._hub.close()
        self._runtime.close()
        self.memory.close()
