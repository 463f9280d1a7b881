"""The contract between spreeze and an algorithm.

An algorithm knows nothing of processes, memory or time. It declares *stages*; in each stage a `Source` produces
blocks of experience, the framework keeps them in `Store`s, draws batches from these for the `Part`s of the learner,
and carries the weights that parts publish to every `Policy`. The loop that the framework runs, whether in one
process or in ten, is:

    for stage in algorithm.stages(spec, config, batch_size):
        while not stage.until:
            for block in source.collect(mode):             # sampler processes
                stores[block.store].write(block)
            for part in parts.values():                    # learner processes
                part.update({name: stores[draw.store].draw(draw) for name, draw in part.draws.items()})
                weights.publish(part.publish())

Legend of shapes: B batch, N parallel streams of one sampler, T steps of a block, L steps of a segment,
O observation size, A action size. Arrays are float32 unless said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from spreeze.dataset import Dataset as Dataset
from spreeze.dataset import Episode as Episode
from spreeze.dataset import Reference as Reference
from spreeze.environment import EnvironmentSpec as EnvironmentSpec
from spreeze.environment import Mirror as Mirror
from spreeze.environment import Sketch as Sketch
from spreeze.environment import Sketched as Sketched
from spreeze.environment import TaskFamily as TaskFamily
from spreeze.environment import Tasks as Tasks
from spreeze.environment import Transition as Transition
from spreeze.evaluation import Adaptation as Adaptation
from spreeze.evaluation import Evaluation as Evaluation
from spreeze.evaluation import Trail as Trail
from spreeze.setups import Capturable as Capturable
from spreeze.setups import EvaluationSetup as EvaluationSetup
from spreeze.setups import LearnerSetup as LearnerSetup
from spreeze.setups import Modes as Modes
from spreeze.setups import SourceSetup as SourceSetup

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

Metrics = Mapping[str, "Tensor | float"]
"""Names to scalars. Tensors are read (a device synchronisation) about once a second, not at every update."""

Recurrent = tuple["Tensor", ...]
"""The memory of a policy, batch first; `()` for a memoryless one."""


@dataclass(frozen=True)
class Field:
    """Shape and dtype of one named value of a step or of a segment head."""

    shape: tuple[int, ...] = ()
    dtype: str = "float32"


@dataclass(frozen=True)
class Range:
    """A number the user or the tuner may choose: `minimum <= chosen <= maximum`."""

    default: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Store:
    """Where experience of one kind is kept.

    A step's `next_observation` is derived from its successor, never declared. Every store has the field
    `observation`; the default source also offers `action, reward, terminated, truncated, is_first` and the
    policy's extras, of which those declared here are kept. For the head of a segment it offers `state0, state1, ...`,
    the policy's memory before the first row; wherever `is_first` is set, the initial memory counts instead.
    """

    kind: Literal["replay", "queue", "dataset", "kept"]
    """replay: a ring drawn at random; queue: segments taken once, in order; dataset: filled once by `load`; kept: what
    the store of that name held when the stage before ended, its fields, segment and head declared alike."""
    fields: Mapping[str, Field]
    """What a step holds."""
    capacity: int = 1_000_000
    """Steps, over all lanes and streams. A queue counts segments of each lane instead."""
    segment: int = 0
    """L, steps of a segment; 0 where steps are drawn one by one."""
    head: Mapping[str, Field] = field(default_factory=dict)
    """What a segment holds once: initial recurrent state, task, ..."""
    streams: int | None = None
    """N, parallel streams of one lane; None: the environments of one sampler."""
    load: Callable[[], Iterable[Mapping[str, np.ndarray]]] | None = None
    """For a dataset: its episodes, each {field: (T, ...)} with T + 1 observations."""

    @property
    def written(self) -> bool:
        """Whether sources fill it."""
        return self.kind in ("replay", "queue")


@dataclass(frozen=True)
class Draw:
    """What one update takes from a store.

    `rows` transitions give fields of shape (B, ...) and `next_observation`. `segments` whole segments give
    fields (L, B, ...), `next_observation` (L, B, ...), `valid` (L, B) and head fields (B, ...). With `key`, a head
    field, segments are spread evenly over `keys` distinct values of it. Of a queue, the next segment of every lane
    is taken (B = lanes x N) and neither number is given.
    """

    store: str
    rows: int = 0
    segments: int = 0
    key: str | None = None
    keys: int = 1


@dataclass
class Block:
    """T consecutive steps of N streams, on their way to a store.

    `fields[name]` has shape (T, N, ...); `valid` (T, N) is 0 where a row carries no transition, as the row that
    holds the final observation of an episode; `next_observation` (N, ...) follows the last row. `continues` tells
    that row 0 follows the last row of the previous block of this lane.
    """

    store: str
    fields: Mapping[str, np.ndarray]
    valid: np.ndarray
    next_observation: np.ndarray
    continues: bool = True
    head: Mapping[str, np.ndarray] = field(default_factory=dict)
    episodes: Sequence[tuple[float, int]] = ()
    """Return and length of every episode that ended in this block."""


class Step(NamedTuple):
    """What a policy sees of N environments."""

    observation: Tensor
    """(N, ...) as the space gives it."""
    previous_action: Tensor
    """(N, A) in [-1, 1], or (N,) for a discrete space; zeros at the first step of an episode."""
    previous_reward: Tensor
    """(N,)."""
    is_first: Tensor
    """(N,) bool: the first step of an episode."""


class Policy(Protocol):
    """Chooses actions; built from the stage's bundles, whose tensors the framework keeps fresh."""

    def initial_state(self, batch: int) -> Recurrent:
        """The memory of `batch` streams before their first step."""

    def act(self, step: Step, state: Recurrent, mode: str) -> tuple[Tensor, Recurrent, Mapping[str, Tensor]]:
        """Return the action (N, A) in [-1, 1] or (N,) int64, the memory after it, and extras to be stored (N, ...).

        `mode` is one of the stage's `Modes`.
        """


