"""One page of numbers that every role may read and only its owner writes."""

from collections.abc import Sequence

import numpy as np

from spreeze.transport.memory import SharedMemory

WORDS = 16
(
    BEAT,  # monotonic ns of the last sign of life; 0 until ready
    INCARNATION,
    ENV_STEPS,  # rows with a transition that a sampler stored
    UPDATES,  # updates performed, repeated ones after a restart included
    ROWS,  # rows consumed by these
    WAITED,  # ns spent waiting for somebody else
    VERSION,  # update of the weights in use (sampler, evaluator) or made (learner)
    VERSION_INCARNATION,
    FORGIVEN_STEPS,  # where the pace's account begins (row of the run)
    FORGIVEN_ROWS,
    STOP,
    STARTED,  # monotonic ns of the first environment step (sampler)
    TAKEN,  # updates begun (learner)
    PID,  # of the process that plays the role; 0 before there is one
) = range(14)


class Counters:
    """The page: one row for the run itself, written by the orchestrator, then one per role.

    Rows belong to roles, not to processes: a restarted role goes on from the values of its predecessor, so that
    totals never run backwards.
    """

    def __init__(self, memory: SharedMemory, roles: Sequence[str]) -> None:
        self.memory, self.roles = memory, tuple(roles)
        self._words = memory.array(np.int64, (1 + len(roles), WORDS))
        self.run = self._words[0]
        self._samplers = self._rows("sampler")
        self._learners = self._rows("learner")

    @classmethod
    def create(cls, roles: Sequence[str]) -> "Counters":
        """Allocate a page for these roles."""
        return cls(SharedMemory.create("counters", (1 + len(roles)) * WORDS * 8), roles)

    def _rows(self, prefix: str) -> np.ndarray:
        """A view of the rows of all roles of one kind, which are adjacent."""
        indices = [1 + index for index, role in enumerate(self.roles) if role.startswith(prefix)]
        return self._words[indices[0] : indices[-1] + 1] if indices else self._words[:0]

    def row(self, role: str) -> np.ndarray:
        """The live row of `role`."""
        row: np.ndarray = self._words[1 + self.roles.index(role)]
        return row

    @property
    def env_steps(self) -> int:
        """Environment steps stored by all samplers."""
        return int(self._samplers[:, ENV_STEPS].sum())

    @property
    def updates(self) -> int:
        """Updates performed; of a split learner, by its first part."""
        return int(self._learners[0, UPDATES]) if len(self._learners) else 0

    @property
    def rows_consumed(self) -> int:
        """Rows consumed; of a split learner, by its first part."""
        return int(self._learners[0, ROWS]) if len(self._learners) else 0

    @property
    def policy_lag(self) -> float:
        """Updates by which the samplers' weights are behind the learner's, on average."""
        if not len(self._learners) or not len(self._samplers):
            return 0.0
        same = self._samplers[:, VERSION_INCARNATION] == self._learners[0, INCARNATION]
        lags = (self._learners[0, TAKEN] - self._samplers[:, VERSION])[same]
        return float(lags.mean()) if len(lags) else 0.0

    @property
    def stopping(self) -> bool:
        """Whether the orchestrator has asked every role to stop."""
        return bool(self.run[STOP])

    def forgive(self) -> None:
        """Begin the pace's account anew: what a dead role owed is not collected."""
        self.run[FORGIVEN_STEPS], self.run[FORGIVEN_ROWS] = self.env_steps, self.rows_consumed
