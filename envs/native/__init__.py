"""The native engine: MuJoCo environments of Gymnasium whose simulations are stepped together in C++.

`task.py` says how an environment is described, one file per family describes it, `simulations.py` says what physics is
asked for, `batch.py` and `loop.py` do it, `vector.py` makes a `VectorEnv` of a description and simulations.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium

from spreeze.envs.native.tasks import TASKS as TASKS
from spreeze.envs.native.tasks import entry_point

if TYPE_CHECKING:
    from spreeze.envs.native.simulations import Simulations
    from spreeze.envs.native.task import Task
    from spreeze.envs.native.vector import NativeVector

_ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


def refusal(identifier: str) -> str | None:
    """Why the engine does not step the environment of this Gymnasium id; None if it does."""
    spec = gymnasium.registry.get(identifier)
    if identifier not in TASKS:
        return f"environment '{identifier}' has no native engine; there is one for {', '.join(TASKS)}"
    own = spec is not None and str(spec.entry_point).startswith(entry_point(identifier))
    if spec is None or not own or spec.kwargs or spec.additional_wrappers:
        return f"environment '{identifier}' is registered otherwise than Gymnasium registers it"
    if find_spec("mjbatch") is None:
        return "the package mjbatch is not installed"
    return None


def native_vector(
    identifier: str,
    count: int,
    seed: int,
    limit: int | None = None,
    change: Callable[[Any], None] | None = None,
    threads: int = 1,
) -> NativeVector:
    """Return `count` environments of an id for which there is no `refusal`.

    Args:
        identifier: Gymnasium's id.
        count: N.
        seed: From which every episode's seed is derived.
        limit: Steps after which an episode is truncated; None: as Gymnasium has it.
        change: Changes the `MjModel` that all simulations have, once.
        threads: How many step the physics.
    """
    from spreeze.envs.native.vector import NativeVector

    task, model = TASKS[identifier], load_model(TASKS[identifier])
    if change is not None:
        change(model)
    limit = gymnasium.spec(identifier).max_episode_steps if limit is None else limit
    return NativeVector(identifier, task, simulate(task, model, count, threads), seed, limit)


def load_model(task: Task) -> Any:
    """Return the `MjModel` of a task, a new one at every call."""
    import mujoco

    return mujoco.MjModel.from_xml_path(str(_ASSETS / task.model))


def simulate(task: Task, model: Any, count: int, threads: int = 1) -> Simulations:
    """Return `count` simulations of `model`: by mjbatch, unless the task needs contact forces."""
    from spreeze.envs.native.batch import BatchSimulations
    from spreeze.envs.native.loop import LoopSimulations

    kind = LoopSimulations if task.contact_forces else BatchSimulations
    return kind(model, count, task.fields, threads)
