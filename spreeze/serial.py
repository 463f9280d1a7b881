"""The same roles in one process, taking turns: for tests, debuggers, exact reproduction, and other platforms.

A serial run is a pure function of its settings, to the bit: nothing in it depends on time. It goes on from a
checkpoint exactly where it stood, open episodes included.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from spreeze.checkpoint import Checkpoint
from spreeze.errors import CheckpointError, SpreezeError
from spreeze.inherited import inherited_file
from spreeze.roles.context import RoleContext
from spreeze.roles.evaluator import Evaluator
from spreeze.roles.learner import Learner
from spreeze.roles.sampler import Sampler
from spreeze.signals import Signals
from spreeze.stage_hub import StageHub
from spreeze.status import Status
from spreeze.transport.messages import Line

SOURCE, EVALUATION = "source.safetensors", "evaluation.safetensors"
GENERATOR = "generator"
HEAR_S, PATIENCE = 0.05, 200
"""One wait for a message, and how many are worth an evaluation that was sent."""


class Steps:
    """True once for every `interval` steps."""

    def __init__(self, interval: int, at: int) -> None:
        self._interval, self._seen = interval, at // interval

    def __call__(self, at: int) -> bool:
        """Whether a multiple of the interval has been passed since the last call."""
        passed, self._seen = at // self._interval > self._seen, at // self._interval
        return passed


class SerialStage:
    """One stage, its roles as objects."""

    def __init__(self, hub: StageHub, checkpoint: Checkpoint | None) -> None:
        self.hub, self.memory, self.journal = hub, hub.memory, hub.journal
        self.checkpoint = checkpoint
        roles = self.memory.roles
        if hub.settings.run.visualize == "browser":
            self.journal.say("serial runs have no visualizer; `spreeze watch` shows them")
        self.learners = [Learner(self._context(role)) for role in roles if role.startswith("learner")]
        for learner in self.learners:
            learner.publish_due = lambda: False  # by turns, not by time
            learner.begin()
        self.sampler = Sampler(self._context("sampler-0")) if "sampler-0" in roles else None
        self.evaluator = self._evaluator(self._context("evaluator")) if "evaluator" in roles else None
        if self.sampler is not None:
            self.sampler.fresh.refresh()
            self._restore_source(self.sampler)

    def _context(self, role: str) -> RoleContext:
        inherited = inherited_file(self.hub.folder)
        given = str(inherited) if inherited.exists() else ""
        saved = str(self.checkpoint.folder) if self.checkpoint else ""
        spec = self.memory.spec(role, 1, self.hub.folder, self.hub.socket, saved, given)
        context = RoleContext(spec, Line(self.hub.socket, role))
        context.ready()
        return context

    def _evaluator(self, context: RoleContext) -> Evaluator:
        evaluator = Evaluator(context, context.fresh_modules())
        if self.checkpoint is not None:
            evaluator.load_state(load_file(self.checkpoint.folder / EVALUATION))
        return evaluator

    def _restore_source(self, sampler: Sampler) -> None:
        if self.checkpoint is None:
            return
        arrays = load_file(self.checkpoint.folder / SOURCE)
        sampler.generator.set_state(torch.from_numpy(arrays.pop(GENERATOR)))
        if arrays:
            sampler.source.load_state(arrays)

    def watch(self, status: Status, signals: Signals, deadline_s: float) -> None:
        """Take turns until the stage is over.

        Raises:
            Interrupted: a signal came.
            SpreezeError: nobody can go on.
        """
        run = self.hub.settings.run
        evaluate, save = (Steps(n, self.progress) for n in (run.evaluate_every_steps, run.checkpoint_every_steps))
        while not self.hub.over() and self.journal.seconds < deadline_s:
            signals.check()
            self.turn()
            if evaluate(self.progress):
                self.evaluate()
            if save(self.progress):
                self.save()
            self.hub.look(status)

    @property
    def progress(self) -> int:
        """Environment steps of this stage, or updates if it takes none."""
        counters = self.memory.counters
        return counters.updates if self.sampler is None else counters.env_steps

    def turn(self) -> None:
        """One block of experience, then all updates that it allows."""
        went_on = False
        if self.sampler is not None and self.sampler.pace.sampler_may_step() and self._has_room(self.sampler):
            self.sampler.collect()
            went_on = True
        for learner in self.learners:
            learner.may_update()  # The parts of a split learner tell each other that they begin.
        while any([self._update(learner) for learner in self.learners]):
            went_on = True
            if self.sampler is None:
                break
        for learner in self.learners:
            learner.publish()
        if not went_on and not self.hub.learner_done:
            raise SpreezeError("neither sampler nor learner can go on: the stage's pace, stores and draws do not fit")

    @staticmethod
    def _has_room(sampler: Sampler) -> bool:
        return all(writer.has_room() for writer in sampler.writers.values())

    def _update(self, learner: Learner) -> bool:
        if learner.finished():
            self.hub.learner_done = True
            return False
        if not learner.may_update():
            return False
        learner.update()
        return True

    def evaluate(self) -> None:
        """Measure the present weights."""
        if self.evaluator is not None and self.evaluator.fresh.refresh():
            known, patience = len(self.journal.evaluations), PATIENCE
            self.evaluator.evaluate()
            while len(self.journal.evaluations) == known and patience > 0:
                self.hub.hear(HEAR_S)
                patience -= 1

    def finish(self) -> None:
        """Save, and measure the final weights."""
        self.save()
        self.evaluate()

    def interrupt(self) -> None:
        """Save."""
        self.save()

    def save(self) -> None:
        """Write a checkpoint and wait for it."""
        saver = self.hub.saver
        saver.request(self.hub.describe, self._add_own)
        while saver.busy:
            for learner in self.learners:
                learner.context.alive()
            self.hub.hear(0.005)
        problem = saver.problem()
        if problem:
            raise CheckpointError(f"the checkpoint could not be written: {problem}")

    def _add_own(self, staging: Path) -> None:
        if self.sampler is not None:
            own = {GENERATOR: self.sampler.generator.get_state().numpy()}
            save_arrays({**self.sampler.source.state(), **own}, staging / SOURCE)
        if self.evaluator is not None:
            save_arrays(self.evaluator.state(), staging / EVALUATION)

    def close(self) -> None:
        """Give everything back."""
        for role in (*self.learners, self.sampler, self.evaluator):
            if role is not None:
                role.context.close()
        self.hub.close()


def save_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write arrays of any memory layout."""
    save_file({name: array.copy() for name, array in arrays.items()}, path)
