"""Plug-ins by name, imported only when asked for: the one file that knows `spreeze.algorithms` and `spreeze.envs`.

A name is a module of `spreeze.algorithms` (or an environment that `spreeze.envs` knows), an entry point of the group
`spreeze.algorithms` or `spreeze.envs`, or `module:attribute`.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from spreeze.contract import Algorithm
from spreeze.dataset import Dataset
from spreeze.environment import Environment
from spreeze.errors import UnknownName, UsageError

PlugIn = TypeVar("PlugIn", Algorithm, Environment)

DEFAULT_ALGORITHM, DEFAULT_ENVIRONMENT = "sac", "hopper"
"""What a bare `spreeze run` trains."""


class Listed(NamedTuple):
    """One plug-in of `spreeze list`; `error` tells why it cannot be used."""

    kind: str
    name: str
    summary: str
    error: str | None = None


def algorithm(name: str) -> Algorithm:
    """The algorithm called `name`.

    Raises:
        UnknownName: there is none.
        UsageError: it is there and cannot be imported.
    """
    if name in builtin_algorithms():
        return _attribute(f"spreeze.algorithms.{name}:ALGORITHM", Algorithm)
    points = entry_points("spreeze.algorithms")
    if name in points or ":" in name:
        return _attribute(points.get(name, name), Algorithm)
    raise UnknownName("algorithm", name, [*builtin_algorithms(), *points])


def environment(name: str) -> Environment:
    """The environment called `name`: an entry point, `module:attribute`, or what `spreeze.envs` makes of it."""
    from spreeze import envs

    points = entry_points("spreeze.envs")
    if name in points and name not in envs.summaries():
        return _attribute(points[name], Environment)
    if ":" in name and not name.rpartition("-v")[2].isdigit():
        return _attribute(name, Environment)
    return envs.environment(name)


def own_modules(algo: str, env: str) -> list[str]:
    """The modules of ours that define an algorithm and an environment.

    Those of others might do at their import what a fork does not survive.
    """
    functions = algorithm(algo).stages, environment(env).make_vector
    modules = [str(function.__module__) for function in functions]
    return [module for module in modules if module.startswith("spreeze.")]


def environment_id(name: str) -> str:
    """The versioned Gymnasium id that a short name stands for; any other name as it is."""
    from spreeze import envs

    return envs.SHORT_NAMES.get(name, name)


def dataset_writer(folder: Path, name: str, environment: str, limit: int | None, spaces: Any, **about: Any) -> Any:
    """A `DatasetWriter` in a new folder.

    `environment`, a Gymnasium id, has the observation and action space of `spaces` and truncates episodes after
    `limit` steps (None: after its own limit); `about` holds the `reference` and what else Minari is told.
    """
    from spreeze.envs.datasets.writing import DatasetWriter, minari_metadata

    metadata = minari_metadata(name, environment, spaces, limit, **about)
    return DatasetWriter(folder, metadata, spaces[1])


def find_dataset(name: str) -> Dataset:
    """The dataset of a name or path, in whatever environment it was recorded; raises `DatasetError`."""
    from spreeze.envs import datasets

    return datasets.find_dataset(name)


def listed_datasets(here: Path) -> Sequence[Any]:
    """A `Line` for every dataset that is shipped, in Minari's folder, or recorded into `here`."""
    from spreeze.envs.datasets import listing

    return listing.lines(here)


def download_dataset(name: str) -> Path:
    """Fetch one of Minari's datasets; return its folder. Raises `DatasetError`."""
    from spreeze.envs import datasets

    return datasets.download(name)


def builtin_algorithms() -> list[str]:
    """Public modules of `spreeze.algorithms`, found without importing any of them."""
    from spreeze import algorithms

    return sorted(m.name for m in pkgutil.iter_modules(algorithms.__path__) if not m.name.startswith("_"))


def entry_points(group: str) -> dict[str, str]:
    """Name to `module:attribute` of the installed third-party plug-ins; none with SPREEZE_NO_PLUGINS=1."""
    if os.environ.get("SPREEZE_NO_PLUGINS") == "1":
        return {}
    import importlib.metadata

    return {point.name: point.value for point in importlib.metadata.entry_points(group=group)}


def _attribute(path: str, kind: type[PlugIn]) -> PlugIn:
    """Import `module:attribute`, which must be a `kind`; the current folder is looked into last."""
    module, _, attribute = path.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise UsageError(f"plug-in '{path}' cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, kind):
        raise UsageError(f"plug-in '{path}' is no {kind.__name__} but a {type(found).__name__}")
    return found


def listing() -> list[Listed]:
    """Every plug-in, imported to see whether it works; a broken one is listed with its reason."""
    from spreeze import envs

    names = dict.fromkeys([*builtin_algorithms(), *entry_points("spreeze.algorithms")])
    algorithms = [_listed("algorithm", name, algorithm) for name in names]
    known = envs.summaries()
    own = [Listed("environment", name, summary) for name, summary in known.items()]
    others = [name for name in entry_points("spreeze.envs") if name not in known]
    return algorithms + own + [_listed("environment", name, environment) for name in others]


def _listed(kind: str, name: str, find: Any) -> Listed:
    try:
        return Listed(kind, name, find(name).summary)
    except UsageError as error:
        return Listed(kind, name, "", str(error))
