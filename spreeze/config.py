"""What a run is asked to do: options, their YAML file, and the sizes that follow from them."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from spreeze import registry
from spreeze.errors import UnknownName, UsageError

Auto = Literal["auto"]
Unset = Literal[None]
"""None, so written that tyro shows an option of this type without importing a type checker, which takes 0.1 s."""


@dataclass(frozen=True)
class RunOptions:
    """Options common to every algorithm."""

    seed: int = 0
    """Seed of every random generator of the run."""
    steps: int | Unset = None
    """Environment steps that end the last stage that takes any (default: the algorithm's own, without --seconds)."""
    seconds: float | Unset = None
    """Wall-clock seconds after which the run ends."""
    until_return: float | Unset = None
    """Mean return of an evaluation that ends the run."""
    out: Path | Unset = None
    """Run folder (default: runs/ALGO-ENV-TIME)."""
    dataset: str | Unset = None
    """Logged data to learn from: a name of `spreeze dataset list`, a Minari id or folder, a D4RL HDF5 file
    (default: the environment's own)."""
    devices: str = "auto"
    """auto, a torch device, or one per learner part: actor=cuda:0,critic=cuda:1."""
    delay: int | Auto = "auto"
    """Updates by which parts of a learner in places of their own may see each other late; 0: they take turns
    (auto: what the algorithm declares)."""
    samplers: int | Auto = "auto"
    """Sampler processes."""
    envs_per_sampler: int | Auto = "auto"
    """Environments that one sampler steps together."""
    learner_cores: int | Auto = "auto"
    """Cores of the learner, which has a thread on each; samplers share all but the first, or all with a queue,
    if no other ones are left."""
    batch_size: int | Auto = "auto"
    """Rows of one update."""
    updates_per_call: int | Auto = "auto"
    """Updates that the learner makes in a row before it looks at pace and messages; on a GPU they are one CUDA graph.
    A split learner, or one that takes from a queue, makes one."""
    stores: Literal["auto", "host", "device"] = "auto"
    """Where batches are drawn: on the host, or on the learner's device from a copy; auto: on a GPU with room for it."""
    replay_ratio: float | Auto = "auto"
    """Rows consumed by the learner per new environment step."""
    tune: Literal["auto", "again", "off"] = "auto"
    """Choose by measurement what is auto above: once for a machine and these settings if the run is long enough, anew,
    or never."""
    tune_seconds: float = 30.0
    """What that may take."""
    log: str = "tensorboard"
    """Where metrics go, separated by commas: tensorboard, wandb, mlflow (the last two by extras of their names); or
    none."""
    visualize: Literal["auto", "browser", "video", "none"] = "auto"
    """The newest policy, live in the browser, or as short MP4 files in the run folder; auto: video if this machine can
    render. `spreeze watch` shows any run in the browser."""
    viewer_port: int | Unset = None
    """Port of the viewer on 127.0.0.1 (default: 8080, or the next that is free)."""
    serial: bool = False
    """Run all roles in one process, deterministic to the bit for a seed."""
    evaluate_every: float = 15.0
    """Seconds between evaluations."""
    evaluate_every_steps: int = 10_000
    """Environment steps between evaluations of a serial run; updates, in a stage that takes none."""
    evaluation_episodes: int = 10
    """Deterministic episodes of one evaluation."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints."""
    checkpoint_every_steps: int = 100_000
    """Environment steps between checkpoints of a serial run; updates, in a stage that takes none."""


@dataclass(frozen=True)
class Settings:
    """A whole request: plug-ins by name, and the options of run, algorithm and environment."""

    algo: str
    env: str
    run: RunOptions
    algorithm: Any
    environment: Any

    def to_data(self) -> dict[str, Any]:
        """Plain data for YAML and messages."""
        groups = {name: _plain(getattr(self, name)) for name in ("run", "algorithm", "environment")}
        return {"algo": self.algo, "env": self.env, **groups}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Settings:
        """Rebuild settings from `to_data`; absent options take their defaults.

        Raises:
            UsageError: an unknown group or option (the nearest is named), or a value of another type.
        """
        allowed = ("algo", "env", "run", "algorithm", "environment")
        for group in data:
            if group not in allowed:
                raise UnknownName("section of the configuration", str(group), allowed)
        algo, env = (
            str(data.get("algo", registry.DEFAULT_ALGORITHM)),
            str(data.get("env", registry.DEFAULT_ENVIRONMENT)),
        )
        kinds = {
            "run": RunOptions,
            "algorithm": registry.algorithm(algo).config,
            "environment": registry.environment(env).options,
        }
        return cls(algo, env, **{name: from_plain(kind, data.get(name) or {}) for name, kind in kinds.items()})

    def replace(self, **changes: Any) -> Settings:
        """A copy with other run options."""
        return dataclasses.replace(self, run=dataclasses.replace(self.run, **changes))


def _plain(options: Any) -> dict[str, Any]:
    return {field.name: _plain_value(getattr(options, field.name)) for field in dataclasses.fields(options)}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain_value(item) for item in value] if isinstance(value, tuple) else value


def from_plain(kind: type, data: Any) -> Any:
    """Build the dataclass `kind` from a mapping of plain values, checking names and types."""
    if not isinstance(data, Mapping):
        raise UsageError(f"{kind.__name__} needs a mapping of options, not {data!r}")
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for name in data:
        if name not in names:
            raise UnknownName("option", str(name), names)
    return kind(**{name: _typed(hints[name], value, name) for name, value in data.items()})


def _typed(hint: Any, value: Any, name: str) -> Any:
    """`value` as `hint` wants it; ints serve as floats and lists as tuples."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for choice in arguments:
            try:
                return _typed(choice, value, name)
            except UsageError:
                continue
    elif (origin is Literal and value in arguments) or (hint is type(None) and value is None):
        return value
    elif origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(arguments[0], item, name) for item in value)
    elif hint is Path and isinstance(value, str):
        return Path(value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint in (int, str, bool) and type(value) is hint:
        return value
    raise UsageError(f"option '{name}' cannot be {value!r}; expected {_words(hint)}")


def _words(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_words(choice) for choice in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    return "None" if hint is type(None) else hint.__name__ if isinstance(hint, type) else str(hint)
