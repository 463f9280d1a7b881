"""The contract between spreeze and an environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import gymnasium
    import numpy as np
    from gymnasium.spaces import Space

    from spreeze.dataset import Dataset


class Transition(NamedTuple):
    """What one step of N environments gives. All arrays are valid until the next step."""

    observation: np.ndarray
    """(N, ...) in the space's dtype, floats as float32."""
    reward: np.ndarray
    """(N,) float32."""
    terminated: np.ndarray
    """(N,) bool: the episode ended in a state without a future."""
    truncated: np.ndarray
    """(N,) bool: the episode was cut; the future still has value."""


class VectorEnv(Protocol):
    """N environments of one kind, stepped together.

    Autoreset happens at the *next* step: the step after an end ignores that environment's action and returns the
    first observation of its next episode with reward 0, so that the final observation is never lost. Episode k of
    environment n starts from a seed that is a pure function of (seed, n, k).
    """

    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    count: int

    def reset(self) -> np.ndarray:
        """Begin a new episode in every environment; return the observations (N, ...)."""

    def step(self, actions: np.ndarray) -> Transition:
        """Step with `actions` (N, ...), in the units of the action space.

        Raises:
            EnvironmentFault: an environment returned NaN, infinity or a wrong shape; named with index and seed.
        """

    def state(self) -> Mapping[str, np.ndarray]:
        """What `load_state` needs to go on to the bit."""

    def load_state(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go on where `state` was taken; return the observations (N, ...) of that moment."""

    def close(self) -> None:
        """Release what the environments hold."""


class TaskFamily(VectorEnv, Protocol):
    """Environments of which each can be told what task to play; nothing observed tells its number."""

    def begin(self, task: np.ndarray) -> np.ndarray:
        """Begin an episode of task[n] in environment n, and play that task from now on; return the observations."""


class Measured(VectorEnv, Protocol):
    """Environments that measure more of their episodes than returns; evaluations report means over episodes."""

    def metrics(self) -> Mapping[str, np.ndarray]:
        """Name -> (N,): of the episodes under way, or just over until the next step."""


@dataclass(frozen=True)
class Marker:
    """A ball in the world that is drawn with a scene of MuJoCo."""

    position: Sequence[float]
    """(3,): its middle, in the world [m]."""
    radius: float
    """[m]"""
    colour: tuple[int, int, int]
    """Red, green, blue, each 0 to 255."""


@dataclass(frozen=True)
class Overlay:
    """What an environment shows beside itself at this moment. Names stay the same; what is left out is hidden."""

    markers: Mapping[str, Marker] = field(default_factory=dict)
    """By name."""
    charts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Title -> name of a curve -> its value now; the viewer keeps what was before."""
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Title -> (H, W, 3) uint8: what a camera of the robot sees."""


@dataclass(frozen=True)
class Parameter:
    """A number that goes with a control."""

    name: str
    """With its unit."""
    low: float
    high: float
    value: float
    """At first."""


@dataclass(frozen=True)
class Control:
    """Something that who watches may do to the environment in front of him, and to no other."""

    name: str
    act: Callable[..., None]
    """Is called between two steps, with a number for each parameter in their order, all within their limits."""
    parameters: Sequence[Parameter] = ()
    key: str = ""
    """A capital letter that does the same as the button."""


@runtime_checkable
class Watchable(Protocol):
    """What the environment of `make_rendered` may add, unwrapped, for who watches it (docs/viewer.md)."""

    def overlay(self) -> Overlay:
        """What is to be seen of the present state; asked once a frame."""

    def controls(self) -> Sequence[Control]:
        """What can be done to it; asked once."""


@dataclass(frozen=True)
class Sketch:
    """How the tasks of a family and what is done in them are drawn: in a plane, or as one number against time."""

    labels: tuple[str, ...]
    """Names of the D numbers that are drawn, with their units; D is 1 or 2."""
    track: Callable[[np.ndarray], np.ndarray]
    """Observations (..., O) -> (..., D): where each of them is."""
    goals: np.ndarray
    """(K, D): where each task is rewarded."""
    reach: float
    """The reward begins at this distance from a goal."""
    taxicab: bool = False
    """Whether that distance is the sum of those along both axes."""
    places: Mapping[str, tuple[tuple[float, ...], float]] = field(default_factory=dict)
    """What else there is, as name -> (where (D,), how far it reaches). How long a policy stays there is measured."""

    def near(self, observation: np.ndarray, place: str) -> np.ndarray:
        """(...,) bool: which observations (..., O) are at a place."""
        where, reach = self.places[place]
        inside: np.ndarray = ((self.track(observation) - where) ** 2).sum(axis=-1) <= reach**2
        return inside


@runtime_checkable
class Sketched(Protocol):
    """What a family adds to `TaskFamily` if its tasks can be drawn."""

    @property
    def sketch(self) -> Sketch | None:
        """How; None: they cannot."""


@dataclass(frozen=True)
class Tasks:
    """How many tasks a `TaskFamily` has: the first `train` are to learn from, the following `test` are held out."""

    train: int
    test: int
    episode_steps: int
    """Steps after which every episode is truncated; none ends before."""

    @property
    def held_out(self) -> range:
        """The numbers of the tasks that are held out."""
        return range(self.train, self.train + self.test)


class Mirror(NamedTuple):
    """How observations (..., O) and actions (..., A) look with left and right exchanged: sign * x[..., index].

    Twice is the identity. A mirrored action in a mirrored state leads to the mirrored state.
    """

    observation: tuple[np.ndarray, np.ndarray]
    """index (O,) int64 and sign (O,) float32, of an observation as one vector."""
    action: tuple[np.ndarray, np.ndarray]
    """index (A,) and sign (A,), of an action in [-1, 1]."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an algorithm is told of the environment. Policies act in [-1, 1] where actions form a bounded Box."""

    observation: Space[Any]
    action: Space[Any]
    termination: Callable[[Any], Any] | None = None
    """Next observations (..., O), as arrays or tensors, -> (...) bool: which of them end an episode; None: unknown."""
    dataset: Dataset | None = None
    """What the user asked to learn from, or what the environment offers; None: nothing."""
    tasks: Tasks | None = None
    """Of a family of tasks, which a source tells its environments by `TaskFamily.begin`; None: there is one task."""
    mirror: Mirror | None = None
    """Of a robot whose left and right are alike; None: nothing of that is known."""


@dataclass(frozen=True)
class Environment:
    """A plug-in: one environment by name."""

    summary: str
    """One line for `spreeze list`."""
    options: type
    """A frozen dataclass; its fields become flags. Every field has a default and an attribute docstring."""
    make_vector: Callable[[Any, int, int], VectorEnv]
    """(options, count, seed) -> environments stepped together."""
    make_rendered: Callable[[Any], gymnasium.Env[Any, Any]]
    """options -> one environment whose `render()` returns an RGB array (H, W, 3) uint8."""
    termination: Callable[[Any], Any] | None = None
    """Next observations (..., O), as arrays or tensors, -> (...) bool: which end an episode; None: unknown."""
    dataset: Callable[[str | None], Dataset | None] | None = None
    """Name or path, or None for the dataset of its own -> dataset, None if it has none; raises `UsageError`."""
    tasks: Callable[[Any], Tasks] | None = None
    """options -> the tasks of a family, of which `make_vector` gives a `TaskFamily`; None: there is one task."""
    mirror: Callable[[Any], Mirror] | None = None
    """options -> how left and right are exchanged; None: nobody knows."""