class Source(Protocol):
    """Produces experience: by default, environments stepped with the policy."""

    def collect(self, mode: str) -> Iterable[Block]:
        """Return the next blocks. A segmented store takes blocks of exactly L steps."""

    def state(self) -> Mapping[str, np.ndarray]:
        """What `load_state` needs to go on to the bit, or {} to begin anew after a resume."""

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on where the source that gave `state` stood."""


class Part(Protocol):
    """One share of a learner that can be updated in a process and on a device of its own.

    Parts are updated in the order of the mapping that holds them. `reads` are the modules of other parts as this
    part sees them: in a joint learner the very modules, in a split one copies with the declared delay.
    """

    @property
    def draws(self) -> Mapping[str, Draw]:
        """What one update takes from the stores, by batch name; where nobody draws anything, samplers collect alone."""

    @property
    def owns(self) -> Mapping[str, nn.Module]:
        """The modules that this part changes, by name."""

    @property
    def reads(self) -> Mapping[str, nn.Module]:
        """The modules of other parts that this part needs, by the name under which these own them."""

    def update(self, batches: Mapping[str, Mapping[str, Tensor]]) -> Metrics:
        """Perform one update with one batch for each of `draws`."""

    def publish(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Return the bundles that this part owns, as {bundle: {name: tensor}}; {} if none."""

    def state(self) -> Mapping[str, Tensor]:
        """Everything that a resumed run needs of this part: weights, optimiser, generators."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""

    @property
    def finished(self) -> bool:
        """Whether this part has nothing more to learn; ends the stage."""


@dataclass(frozen=True)
class Pace:
    """How far samplers and learner may drift apart. At most one of the two is set; neither: both run free."""

    ratio: Range | None = None
    """Rows consumed by the learner per new row, held at the chosen value."""
    max_lag: int | None = None
    """Updates between the weights that collected a queued segment and the update that consumes it."""


@dataclass(frozen=True)
class Until:
    """The end of a stage: whichever comes first. `--steps` replaces `env_steps` of the last stage that has a source."""

    env_steps: int | None = None
    updates: int | None = None


def environment_source(setup: SourceSetup) -> Source:
    """The default source: environments stepped with the policy."""
    from spreeze.sources import EnvironmentSource

    return EnvironmentSource(setup)


def episode_evaluation(setup: EvaluationSetup) -> Evaluation:
    """The default evaluation: whole episodes in the stage's evaluation mode."""
    from spreeze.sources import evaluate_episodes

    return evaluate_episodes(setup)


@dataclass(frozen=True)
class Stage:
    """One phase of learning. Between stages all roles stop and start anew with the next stage's memory."""

    name: str
    stores: Mapping[str, Store]
    bundles: Mapping[str, Callable[[], nn.Module]]
    """Modules whose tensors travel from the learner to policies and sources; the factory also sizes the channel."""
    make_policy: Callable[[Mapping[str, nn.Module], torch.Generator], Policy] | None
    """None: a stage that neither samples with a policy nor evaluates one."""
    make_learner: Callable[[LearnerSetup], Mapping[str, Part]]
    make_source: Callable[[SourceSetup], Source] | None = environment_source
    """None: no sampler is started."""
    evaluate: Callable[[EvaluationSetup], Evaluation] | None = episode_evaluation
    adapt: Callable[[EvaluationSetup], Adaptation] | None = None
    """Adapts to tasks that are held out and keeps what happened, for `spreeze eval --plot`; None: nothing adapts."""
    block_rows: int | None = None
    """Rows of one `collect`; None: those of the default source."""
    pace: Pace = Pace()
    warmup: int = 0
    """Rows that must be stored before the first update; samplers act in the warm-up mode until then."""
    modes: Modes = field(default_factory=Modes)
    delay: int = 0
    """d: updates by which a split part's view of its partners may lag."""
    until: Until = Until()


@dataclass(frozen=True)
class Algorithm:
    """A plug-in: the module constant `ALGORITHM` of `spreeze.algorithms.<name>` or of an entry point."""

    summary: str
    """One line for `spreeze list`."""
    source: str
    """The paper, with its arXiv number."""
    config: type
    """A frozen dataclass; its fields become flags. Every field has a default and an attribute docstring."""
    stages: Callable[[EnvironmentSpec, Any, int], Sequence[Stage]]
    """(spec, config, batch_size) -> stages; raises `UnsupportedSpace`, or `UsageError` without a dataset it needs."""
    batch_size: Range = Range(256, 16, 65536)
    critical_batch: float | None = None
    """B*: an update of B rows brings 1 / (1 + B* / B) of what one of unlimited rows would. None: nobody knows, and the
    tuner leaves the batch alone."""
