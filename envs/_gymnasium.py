"""Environments that Gymnasium knows by id."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import gymnasium
import numpy as np

from spreeze.dataset import Dataset
from spreeze.environment import Environment, VectorEnv
from spreeze.envs import native
from spreeze.envs.termination import termination
from spreeze.envs.vector import SyncVector
from spreeze.errors import EnvironmentFault, UsageError


@dataclass(frozen=True)
class GymnasiumOptions:
    """What can be chosen about an environment of Gymnasium."""

    max_episode_steps: int | None = None
    """Steps after which an episode is truncated; None: the environment's own limit."""
    friction: float = 1.0
    """Factor of all friction of the MuJoCo model."""
    gravity: float = 1.0
    """Factor of the gravity of the MuJoCo model."""
    sampler_engine: Literal["auto", "native", "gymnasium"] = "auto"
    """What steps the environments: native, all simulations together in C++; gymnasium, one after the other;
    auto: native where there is one. Both give the same episodes; rendering is always Gymnasium's."""


def gymnasium_environment(identifier: str, summary: str) -> Environment:
    """Return the plug-in of the environment that `gymnasium.make(identifier)` gives."""
    return Environment(
        summary=summary,
        options=GymnasiumOptions,
        make_vector=partial(_make_vector, identifier),
        make_rendered=partial(_make_rendered, identifier),
        termination=_termination(identifier),
        dataset=partial(_dataset, identifier),
    )


class Rendered(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose `render()` returns an RGB array (H, W, 3) uint8 or says what is missing."""

    def render(self) -> Any:
        """Return the frame (H, W, 3) uint8 of the present state.

        Raises:
            UsageError: a package that rendering needs is not installed.
            EnvironmentFault: the environment drew something else.
        """
        try:
            frame = self.env.render()
        except (gymnasium.error.Error, ImportError) as error:
            raise UsageError(f"cannot render {_named(self.env)}: {_remedy(error)}") from error
        except Exception as error:
            error.add_note("if OpenGL is at fault: install EGL (Debian: libegl1) and set MUJOCO_GL=egl")
            raise
        if not (isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8):
            raise EnvironmentFault(f"{_named(self.env)} rendered {type(frame).__name__}, not (H, W, 3) uint8")
        return frame


def _termination(identifier: str) -> Callable[[Any], Any] | None:
    spec = gymnasium.registry.get(identifier)
    as_shipped = spec is not None and not spec.kwargs and str(spec.entry_point).startswith("gymnasium.envs.")
    return termination(identifier) if as_shipped else None


def _dataset(identifier: str, name: str | None) -> Dataset | None:
    from spreeze.envs.datasets import open_dataset

    return open_dataset(name, identifier)


def _make_vector(identifier: str, options: GymnasiumOptions, count: int, seed: int) -> VectorEnv:
    _check(options)
    if _is_native(identifier, options.sampler_engine):
        change = partial(_scale_model, options=options)
        return native.native_vector(identifier, count, seed, options.max_episode_steps, change)
    return SyncVector(identifier, partial(_make, identifier, options), count, seed)


def _is_native(identifier: str, engine: str) -> bool:
    if engine == "gymnasium":
        return False
    refusal = native.refusal(identifier)
    if engine == "native" and refusal is not None:
        raise UsageError(f"--sampler-engine native: {refusal}; leave the option out, or give gymnasium")
    return refusal is None


def _make_rendered(identifier: str, options: GymnasiumOptions) -> Rendered:
    # GLFW, Gymnasium's first choice, draws nothing without a display and does not say so until it crashes.
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return Rendered(_make(identifier, options, render_mode="rgb_array"))
    except TypeError as error:
        raise UsageError(f"environment '{identifier}' cannot be rendered: {error}") from error


def _check(options: GymnasiumOptions) -> None:
    limit = options.max_episode_steps
    if limit is not None and limit < 1:
        raise UsageError(f"max_episode_steps is {limit}; give at least 1, or leave it out")
    for name, factor in (("friction", options.friction), ("gravity", options.gravity)):
        if not 0 < factor < math.inf:
            raise UsageError(f"{name} is {factor}; give a finite factor above 0")


def _make(identifier: str, options: GymnasiumOptions, **arguments: str) -> gymnasium.Env[Any, Any]:
    _check(options)
    limit = options.max_episode_steps
    try:
        env = gymnasium.make(identifier, max_episode_steps=limit, disable_env_checker=True, **arguments)
    except (gymnasium.error.Error, ImportError) as error:
        raise UsageError(f"cannot make environment '{identifier}': {_remedy(error)}") from error
    if "mujoco" in sys.modules:
        from spreeze.envs._warnings import keep_no_log

        keep_no_log()
    if (options.friction, options.gravity) != (1.0, 1.0):
        _scale_physics(env, options)
    return env


def _scale_physics(env: gymnasium.Env[Any, Any], options: GymnasiumOptions) -> None:
    """Change the model of this one environment, which a reset leaves as it is."""
    import mujoco

    model = getattr(env.unwrapped, "model", None)
    if not isinstance(model, mujoco.MjModel):
        env.close()
        raise UsageError(f"{_named(env)} has no MuJoCo model; leave friction and gravity at 1")
    _scale_model(model, options)


def _scale_model(model: Any, options: GymnasiumOptions) -> None:
    model.geom_friction *= options.friction
    model.pair_friction *= options.friction
    model.opt.gravity *= options.gravity


def _remedy(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error}; install the package that provides '{error.name}'"
    return str(error)


def _named(env: gymnasium.Env[Any, Any]) -> str:
    return f"environment '{env.spec.id}'" if env.spec else "the environment"
